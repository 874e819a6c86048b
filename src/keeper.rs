//! Where a new pair of tokens is kept before it is used: a refresh token works once, and losing what it brought is
//! losing the account until somebody signs in again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::Document;
use crate::durable::{self, Readers, Replacement};
use crate::error::{Error, Kind};
use crate::oauth::Issued;
use crate::output::Output;
use crate::protocol;

/// How long another run may take to renew the tokens in the same file.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is looked whether it has.
const GLANCE: Duration = Duration::from_millis(50);

/// What a pair of tokens may need in a file beyond what stands there.
const ROOM: usize = 16 * 1024;

/// Keeps the tokens of one configuration in its file, with the reader of stdout, or with both.
pub struct Keeper {
    document: Document,
    file: Option<PathBuf>,
    output: Option<Output>,
    clock: Clock,
}

/// What is found when the place for a new pair is opened.
pub enum Place<'a> {
    /// Another run has renewed the tokens: these are to be used.
    Renewed(SecretString, SecretString),
    /// The place is open, and nobody else's until this is dropped.
    Open(Opened<'a>),
}

/// A place that is open for one new pair.
pub struct Opened<'a> {
    keeper: &'a mut Keeper,
    file: Option<(Replacement, File)>,
}

impl Keeper {
    /// Keeps the tokens of `document`; `file` is where it was read, if it may be changed.
    pub fn new(document: Document, file: Option<&Path>, output: Option<Output>, clock: Clock) -> Self {
        // What is no regular file, such as a pipe, cannot be replaced. A link is followed: it is the file behind it that is.
        let file = file.and_then(|path| fs::canonicalize(path).ok()).filter(|path| path.is_file());
        Self { document, file, output, clock }
    }

    /// Opens the place for what comes after this pair, before its refresh token is spent.
    pub async fn open(&mut self, access: Option<&SecretString>, refresh: &SecretString) -> Result<Place<'_>, Error> {
        let mut held = None;
        if let Some(path) = self.file.clone() {
            match hold(&path).await {
                Ok((document, replacement, lock)) => {
                    self.document = document;
                    held = Some((replacement, lock));
                }
                Err(error) if error.kind() == Kind::Unkept && self.output.is_some() => {
                    warn!("new tokens are told to the reader of the output alone: {error}");
                    // From now on the file holds a pair that is spent.
                    self.file = None;
                }
                Err(error) => return Err(error),
            }
        }
        if held.is_none() && self.output.is_none() {
            let problem = "The access token has died, and there is no place to keep what the refresh token would bring, which works once";
            return Err(Error::new(Kind::Unkept, problem));
        }
        let kept = |name| self.document.credential(name);
        if let Some((other, next)) = kept("access_token").zip(kept("refresh_token"))
            && (next != refresh.expose_secret() || access.is_none_or(|access| access.expose_secret() != other))
        {
            return Ok(Place::Renewed(other.into(), next.into()));
        }
        Ok(Place::Open(Opened { keeper: self, file: held }))
    }
}

impl Opened<'_> {
    /// Keeps a new pair, and returns when it is kept.
    pub async fn keep(self, issued: &Issued) -> Result<(), Error> {
        let Self { keeper, file } = self;
        keeper.document.put(issued, keeper.clock.now());
        let in_file = file.map(|(replacement, _lock)| replacement.finish(&keeper.document.text()));
        if let Some(Ok(())) = in_file {
            info!("the new tokens are in the configuration file");
        }
        if let Some(output) = &keeper.output {
            let now = keeper.clock.now().timestamp_millis();
            output.write(protocol::configuration(keeper.document.members(), now).into_bytes()).await?;
            output.drained().await?;
        }
        match in_file {
            Some(Err(error)) if keeper.output.is_none() => {
                let problem =
                    "The new tokens could not be written into the configuration file, and the old ones are spent";
                Err(Error::new(Kind::SignIn, problem).because(error))
            }
            Some(Err(error)) => {
                warn!("the new tokens are told to the reader of the output alone: {error}");
                keeper.file = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Locks a configuration file against other runs, reads it again and opens it for being replaced.
async fn hold(path: &Path) -> Result<(Document, Replacement, File), Error> {
    let unkept = |error| unkept(path, error);
    let lock = lock(path).await?;
    let text = fs::read_to_string(path).map_err(unkept)?;
    let document = Document::parse(&text)?;
    let replacement = Replacement::open(path, text.len() + ROOM, Readers::Owner).map_err(unkept)?;
    Ok((document, replacement, lock))
}

/// Locks a configuration file against other runs that would change it.
pub async fn lock(path: &Path) -> Result<File, Error> {
    let began = Instant::now();
    loop {
        let lock = durable::try_lock(path).map_err(|error| unkept(path, error))?;
        if let Some(lock) = lock {
            return Ok(lock);
        }
        if began.elapsed() > PATIENCE {
            let problem = format!("Another run has been renewing the tokens in {} for minutes", path.display());
            return Err(Error::new(Kind::StateInUse, problem));
        }
        sleep(GLANCE).await;
    }
}

fn unkept(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Unkept, format!("New tokens cannot be kept in {}", path.display())).because(error)
}
