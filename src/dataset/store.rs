//! Where a dataset lies: a folder, or a place in an object store.

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

use crate::error::{Error, Kind};

/// Held by whoever writes into a folder; the system frees it when its holder dies.
const LOCK: &str = "_lock";

/// A place for a dataset.
pub struct Store {
    /// Its files.
    pub objects: Arc<dyn ObjectStore>,
    /// How its files are named to readers.
    base: String,
    folder: Option<PathBuf>,
    _lock: Option<File>,
}

/// Why something was not written.
pub enum NotWritten {
    /// Somebody else wrote meanwhile.
    Overtaken,
    /// The store did not do it.
    Failed(Error),
}

impl Store {
    /// Opens a place to write at, and holds it against others where the system can.
    pub fn open(place: &str) -> Result<Self, Error> {
        let Located::Folder(folder) = located(place)? else { return Self::cloud(place) };
        let unusable = |what: &str, error: io::Error| {
            Error::new(Kind::Place, format!("The folder {} {what}", folder.display())).because(error)
        };
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

    /// Opens a place only to look at what is there.
    pub fn look(place: &str) -> Result<Self, Error> {
        match located(place)? {
            Located::Folder(folder) => Self::folder(&folder, None),
            Located::Cloud => Self::cloud(place),
        }
    }

    fn folder(folder: &LocalPath, lock: Option<File>) -> Result<Self, Error> {
        let folder = folder.canonicalize().map_err(|error| {
            Error::new(Kind::Place, format!("There is no folder {}", folder.display())).because(error)
        })?;
        let objects = LocalFileSystem::new_with_prefix(&folder).map_err(|error| failed(&error))?.with_fsync(true);
        let base = folder.display().to_string();
        Ok(Self { objects: Arc::new(objects), base, folder: Some(folder), _lock: lock })
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
        let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
            .iter()
            .find_map(|name| std::env::var(name).ok());
        let mut builder = AmazonS3Builder::from_env().with_url(url.as_str());
        if let Some(endpoint) = endpoint {
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        let store = builder.build().map_err(unusable)?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| unusable(error.into()))?;
        let base = format!("s3://{}/{prefix}", url.host_str().unwrap_or_default());
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { objects: Arc::new(PrefixStore::new(store, prefix)), base, folder: None, _lock: None })
    }

    /// Whether the system keeps other writers away.
    pub fn is_locked(&self) -> bool {
        self.folder.is_some()
    }

    /// The name by which readers find a file.
    pub fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// What a file holds, and its version; none if there is no such file.
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

    /// How large a file is; none if there is no such file.
    pub async fn size(&self, path: &str) -> Result<Option<u64>, Error> {
        match self.objects.head(&Path::from(path)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Replaces a file as a whole. Where the system keeps no others away, only over the version that is given, or over none.
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

    /// Writes a file that nothing depends on.
    pub async fn write(&self, path: &str, text: String) -> Result<(), Error> {
        let payload = PutPayload::from(text.into_bytes());
        self.objects.put(&Path::from(path), payload).await.map(|_| ()).map_err(|error| failed(&error))
    }

    /// Removes a file; one that is gone already is as good.
    pub async fn remove(&self, path: &str) -> Result<(), Error> {
        match self.objects.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// The paths of all files in a folder of the dataset, what a killed write left behind among them.
    pub async fn files(&self, folder: &str) -> Result<Vec<String>, Error> {
        let Some(root) = &self.folder else {
            let listed = self.objects.list(Some(&Path::from(folder)));
            return listed.map_ok(|meta| meta.location.to_string()).try_collect().await.map_err(|error| failed(&error));
        };
        // The store hides what a killed write left; the file system does not.
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::from(folder)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(root.join(&folder)) else { continue };
            for entry in entries.flatten() {
                let path = folder.join(entry.file_name());
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() => files.extend(path.to_str().map(str::to_owned)),
                    _ => {}
                }
            }
        }
        Ok(files)
    }

    /// Removes what killed writes of these files left beside them, which the store knows nothing of.
    pub fn remove_leftovers_of(&self, files: &[&str]) {
        let Some(entries) = self.folder.as_ref().and_then(|root| fs::read_dir(root).ok()) else { return };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        for name in names.filter(|name| name.split_once('#').is_some_and(|(of, _)| files.contains(&of))) {
            self.remove_leftover(&name);
        }
    }

    /// Removes what a killed write left in a folder, which the store knows nothing of.
    pub fn remove_leftover(&self, path: &str) {
        if let Some(root) = &self.folder {
            // It is tried again by the next run.
            let _ = fs::remove_file(root.join(path));
        }
    }
}

/// What an argument names.
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
    // A slash too few would quietly make a folder of that name.
    let cloud = place.contains("://") || place.starts_with("s3:");
    Ok(if cloud { Located::Cloud } else { Located::Folder(PathBuf::from(place)) })
}

/// A failure of the store in our words.
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

/// What a store says, once: its errors repeat each other, and hold whole XML bodies. What lies at the bottom is told, too.
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
