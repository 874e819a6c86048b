//! Where a dataset is stored: a folder, or a place in an object store.

use std::error::Error as _;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path as LocalPath, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};
use url::Url;

use super::STATE;
use crate::error::{Error, Kind};

/// The prefix of the folders that hold a table's months.
const MONTH: &str = "month=";

/// The environment variables for a store's address, in order of precedence.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// The lock file of a run that writes into a folder. The system releases the lock when the process dies.
pub const LOCK: &str = "_lock";

/// A place for a dataset.
pub struct Store {
    /// Gives access to its files.
    pub objects: Arc<dyn ObjectStore>,
    /// What the addresses begin with by which readers find its files.
    base: String,
    folder: Option<PathBuf>,
    bucket: Option<Bucket>,
    _lock: Option<File>,
}

/// The bucket that contains a place in an object store.
struct Bucket {
    objects: Arc<dyn ObjectStore>,
    name: String,
    /// The path of the place in the bucket.
    prefix: Path,
}

/// Why something was not written.
pub enum NotWritten {
    /// Another run wrote meanwhile.
    Overtaken,
    /// The store failed.
    Failed(Error),
}

impl Store {
    /// Opens a place for writing. A folder is locked against other runs; an object store has no locks.
    pub fn open(place: &str) -> Result<Self, Error> {
        let Located::Folder(folder) = located(place)? else { return Self::cloud(place) };
        let unusable = |what: &str, error: io::Error| {
            Error::new(Kind::Place, format!("The folder {} {what}", folder.display())).because(error)
        };
        // This is checked before anything is created there.
        if let Some(outer) = around(&folder) {
            return Err(within(&folder.display().to_string(), &outer));
        }
        fs::create_dir_all(&folder).map_err(|error| unusable("cannot be made", error))?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK));
        let lock = lock.map_err(|error| unusable("cannot be written to", error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(Kind::DatasetInUse, format!("Another run is writing to {}", folder.display())));
            }
            Err(TryLockError::Error(error)) => return Err(unusable("cannot be locked", error)),
        }
        Self::folder(&folder, Some(lock))
    }

    /// Opens a place for reading only.
    pub fn look(place: &str) -> Result<Self, Error> {
        match located(place)? {
            Located::Folder(folder) => Self::folder(&folder, None),
            Located::Cloud => Self::cloud(place),
        }
    }

    /// Opens, for reading only, a place where a dataset may be created; none if it is a folder that does not exist yet.
    pub fn find(place: &str) -> Result<Option<Self>, Error> {
        let Located::Folder(folder) = located(place)? else { return Self::cloud(place).map(Some) };
        if let Some(outer) = around(&folder) {
            return Err(within(&folder.display().to_string(), &outer));
        }
        if folder.exists() { Self::folder(&folder, None).map(Some) } else { Ok(None) }
    }

    fn folder(folder: &LocalPath, lock: Option<File>) -> Result<Self, Error> {
        let folder = folder.canonicalize().map_err(|error| {
            Error::new(Kind::Place, format!("There is no folder {}", folder.display())).because(error)
        })?;
        let objects = LocalFileSystem::new_with_prefix(&folder).map_err(|error| failed(&error))?.with_fsync(true);
        let base = folder.display().to_string();
        Ok(Self { objects: Arc::new(objects), base, folder: Some(folder), bucket: None, _lock: lock })
    }

    fn cloud(place: &str) -> Result<Self, Error> {
        let unusable = |error: object_store::Error| {
            Error::new(Kind::Place, format!("{place} cannot be opened: {}", concise(&error)))
        };
        let url =
            Url::parse(place).map_err(|error| Error::new(Kind::Place, format!("{place} is no URL")).because(error))?;
        if url.scheme() != "s3" {
            let problem =
                format!("{}:// is no kind of place that is known: write a folder, or s3://bucket/path", url.scheme());
            return Err(Error::new(Kind::Place, problem));
        }
        let bare = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        if !bare || url.query().is_some() || url.fragment().is_some() {
            // The refused parts may be secret, so the error does not show them.
            let problem = "A place in a bucket is s3://bucket/path, without user or port; `?` and `#` in its path are written %3F and %23";
            return Err(Error::new(Kind::Place, problem));
        }
        let endpoint = endpoint(|name| std::env::var(name).ok())?;
        let mut builder = AmazonS3Builder::from_env().with_url(url.as_str());
        if let Some(endpoint) = endpoint {
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        let store = builder.build().map_err(unusable)?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| unusable(error.into()))?;
        let name = format!("s3://{}", url.host_str().unwrap_or_default());
        Ok(Self::in_bucket(Arc::new(store), name, prefix))
    }

    /// A place in a bucket with the address `name`, such as `s3://bucket`.
    pub fn in_bucket(objects: Arc<dyn ObjectStore>, name: String, prefix: Path) -> Self {
        let base = format!("{name}/{prefix}").trim_end_matches('/').to_owned();
        let place = Arc::new(PrefixStore::new(Arc::clone(&objects), prefix.clone()));
        Self { objects: place, base, folder: None, bucket: Some(Bucket { objects, name, prefix }), _lock: None }
    }

    /// Refuses a place inside another dataset, and table folders that are links into another dataset. Otherwise each of
    /// the two would mistake the other's files for leftovers of its own killed runs.
    pub async fn refuse_other_datasets(&self, tables: &[&str]) -> Result<(), Error> {
        let outer = match (&self.folder, &self.bucket) {
            (Some(root), _) => around(root).or_else(|| linked(root, tables)),
            (None, Some(bucket)) => bucket.around().await?,
            (None, None) => None,
        };
        outer.map_or(Ok(()), |outer| Err(within(&self.address(""), &outer)))
    }

    /// The names of the files and folders at the top of the place, without hidden ones.
    pub async fn names(&self) -> Result<Vec<String>, Error> {
        let mut names: Vec<String> = if let Some(root) = &self.folder {
            entries(root)?.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        } else {
            let listed = self.objects.list_with_delimiter(None).await.map_err(|error| failed(&error))?;
            let files = listed.objects.into_iter().map(|file| file.location);
            listed.common_prefixes.into_iter().chain(files).map(|path| path.to_string()).collect()
        };
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    /// Whether a lock of the operating system keeps other writers away. Otherwise a lease does.
    pub fn is_locked(&self) -> bool {
        self.folder.is_some()
    }

    /// The address by which readers find a file.
    pub fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// The content and the version of a file; none if there is no such file.
    pub async fn read(&self, path: &str) -> Result<Option<(Vec<u8>, UpdateVersion)>, Error> {
        let got = match self.objects.get(&Path::from(path)).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
        let bytes = got.bytes().await.map_err(|error| failed(&error))?;
        Ok(Some((bytes.to_vec(), version)))
    }

    /// The size of a file in bytes; none if there is no such file.
    pub async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        match self.objects.head(&Path::from(path)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Replaces a whole file. Where no lock keeps other writers away, the file must still have the version `over`; if
    /// `over` is none, the file must not exist.
    pub async fn replace(
        &self,
        path: &str,
        text: String,
        over: Option<&UpdateVersion>,
    ) -> Result<UpdateVersion, NotWritten> {
        let mode = match over {
            _ if self.is_locked() => PutMode::Overwrite,
            Some(version) => PutMode::Update(version.clone()),
            None => PutMode::Create,
        };
        let payload = PutPayload::from(text.into_bytes());
        match self.objects.put_opts(&Path::from(path), payload, PutOptions::from(mode)).await {
            Ok(put) => Ok(UpdateVersion { e_tag: put.e_tag, version: put.version }),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Err(NotWritten::Overtaken)
            }
            Err(error) => Err(NotWritten::Failed(failed(&error))),
        }
    }

    /// Writes a file on which nothing depends, without a check for other writers.
    pub async fn write(&self, path: &str, text: String) -> Result<(), Error> {
        let payload = PutPayload::from(text.into_bytes());
        self.objects.put(&Path::from(path), payload).await.map(|_| ()).map_err(|error| failed(&error))
    }

    /// Removes a file. It is no error if the file is already gone.
    pub async fn remove(&self, path: &str) -> Result<(), Error> {
        match self.objects.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// The paths of all files in a table's folder and in its month folders, including those that killed writes left
    /// behind. Files in deeper folders do not belong to the table, whatever their names.
    pub async fn files(&self, table: &str) -> Result<Vec<String>, Error> {
        let Some(root) = &self.folder else {
            let listed = self.objects.list(Some(&Path::from(table)));
            let paths = listed.map_ok(|meta| meta.location.to_string()).try_collect::<Vec<_>>().await;
            let paths = paths.map_err(|error| failed(&error))?;
            return Ok(paths.into_iter().filter(|path| is_of(table, path)).collect());
        };
        // The store hides what killed writes left behind, so the file system is read instead.
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::from(table)];
        while let Some(folder) = folders.pop() {
            for entry in entries(&root.join(&folder))? {
                let name = entry.file_name();
                let is_month = folder.as_os_str() == table && name.to_str().is_some_and(|name| name.starts_with(MONTH));
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && is_month => folders.push(folder.join(name)),
                    Ok(kind) if kind.is_file() => files.extend(folder.join(name).to_str().map(str::to_owned)),
                    _ => {}
                }
            }
        }
        Ok(files)
    }

    /// Removes what killed writes of these files left beside them. The store does not show such files.
    pub fn remove_leftovers_of(&self, files: &[&str]) {
        let Some(entries) = self.folder.as_ref().and_then(|root| fs::read_dir(root).ok()) else { return };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        for name in names.filter(|name| name.split_once('#').is_some_and(|(of, _)| files.contains(&of))) {
            self.remove_leftover(&name);
        }
    }

    /// Removes what a killed write left in a folder. The store does not show such files.
    pub fn remove_leftover(&self, path: &str) {
        if let Some(root) = &self.folder {
            // If this fails, the next run tries again.
            let _ = fs::remove_file(root.join(path));
        }
    }
}

impl Bucket {
    /// The dataset that contains the place, as far as the credentials may look for one.
    async fn around(&self) -> Result<Option<String>, Error> {
        use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
        let parts: Vec<_> = self.prefix.parts().collect();
        for length in 0..parts.len() {
            let above = parts.iter().take(length).cloned().collect::<Path>();
            match self.objects.head(&above.clone().join(STATE)).await {
                Ok(_) => return Ok(Some(format!("{}/{above}", self.name))),
                // There is no dataset at this level. If access is denied, these credentials see no more than the place
                // itself, and then no dataset can lie around it.
                Err(NotFound { .. } | PermissionDenied { .. } | Unauthenticated { .. }) => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        Ok(None)
    }
}

/// The dataset that contains a folder, with all links resolved. The folder itself need not exist yet.
fn around(folder: &LocalPath) -> Option<String> {
    let absolute = std::path::absolute(folder).ok()?;
    let mut above = absolute.ancestors().filter_map(|folder| folder.canonicalize().ok());
    let nearest = above.next()?;
    let itself = usize::from(folder.canonicalize().is_ok());
    let outer = nearest.ancestors().skip(itself).find(|folder| folder.join(STATE).is_file());
    outer.map(|outer| outer.display().to_string())
}

/// The dataset that a table's folder leads into, if the folder of one of these tables is a link.
fn linked(root: &LocalPath, tables: &[&str]) -> Option<String> {
    tables.iter().find_map(|table| {
        let folder = root.join(table).canonicalize().ok().filter(|folder| !folder.starts_with(root))?;
        around(&folder)
    })
}

/// The address of a store other than Amazon's, from the environment. The store's errors show its address, so an address
/// that contains a password is refused.
fn endpoint(variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>, Error> {
    let mut endpoint = None;
    for name in ENDPOINTS {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
        let bare = |url: &Url| {
            let anonymous = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "http" | "https") && anonymous && url.query().is_none() && url.fragment().is_none()
        };
        if !Url::parse(&value).is_ok_and(|url| bare(&url)) {
            let problem = format!(
                "`{name}` is not like https://host: what opens the store stands in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            );
            return Err(Error::new(Kind::Place, problem));
        }
        endpoint = endpoint.or(Some(value));
    }
    Ok(endpoint)
}

fn within(place: &str, outer: &str) -> Error {
    let problem =
        format!("{place} lies within the dataset at {outer}, or leads into it: choose a place outside of that");
    Error::new(Kind::Place, problem)
}

/// Whether a path is that of a file in a table's folder or in one of its month folders.
fn is_of(table: &str, path: &str) -> bool {
    let within = path.strip_prefix(table).and_then(|rest| rest.strip_prefix('/'));
    within.is_some_and(|within| match within.split_once('/') {
        None => true,
        Some((folder, name)) => folder.starts_with(MONTH) && !name.contains('/'),
    })
}

/// The kind of place that an argument names.
enum Located {
    Folder(PathBuf),
    Cloud,
}

fn located(place: &str) -> Result<Located, Error> {
    if let Ok(url) = Url::parse(place)
        && url.scheme() == "file"
    {
        let folder = url.to_file_path().map(Located::Folder);
        return folder.map_err(|()| Error::new(Kind::Place, format!("{place} names no folder of this machine")));
    }
    // `s3:/bucket` lacks a slash. Without this check, it would silently become a folder of that name.
    let cloud = place.contains("://") || place.starts_with("s3:");
    Ok(if cloud { Located::Cloud } else { Located::Folder(PathBuf::from(place)) })
}

/// What stands in a folder; nothing if there is no such folder. A folder that cannot be read must not pass for an empty one.
fn entries(folder: &LocalPath) -> Result<Vec<fs::DirEntry>, Error> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(Iterator::collect),
    };
    listed.map_err(|error| Error::new(Kind::Store, format!("{} cannot be listed", folder.display())).because(error))
}

/// Converts an error of the store into an error of this program.
pub fn failed(error: &object_store::Error) -> Error {
    use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
    let closed = matches!(error, PermissionDenied { .. } | Unauthenticated { .. } | NotFound { .. });
    let (kind, what) = if closed {
        (Kind::Place, "The dataset's place is not there, or not open to us")
    } else {
        (Kind::Store, "The dataset's place does not answer as it should")
    };
    Error::new(kind, format!("{what}: {}", concise(error)))
}

/// A store's error in short form: its causes repeat each other, and it may contain a whole XML body. Of such a body,
/// only code and message are kept. Otherwise, the root cause is included.
pub fn concise(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let causes = std::iter::successors(error.source(), |&error| error.source());
    if let Some(root) = causes.last().map(ToString::to_string).filter(|root| !text.contains(root)) {
        text = format!("{text}: {root}");
    }
    let between = |open: &str, close: &str| text.split_once(open)?.1.split_once(close).map(|(inner, _)| inner);
    match between("<Code>", "</Code>").zip(between("<Message>", "</Message>")) {
        Some((code, message)) => format!("{code}: {message}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_of_a_store_was_shown() {
        let of =
            |name: &'static str, value: &'static str| endpoint(move |asked| (asked == name).then(|| value.to_owned()));
        for name in ENDPOINTS {
            for value in [
                "https://me:s3cret@store",
                "https://s3cret@store",
                "s3cret",
                "https://store?key=s3cret",
                "https://s3 cret",
            ] {
                let error = of(name, value).unwrap_err();
                assert!(error.to_string().contains(name) && !error.sentence().contains("cret"), "{error}");
            }
            assert_eq!(of(name, "http://127.0.0.1:9000/path").unwrap().as_deref(), Some("http://127.0.0.1:9000/path"));
            assert_eq!(of(name, "").unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_listed_passed_for_an_empty_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::look(folder.path().to_str().unwrap()).unwrap();
        fs::write(folder.path().join("chats"), "").unwrap();
        assert_eq!(store.files("chats").await.unwrap_err().kind(), Kind::Store);
        assert_eq!(store.files("bans").await.unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_part_of_a_url_that_names_no_place_was_passed_over() {
        for place in ["s3://b/lake#x", "s3://b/lake?x", "s3://me:s3cret@b/lake", "s3://b:80/lake"] {
            let error = Store::look(place).err().unwrap();
            assert_eq!(error.kind(), Kind::Place, "{place}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
