//! The state file of `read --update-state`. At every moment, it holds only states whose records have been written.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::atomic_file::{self, Readers};
use crate::error::{Error, Kind};
use crate::source::state_format::Saved;

/// A state file and its content. Streams that are not read keep their entries.
pub struct StateFile {
    path: PathBuf,
    /// The path as the user gave it, for messages.
    name: String,
    saved: Mutex<Saved>,
    output: Option<File>,
    _lock: File,
}

impl StateFile {
    /// Opens the state file at `path` and locks it against other runs for the lifetime of this value. Returns it with
    /// its content, if the file exists.
    ///
    /// `output` is stdout if that is a regular file; it is made durable before each change.
    pub fn open(path: &Path, output: Option<File>) -> Result<(Self, Option<Saved>), Error> {
        let name = path.display().to_string();
        let target = atomic_file::behind_links(path).map_err(|error| {
            Error::new(Kind::Output, format!("The state file {name} cannot be found")).because(error)
        })?;
        let lock = lock(&target, &name)?;
        let saved = read(path)?;
        let held = saved.clone().unwrap_or_default();
        let text = held.text();
        let file = Self { path: target, name, saved: Mutex::new(held), output, _lock: lock };
        // This finds a file that cannot be written before any record is read.
        file.replace(&text).map_err(|error| Error::new(Kind::Output, error.to_string()))?;
        Ok((file, saved))
    }

    /// Saves a stream's new state. Whenever this is interrupted, the file holds either the old states or the new ones.
    pub fn keep(&self, stream: &str, state: Value) -> io::Result<()> {
        if let Some(output) = &self.output {
            output.sync_data().map_err(|error| failure("stdout cannot be made durable", &error))?;
        }
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.keep(stream, state);
        let text = saved.text();
        self.replace(&text)
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        atomic_file::replace(&self.path, text, Readers::AsBefore)
            .map_err(|error| failure(&format!("The state file {} cannot be written", self.name), &error))
    }
}

/// Takes the lock of a state file. A crash releases the lock.
fn lock(path: &Path, name: &str) -> Result<File, Error> {
    let failed = |error| Error::new(Kind::Output, format!("The state file {name} cannot be locked")).because(error);
    atomic_file::try_lock(path)
        .map_err(failed)?
        .ok_or_else(|| Error::new(Kind::StateInUse, format!("Another run is keeping the state file {name}")))
}

/// Reads a state file. A missing one holds no state: the first run of a job has none yet.
pub fn read(path: &Path) -> Result<Option<Saved>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Saved::parse(&text).map(Some).map_err(|error| error.at(&path.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Error::new(Kind::State, format!("The state file {} cannot be read", path.display())).because(error))
        }
    }
}

/// stdout, if it is a regular file.
#[cfg(unix)]
pub fn regular_stdout() -> Option<File> {
    use std::os::fd::AsFd;
    let file = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
    file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
}

/// stdout, if it is a regular file. On this system, that cannot be determined.
#[cfg(not(unix))]
pub fn regular_stdout() -> Option<File> {
    None
}

/// Ends an incomplete line that a killed run left in the file to which stdout is appended. Otherwise the next line
/// would be joined to it, and both would be lost. A file that cannot be read back is left as it is.
pub fn end_torn_line() {
    if let Some(mut stdout) = regular_stdout()
        && ends_torn(&mut stdout).unwrap_or(false)
    {
        // If this cannot be written, neither can the first line, and that failure is reported.
        let _ = stdout.write_all(b"\n");
    }
}

/// Whether a file ends with an incomplete line, to which the next line would be joined.
fn ends_torn(stdout: &mut File) -> io::Result<bool> {
    let length = stdout.metadata()?.len();
    // A file opened for appending has position 0 until something is written.
    let at_end = [0, length].contains(&stdout.stream_position()?);
    if length == 0 || !at_end {
        return Ok(false);
    }
    // stdout is open for writing only. This path opens the same file for reading, even if it was renamed since.
    let mut file = File::open("/proc/self/fd/1")?;
    file.seek(SeekFrom::Start(length - 1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn failure(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
