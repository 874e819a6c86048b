//! Stores a new pair of tokens before it is used. A refresh token works once: if the pair that it brought were lost,
//! the user would have to sign in again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::access::document::Document;
use crate::access::oauth::Issued;
use crate::atomic_file::{self, Readers, Replacement};
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::protocol;
use crate::stdout::Stdout;

/// How long to wait for another run that renews the tokens in the same file.
const PATIENCE: Duration = Duration::from_mins(15);

/// How often to check whether the other run has finished.
const GLANCE: Duration = Duration::from_millis(50);

/// The bytes to reserve in the file, beyond its present size, for a new pair of tokens.
const ROOM: usize = 16 * 1024;

/// Stores the tokens of one configuration in its file, with the reader of stdout, or with both.
pub struct TokenStore {
    document: Document,
    file: Option<PathBuf>,
    stdout: Option<Stdout>,
    clock: Clock,
}

/// The result of opening a store for a new pair.
pub enum TokenPlace<'a> {
    /// Another run has renewed the tokens: this access token and this refresh token are to be used.
    Renewed(SecretString, SecretString),
    /// The store is open, and its file, if it has one, is locked against other runs until this is dropped.
    Open(Opened<'a>),
}

/// A store that is open for one new pair.
pub struct Opened<'a> {
    store: &'a mut TokenStore,
    file: Option<(Replacement, File)>,
}

impl TokenStore {
    /// Stores the tokens of `document`; `file` is the file that it was read from, if that file may be changed.
    pub fn new(document: Document, file: Option<&Path>, stdout: Option<Stdout>, clock: Clock) -> Self {
        // Only a regular file can be replaced; a pipe, for example, cannot. A link is followed, so that the file behind
        // it is replaced.
        let file = file.and_then(|path| fs::canonicalize(path).ok()).filter(|path| path.is_file());
        Self { document, file, stdout, clock }
    }

    /// Opens the store for the successor of this pair, before the refresh token is used up.
    pub async fn open(
        &mut self,
        access: Option<&SecretString>,
        refresh: &SecretString,
    ) -> Result<TokenPlace<'_>, Error> {
        let mut held = None;
        if let Some(path) = self.file.clone() {
            held = match hold(&path).await {
                Ok(held) => Some(held),
                Err(error) if error.kind() == Kind::NoTokenStore => {
                    // Even if this run cannot write the file, another run may have renewed the pair in it.
                    self.read(&path)?;
                    if let Some(renewed) = self.renewed(access, refresh) {
                        return self.adopt(renewed).await;
                    }
                    if self.stdout.is_none() {
                        return Err(error);
                    }
                    warn!("new tokens go to the reader of the output alone: {error}");
                    // From now on the file holds a pair that is used up.
                    self.file = None;
                    None
                }
                Err(error) => return Err(error),
            };
            if held.is_some() {
                self.read(&path)?;
            }
        }
        if let Some(renewed) = self.renewed(access, refresh) {
            return self.adopt(renewed).await;
        }
        if held.is_none() {
            let Some(output) = &self.stdout else {
                let problem = "The access token has died, and there is no place to keep what the refresh token would bring, which works once";
                return Err(Error::new(Kind::NoTokenStore, problem));
            };
            // A reader that has gone stores nothing, so the output must still work.
            output.drained().await?;
        }
        Ok(TokenPlace::Open(Opened { store: self, file: held }))
    }

    /// Reads the file again. Its account, and its way to sign in, must be the same as before.
    fn read(&mut self, path: &Path) -> Result<(), Error> {
        let text = fs::read_to_string(path).map_err(|error| unkept(path, error))?;
        let document = Document::parse(&text)?;
        let whose = |document: &Document| {
            let members = ["subdomain", "base_url"].map(|name| document.members().get(name).cloned());
            let credentials = ["credentials", "client_id"].map(|name| document.credential(name).map(str::to_owned));
            (members, credentials, document.credential("refresh_token").is_some())
        };
        if whose(&document) != whose(&self.document) {
            let problem = "The configuration has been changed since this run began, so that its tokens are not renewed";
            return Err(Error::new(Kind::Config, problem));
        }
        self.document = document;
        Ok(())
    }

    /// The stored pair, if it differs from this one.
    fn renewed(&self, access: Option<&SecretString>, refresh: &SecretString) -> Option<(SecretString, SecretString)> {
        let kept = |name| self.document.credential(name);
        let (other, next) = kept("access_token").zip(kept("refresh_token"))?;
        let same = next == refresh.expose_secret() && access.is_some_and(|access| access.expose_secret() == other);
        (!same).then(|| (other.into(), next.into()))
    }

    /// Returns the pair that another run has stored in the file, after announcing it.
    async fn adopt(&self, (access, refresh): (SecretString, SecretString)) -> Result<TokenPlace<'_>, Error> {
        self.announce().await?;
        Ok(TokenPlace::Renewed(access, refresh))
    }

    /// Writes the configuration to stdout, if the store uses stdout, and returns when it is written.
    async fn announce(&self) -> Result<(), Error> {
        let Some(output) = &self.stdout else { return Ok(()) };
        let now = self.clock.now().timestamp_millis();
        output.write(protocol::configuration(self.document.members(), now).into_bytes()).await?;
        output.drained().await
    }
}

impl Opened<'_> {
    /// Stores a new pair, and returns when it is stored.
    pub async fn keep(self, issued: &Issued) -> Result<(), Error> {
        let Self { store, file } = self;
        store.document.put(issued, store.clock.now());
        let in_file = file.map(|(replacement, _lock)| replacement.finish(&store.document.text()));
        if let Some(Ok(())) = in_file {
            info!("the new tokens are in the configuration file");
        }
        store.announce().await?;
        match in_file {
            Some(Err(error)) if store.stdout.is_none() => {
                let problem =
                    "The new tokens could not be written into the configuration file, and the old ones are spent";
                Err(Error::new(Kind::SignIn, problem).because(error))
            }
            Some(Err(error)) => {
                warn!("the new tokens go to the reader of the output alone: {error}");
                store.file = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Locks a configuration file against other runs and opens it for replacement.
async fn hold(path: &Path) -> Result<(Replacement, File), Error> {
    let lock = lock(path).await?;
    let unkept = |error| unkept(path, error);
    let text = fs::read_to_string(path).map_err(unkept)?;
    // A file that is mounted by itself can be written but not replaced. So a replacement is tried first, with the same
    // text.
    atomic_file::replace(path, &text, Readers::AsBefore).map_err(unkept)?;
    let replacement = Replacement::open(path, text.len() + ROOM, Readers::AsBefore).map_err(unkept)?;
    Ok((replacement, lock))
}

/// Locks a configuration file against other runs that would change it.
pub async fn lock(path: &Path) -> Result<File, Error> {
    let began = Instant::now();
    loop {
        let lock = atomic_file::try_lock(path).map_err(|error| unkept(path, error))?;
        if let Some(lock) = lock {
            return Ok(lock);
        }
        if began.elapsed() > PATIENCE {
            let problem = format!("Another run has been renewing the tokens in {} for minutes", path.display());
            return Err(Error::new(Kind::ConfigInUse, problem));
        }
        sleep(GLANCE).await;
    }
}

fn unkept(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::NoTokenStore, format!("New tokens cannot be kept in {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::*;

    fn pair(access: &str, refresh: &str) -> Value {
        let credentials = json!({ "client_id": "c", "access_token": access, "refresh_token": refresh });
        json!({ "subdomain": "acme", "credentials": credentials })
    }

    /// A store for the pair `a`, `r`, whose file has been changed to `now` in the meantime.
    fn store(now: &Value) -> (TokenStore, TempDir) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("config.json");
        let document = Document::parse(&pair("a", "r").to_string()).unwrap();
        fs::write(&path, now.to_string()).unwrap();
        (TokenStore::new(document, Some(&path), None, Clock::system()), folder)
    }

    async fn open(store: &mut TokenStore) -> Result<TokenPlace<'_>, Error> {
        store.open(Some(&"a".into()), &"r".into()).await
    }

    #[tokio::test]
    async fn what_another_run_has_renewed_is_taken_over() {
        for (access, refresh) in [("b", "s"), ("b", "r"), ("a", "s")] {
            let (mut store, _folder) = store(&pair(access, refresh));
            let Ok(TokenPlace::Renewed(one, other)) = open(&mut store).await else { panic!("it is to be taken over") };
            assert_eq!((one.expose_secret(), other.expose_secret()), (access, refresh));
        }
    }

    #[tokio::test]
    async fn a_configuration_of_something_else_is_left_alone() {
        let mut elsewhere = pair("b", "s");
        elsewhere["subdomain"] = "other".into();
        let mut other_client = pair("b", "s");
        other_client["credentials"]["client_id"] = "d".into();
        let implicit = json!({ "subdomain": "acme", "credentials": { "access_token": "b" } });
        for now in [elsewhere, other_client, implicit] {
            let (mut store, folder) = store(&now);
            assert_eq!(open(&mut store).await.err().unwrap().kind(), Kind::Config, "{now}");
            assert_eq!(fs::read_to_string(folder.path().join("config.json")).unwrap(), now.to_string());
        }
    }

    #[tokio::test]
    async fn a_place_that_is_open_is_nobody_elses() {
        let (mut store, folder) = store(&pair("a", "r"));
        let Ok(TokenPlace::Open(opened)) = open(&mut store).await else { panic!("it is to be open") };
        let path = fs::canonicalize(folder.path()).unwrap().join("config.json");
        assert!(atomic_file::try_lock(&path).unwrap().is_none());
        let issued = Issued { access: "b".into(), refresh: Some("s".into()), lifetime: None, scope: None };
        opened.keep(&issued).await.unwrap();
        assert!(atomic_file::try_lock(&path).unwrap().is_some());
        let kept: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(kept, pair("b", "s"));
    }

    #[tokio::test]
    async fn without_a_place_there_is_none() {
        let document = Document::parse(&pair("a", "r").to_string()).unwrap();
        let mut store = TokenStore::new(document, None, None, Clock::system());
        assert_eq!(open(&mut store).await.err().unwrap().kind(), Kind::NoTokenStore);
    }
}
