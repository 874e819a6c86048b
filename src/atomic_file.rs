//! Files that are replaced atomically: after an interruption at any moment, a file holds either its old content or its
//! new.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// Who may read a file after it was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Whoever could read it before; for a new file, whoever the system's default allows.
    AsBefore,
    /// Its owner alone.
    Owner,
}

/// A file about to be replaced: a new file is open beside it, with disk space for its content.
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    fresh: PathBuf,
    file: File,
    done: bool,
}

impl Replacement {
    /// Creates the new file beside the one at `path`, and takes disk space for `bytes`.
    pub fn open(path: &Path, bytes: usize, readers: Readers) -> io::Result<Self> {
        let fresh = beside(path, ".new");
        // A file that a killed run left there may have other permissions.
        let _ = fs::remove_file(&fresh);
        let old = fs::metadata(path).ok();
        let file = create(&fresh, readers == Readers::Owner || old.is_some())?;
        // From here on, every failure removes the new file again.
        let mut replacement = Self { path: path.to_owned(), fresh, file, done: false };
        if let Some(old) = old {
            keep_owner(&replacement.fresh, &old)?;
            if readers == Readers::AsBefore {
                fs::set_permissions(&replacement.fresh, old.permissions())?;
            }
        }
        replacement.file.write_all(&vec![b' '; bytes])?;
        replacement.file.sync_all()?;
        Ok(replacement)
    }

    /// Writes `text` into the new file and puts it in the place of the old one.
    pub fn finish(mut self, text: &str) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)?;
        self.file.sync_all()?;
        fs::rename(&self.fresh, &self.path)?;
        self.done = true;
        sync_folder(&self.path)
    }
}

impl Drop for Replacement {
    /// Removes a new file that was not finished; the old file stays as it is.
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.fresh);
        }
    }
}

/// Replaces the file at `path` by one that holds `text`.
pub fn replace(path: &Path, text: &str, readers: Readers) -> io::Result<()> {
    Replacement::open(path, 0, readers)?.finish(text)
}

/// How many links in a row are followed.
const LINKS: usize = 40;

/// The file that a path leads to, whether it exists yet or not. Links are followed, because the file behind a link is
/// to be replaced, and the link itself is to stay.
pub fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        // A file that exists has one canonical path, by which all runs know it.
        match fs::canonicalize(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            known => return known,
        }
        let Ok(target) = fs::read_link(&path) else { return Ok(beneath_links(&path)) };
        // A relative target is relative to the link's folder.
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(io::Error::other("too many links lead from one to the next"))
}

/// The path of a file that does not exist yet, below the canonical path of its folder.
fn beneath_links(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Takes the lock that stands for the file at `path`; none if it is already held. A crash releases the lock.
pub fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let path = beside(path, ".lock");
    let lock = match File::create(&path) {
        // Another user created it; holding the lock needs no permission to write.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path)?,
        created => created?,
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The path of a file that belongs to the one at `path`: the same name with `ending` added.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Creates a file that does not exist yet, readable by its owner only if it is `private`.
fn create(path: &Path, private: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    options.open(path)
}

/// Gives a new file the owner of the one it replaces: a run by an administrator must not take the file from its user.
#[cfg(unix)]
fn keep_owner(fresh: &Path, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let own = fs::metadata(fresh)?;
    if (own.uid(), own.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    chown(fresh, Some(old.uid()), Some(old.gid()))
}

/// Keeps the owner of a replaced file, which this system does by itself.
#[cfg(not(unix))]
fn keep_owner(_fresh: &Path, _old: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Makes a rename in the file's folder durable.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Makes a rename in the file's folder durable, which this system does by itself.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        replace(&path, "old and longer", Readers::AsBefore).unwrap();
        let replacement = Replacement::open(&path, 100, Readers::AsBefore).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old and longer");
        drop(replacement);
        assert_eq!(names(&folder), ["file"]);
        Replacement::open(&path, 100, Readers::AsBefore).unwrap().finish("new").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap(), names(&folder)), ("new".to_owned(), vec!["file".to_owned()]));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_readers_or_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let open_to = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        // A file that a killed run left behind may be readable by others.
        fs::write(beside(&path, ".new"), "left").unwrap();
        open_to(&beside(&path, ".new"), 0o666);
        replace(&path, "secret", Readers::Owner).unwrap();
        assert_eq!(mode(), 0o600);
        open_to(&path, 0o644);
        replace(&path, "secret", Readers::AsBefore).unwrap();
        assert_eq!(mode(), 0o644);
        replace(&path, "secret", Readers::Owner).unwrap();
        assert_eq!(mode(), 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_what_does_not_exist_yet_was_replaced() {
        use std::os::unix::fs::symlink;
        let folder = TempDir::new().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("deep")).unwrap();
        symlink("deep/second", root.join("first")).unwrap();
        symlink("../file", root.join("deep/second")).unwrap();
        let first = root.join("first");
        for _ in ["is not there yet", "is there"] {
            assert_eq!(behind_links(&first).unwrap(), root.join("file"));
            replace(&behind_links(&first).unwrap(), "text", Readers::AsBefore).unwrap();
            assert_eq!(fs::read_link(&first).unwrap(), Path::new("deep/second"));
            assert_eq!(fs::read_to_string(&first).unwrap(), "text");
        }
        assert_eq!(behind_links(&root.join("deep/../new")).unwrap(), root.join("new"));
        assert_eq!(behind_links(&root.join("none/new")).unwrap(), root.join("none/new"));
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        behind_links(&root.join("a")).unwrap_err();
    }

    #[test]
    fn a_lock_is_given_back() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        let lock = try_lock(&path).unwrap();
        assert!(lock.is_some() && try_lock(&path).unwrap().is_none());
        drop(lock);
        assert!(try_lock(&path).unwrap().is_some());
    }
}
