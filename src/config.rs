//! The configuration: turns JSON and environment variables into parsed types. Every error is one sentence.

use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::access::document::Document;
use crate::access::oauth::{Registration, is_token};
use crate::access::origin::{Origin, Subdomain};
use crate::error::{Error, Kind};
use crate::position;

mod unknown;

pub use unknown::unknown;

/// The default quota of an account, in requests per minute.
const REQUESTS_PER_MINUTE: f64 = 200.0;

/// Enough concurrent requests to use that quota when each response takes a second, and some more.
const CONCURRENCY: usize = 8;

const LOOKBACK: chrono::Duration = chrono::Duration::hours(24);

/// How a run reaches an account, and what it reads from it.
#[derive(Debug)]
pub struct Config {
    /// The subdomain of the account that is read.
    pub subdomain: Subdomain,
    /// The base address of the API.
    pub origin: Origin,
    /// The credentials for the API.
    pub credentials: Credentials,
    /// Where streams without a state begin.
    pub start: Option<DateTime<Utc>>,
    /// Where exports end.
    pub end: Option<DateTime<Utc>>,
    /// How many requests a run may make in any minute.
    pub requests_per_minute: f64,
    /// How many requests may be in flight at once.
    pub concurrency: usize,
    /// How much of the agents' time line before its frontier is read again.
    pub lookback: chrono::Duration,
    /// How much of the chats before their frontier is read again, if configured.
    pub chats_lookback: Option<chrono::Duration>,
    /// Whether a stream that the account does not have is skipped even if the user named it.
    pub skip_unavailable: bool,
}

/// The credentials for an account.
#[derive(Clone)]
pub enum Credentials {
    /// An access token on its own.
    AccessToken(SecretString),
    /// An access token and a refresh token, which is exchanged for the next pair.
    Pair {
        /// The API client that the tokens were issued to.
        client: Registration,
        /// The access token, if there is one; it is valid until it expires.
        access: Option<SecretString>,
        /// The refresh token, which works only once.
        refresh: SecretString,
    },
    /// An API client that signs in without a user.
    ClientCredentials(Registration),
}

/// What environment variables add to the configuration.
#[derive(Debug, Default)]
pub struct Environment {
    /// `ZENDESK_CHAT_SUBDOMAIN`, used if the file has none.
    pub subdomain: Option<String>,
    /// `ZENDESK_CHAT_ACCESS_TOKEN`, used instead of the file's credentials.
    pub access_token: Option<SecretString>,
    /// `ZENDESK_CHAT_CLIENT_SECRET`, used instead of the file's secret.
    pub client_secret: Option<SecretString>,
}

impl fmt::Debug for Credentials {
    /// Never shows the secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessToken(_) => formatter.write_str("AccessToken(****)"),
            Self::Pair { .. } => formatter.write_str("Pair(****)"),
            Self::ClientCredentials(_) => formatter.write_str("ClientCredentials(****)"),
        }
    }
}

impl Environment {
    /// Reads the environment variables of this process.
    pub fn of_process() -> Self {
        let secret = |name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(SecretString::from);
        let subdomain = std::env::var("ZENDESK_CHAT_SUBDOMAIN").ok().filter(|value| !value.is_empty());
        let (access_token, client_secret) = (secret("ZENDESK_CHAT_ACCESS_TOKEN"), secret("ZENDESK_CHAT_CLIENT_SECRET"));
        Self { subdomain, access_token, client_secret }
    }
}

impl Config {
    /// Reads a configuration.
    pub fn of(document: &Document, environment: &Environment) -> Result<Self, Error> {
        let members = Members(document.members());
        let subdomain = members.text("subdomain")?.or(environment.subdomain.as_deref());
        let subdomain = Subdomain::parse(subdomain.ok_or_else(|| wrong("`subdomain` is missing"))?)?;
        let config = Self {
            origin: Origin::of(members.text("base_url")?, &subdomain)?,
            subdomain,
            credentials: Credentials::parse(members, environment)?,
            start: members.instant("start_date")?,
            end: members.instant("end_date")?,
            requests_per_minute: members
                .number("requests_per_minute", f64::MIN_POSITIVE)?
                .unwrap_or(REQUESTS_PER_MINUTE),
            concurrency: members.count("concurrency")?.unwrap_or(CONCURRENCY),
            lookback: members.span("lookback_hours", 3_600.0)?.unwrap_or(LOOKBACK),
            chats_lookback: members.span("chats_lookback_minutes", 60.0)?,
            skip_unavailable: members.flag("skip_unavailable_streams")?,
        };
        if config.start.zip(config.end).is_some_and(|(start, end)| end <= start) {
            return Err(wrong("`end_date` is not after `start_date`"));
        }
        Ok(config)
    }
}

impl Credentials {
    /// The secrets, which must never be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        let (client, tokens) = match self {
            Self::AccessToken(access) => (None, [Some(access), None]),
            Self::Pair { client, access, refresh } => (Some(client), [access.as_ref(), Some(refresh)]),
            Self::ClientCredentials(client) => (Some(client), [None, None]),
        };
        tokens.into_iter().flatten().chain(client.and_then(|client| client.secret.as_ref()))
    }

    fn parse(members: Members<'_>, environment: &Environment) -> Result<Self, Error> {
        if let Some(given) = &environment.access_token {
            let token = token(secrecy::ExposeSecret::expose_secret(given), "`ZENDESK_CHAT_ACCESS_TOKEN`")?;
            return Ok(Self::AccessToken(token));
        }
        let credentials = match members.0.get("credentials") {
            Some(Value::Object(credentials)) => Members(credentials),
            None | Some(Value::Null) => {
                return Err(wrong(
                    "`credentials` is missing: give it an `access_token`, or set ZENDESK_CHAT_ACCESS_TOKEN",
                ));
            }
            Some(_) => return Err(wrong("`credentials` is not an object")),
        };
        let text = |name| credentials.text(name).map_err(|error| error.at("credentials"));
        let client = || {
            let Some(id) = text("client_id")? else { return Ok(None) };
            let secret = match &environment.client_secret {
                Some(secret) => Some(secret.clone()),
                None => text("client_secret")?.map(SecretString::from),
            };
            Ok(Some(Registration { id: id.trim().to_owned(), secret }))
        };
        match text("credentials")? {
            None | Some("oauth2.0" | "access_token") => {
                let access = text("access_token")?.map(|text| token(text, "`credentials.access_token`")).transpose()?;
                let refresh =
                    text("refresh_token")?.map(|text| token(text, "`credentials.refresh_token`")).transpose()?;
                match (access, refresh.zip(client()?)) {
                    (access, Some((refresh, client))) => Ok(Self::Pair { client, access, refresh }),
                    (Some(access), None) => Ok(Self::AccessToken(access)),
                    (None, None) if credentials.get("refresh_token").is_some() => {
                        Err(wrong("`credentials.client_id` is missing: the refresh token is that API client's"))
                    }
                    (None, None) => Err(wrong("`credentials.access_token` is missing")),
                }
            }
            Some("client_credentials") => match client()? {
                None => Err(wrong("`credentials.client_id` is missing")),
                Some(client) if client.secret.is_none() => Err(wrong(
                    "`credentials.client_secret` is missing: give it here, or set ZENDESK_CHAT_CLIENT_SECRET",
                )),
                Some(client) => Ok(Self::ClientCredentials(client)),
            },
            Some(_) => {
                Err(wrong("`credentials.credentials` is none of `oauth2.0`, `access_token` and `client_credentials`"))
            }
        }
    }
}

/// The members of a configuration object. A member that is null counts as absent.
#[derive(Clone, Copy)]
struct Members<'config>(&'config Map<String, Value>);

impl<'config> Members<'config> {
    fn get(self, name: &str) -> Option<&'config Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(self, name: &str) -> Result<Option<&'config str>, Error> {
        let text = self.get(name).map(|value| value.as_str().ok_or_else(|| wrong(format!("`{name}` is not a text"))));
        Ok(text.transpose()?.filter(|text| !text.trim().is_empty()))
    }

    fn instant(self, name: &str) -> Result<Option<DateTime<Utc>>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let instant = position::when(text.trim());
        instant.map(Some).ok_or_else(|| wrong(format!("`{name}` is not a date: write it like 2024-01-01T00:00:00Z")))
    }

    fn number(self, name: &str, least: f64) -> Result<Option<f64>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.is_finite() && *number >= least);
        let demand = if least > 0.0 { "a number above 0" } else { "a number from 0 up" };
        number.map(Some).ok_or_else(|| wrong(format!("`{name}` is not {demand}")))
    }

    fn count(self, name: &str) -> Result<Option<usize>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let count =
            value.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|count| (1..=1_000).contains(count));
        count.map(Some).ok_or_else(|| wrong(format!("`{name}` is not a whole number from 1 to 1000")))
    }

    /// A length of time, given as a count of units; `unit` is the length of one in seconds.
    fn span(self, name: &str, unit: f64) -> Result<Option<chrono::Duration>, Error> {
        let Some(count) = self.number(name, 0.0)? else { return Ok(None) };
        let (seconds, century) = (count * unit, 876_000.0 * 3_600.0);
        if seconds > century {
            return Err(wrong(format!("`{name}` is more than a century")));
        }
        #[allow(clippy::cast_possible_truncation, reason = "a century of seconds fits by far")]
        Ok(Some(chrono::Duration::seconds(seconds as i64)))
    }

    fn flag(self, name: &str) -> Result<bool, Error> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| wrong(format!("`{name}` is neither true nor false")))
    }
}

fn token(text: &str, place: &str) -> Result<SecretString, Error> {
    let text = text.trim();
    if !is_token(text) {
        return Err(wrong(format!(
            "{place} is not a token: it is empty or holds spaces or other characters that no token has"
        )));
    }
    Ok(SecretString::from(text))
}

fn wrong(sentence: impl Into<String>) -> Error {
    Error::new(Kind::Config, sentence)
}

#[cfg(test)]
mod tests;
