//! Every failure of the program: what kind it is, what happened, and what the reader can do about it.

use std::error::Error as StdError;
use std::fmt;

/// A failure, described in one sentence, with its cause chained.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    context: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of a failure, which decides who must act and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The configuration cannot be used as it is.
    Config,
    /// There is no usable configuration: its file cannot be read, or holds no JSON object.
    ConfigFile,
    /// The flags contradict each other, or name what does not exist.
    Flags,
    /// The configured catalog cannot be used as it is.
    Catalog,
    /// The saved state of a stream, or the state file, cannot be used as it is.
    State,
    /// Another run uses the state file.
    StateInUse,
    /// The service does not accept the access token (401).
    Unauthorized,
    /// The account issues no access token, or no further one.
    SignIn,
    /// There is no place to store the tokens that a refresh token would bring.
    NoTokenStore,
    /// Another run is changing the configuration file.
    ConfigInUse,
    /// The access token is accepted but may not read this (403).
    Forbidden,
    /// The service has nothing at this address (404).
    NotFound,
    /// The service refused the request permanently (3xx and the other 4xx).
    Refused {
        /// The HTTP status of the response.
        status: u16,
    },
    /// There is no such host, or no secure connection to it.
    Unconnected,
    /// The service could not be reached, or gave no usable response, in spite of all retries.
    Unreachable,
    /// The service asks for a longer pause than a run waits, or still answers 429 after all retries.
    RateLimited,
    /// The pages of a stream contradict each other, so that going on would lose records or never end.
    Paging,
    /// A page ends before the requested position, as if an earlier page had come in its place.
    Disorder,
    /// A record lacks a member that the stream depends on, such as its key.
    Record,
    /// The run was interrupted from outside.
    Interrupted,
    /// Some streams of this run failed; the error of each was reported separately.
    Streams(FailureType),
    /// The reader of stdout has gone.
    OutputClosed,
    /// stdout or a file cannot be written.
    Output,
    /// The location given for a dataset cannot be used as it is.
    Place,
    /// The location holds something other than a dataset that this run can continue.
    Dataset,
    /// Files of a dataset are missing or were changed.
    Incomplete,
    /// Another run is writing the dataset.
    DatasetInUse,
    /// The store that holds a dataset fails.
    Store,
    /// The program cannot listen on the requested port.
    Port,
    /// The program itself has a fault.
    Internal,
}

/// Who must act on a failure, in the words of the Airbyte protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureType {
    /// The user must change something.
    Config,
    /// The same run may succeed later.
    Transient,
    /// The program or the service is at fault.
    System,
}

impl FailureType {
    /// The protocol's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config_error",
            Self::Transient => "transient_error",
            Self::System => "system_error",
        }
    }
}

impl Kind {
    /// Who must act, and what they can do: the one place that decides both.
    pub fn verdict(self) -> (FailureType, &'static str) {
        use FailureType::{Config, System, Transient};
        match self {
            Self::Config => (Config, "Correct the configuration and run again; `spec` prints every property."),
            Self::ConfigFile => (Config, "Give `--config` the path of a file that holds one JSON object."),
            Self::Flags => (Config, "`--help` lists the flags and what they take."),
            Self::Catalog => (Config, "Correct the catalog, or make it anew from the output of `discover`."),
            Self::State => (Config, "Correct this stream's state, or remove it to read the stream from its start."),
            Self::StateInUse => (Transient, "Wait until it ends, or give each run a state file of its own."),
            Self::Unauthorized => (
                Config,
                "Run `source-zendesk-chat login` to sign in to this Zendesk Chat account anew; a token of Zendesk Support does not work here.",
            ),
            Self::SignIn => {
                (Config, "Run `source-zendesk-chat login` to sign in anew; `login --help` lists the ways to do it.")
            }
            Self::ConfigInUse => (Transient, "Wait until it ends, and run again."),
            Self::NoTokenStore => (
                Config,
                "Let this program write its configuration file, or sign in with `login --flow client-credentials`, which needs no such place.",
            ),
            Self::Forbidden => {
                (Config, "Make the token as an administrator, with the scope `read`, or leave the stream out.")
            }
            Self::NotFound => (
                Config,
                "Check the subdomain, and that the account has Zendesk Chat and this feature, or leave the stream out.",
            ),
            Self::Refused { .. } => (
                System,
                "The service refuses what this program asks; look for a newer version, or report it with this message.",
            ),
            Self::Unconnected => (
                Transient,
                "Check `subdomain` and `base_url`, the network of this machine, and `HTTPS_PROXY` if there is a proxy.",
            ),
            Self::Unreachable => (
                Transient,
                "Run again later; a read goes on from its last state. If it stays, check the network and the service's status page.",
            ),
            Self::RateLimited => (
                Transient,
                "Run again later, or lower `requests_per_minute` to leave room for other tools of the account.",
            ),
            Self::Paging => (
                System,
                "Nothing was skipped: the state stands before this point. Run again; if it stays, report it with this message.",
            ),
            Self::Disorder => (
                System,
                "Pages may have come in the wrong order. To miss nothing, go back to the state from before this run, or remove this stream's state to read it from its start.",
            ),
            Self::Record => (
                System,
                "Nothing was skipped: the state stands before this page. Run again; if it stays, report it with this message.",
            ),
            Self::Interrupted => (Transient, "Run the same command again to go on from there."),
            Self::Streams(failure_type) => {
                (failure_type, "The error of each stream says what to do; the others were delivered.")
            }
            Self::OutputClosed => (System, "The reader of the output has gone; run again with a reader that stays."),
            Self::Output => (System, "Check that the disk has room and that the file may be written."),
            Self::Place => {
                (Config, "Give `--out` a folder that may be written, or s3://bucket/path and what opens it.")
            }
            Self::Dataset => (Config, "Give `--out` another place, or bring the dataset back from a copy."),
            Self::Incomplete => (
                Config,
                "Bring the files back from a copy, or make the tables anew with `dump --mode overwrite --streams`.",
            ),
            Self::DatasetInUse => (Transient, "Wait until it ends, or give each run a dataset of its own."),
            Self::Store => (
                Transient,
                "Check that there is room and that the place can be reached, and run again: the last commit is whole.",
            ),
            Self::Port => (Config, "Choose another `--port`, or 0 for any that is free."),
            Self::Internal => (System, "This is a fault of the program: report it with this message."),
        }
    }
}

impl Error {
    /// A failure of `kind`; `context` says what happened and where, in one sentence without a full stop.
    pub fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// The same failure, with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure, with `place` in front of its sentence.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.context = format!("{place}: {}", self.context);
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The cause, if it is a `T`.
    pub fn cause<T: StdError + 'static>(&self) -> Option<&T> {
        self.source.as_deref()?.downcast_ref()
    }

    /// Who must act.
    pub fn failure_type(&self) -> FailureType {
        self.kind.verdict().0
    }

    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        self.kind.verdict().1
    }

    /// What happened, why, and what to do, as whole sentences for the user.
    pub fn sentence(&self) -> String {
        let text = self.to_string();
        format!("{}. {}", text.trim_end_matches('.'), self.hint())
    }
}

impl fmt::Display for Error {
    /// What happened and why, on one line, without the hint.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.context)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {}
