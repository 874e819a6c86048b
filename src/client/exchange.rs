//! One exchange with the service: one request and its response, limited in time and size.

use std::error::Error as StdError;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Response, Url, redirect, retry};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::Limits;
use super::refusal::Refusal;
use super::retry::{Fault, retry_after, server_time};
use crate::access::origin::Origin;
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::secrets::Secrets;
use crate::wire::{Arrival, Body, Passage};

/// The name by which the service's operators find this program in their logs.
const USER_AGENT: &str = concat!("source-zendesk-chat/", env!("CARGO_PKG_VERSION"));

/// The environment variables that name a proxy for the service, each in its two spellings.
const PROXIES: [[&str; 2]; 2] = [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]];

/// How long it may take to make a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long the service may send nothing.
const SILENCE: Duration = Duration::from_mins(1);

/// After this many bytes, no more of a refusal's body is read.
const REFUSAL_BYTES: usize = 64 * 1024;

/// A request to the service.
pub enum Question {
    /// A GET of a URL, with the `Authorization` header.
    Get(Url, HeaderValue),
    /// A POST of a form to a URL.
    Post(Url, String),
}

/// The connection to the service, and the service's time of day in its first response.
pub struct Service {
    http: reqwest::Client,
    secrets: Secrets,
    host: String,
    limits: Limits,
    clock: Clock,
    first_answer: OnceLock<Option<DateTime<Utc>>>,
    requests: AtomicU64,
}

impl Service {
    /// The service at `origin`.
    pub fn new(origin: &Origin, secrets: Secrets, limits: Limits, clock: Clock) -> Result<Self, Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIME)
            .read_timeout(SILENCE)
            // The token goes to the account's own origin only, and never to the target of a redirect.
            .redirect(redirect::Policy::none())
            // The client makes the retries, so that it can count and report them.
            .retry(retry::never());
        if origin.is_loopback() {
            builder = builder.no_proxy();
        } else {
            refuse_broken_proxy(|name| std::env::var(name).ok())?;
        }
        let http = builder
            .build()
            .map_err(|error| Error::new(Kind::Internal, "The network cannot be used").because(error.without_url()))?;
        Ok(Self {
            http,
            secrets,
            host: origin.host().to_owned(),
            limits,
            clock,
            first_answer: OnceLock::new(),
            requests: AtomicU64::new(0),
        })
    }

    /// Sends one request and reads its whole response: a body that is not empty, or the reason why there is none.
    pub async fn ask(&self, path: &str, question: Question, passage: &Passage) -> Result<Body, Fault> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        // The whole exchange is timed here, because reqwest's total time-out could not be distinguished from its read
        // time-out.
        let answer = timeout(self.limits.exchange_time, self.exchange(path, question, passage)).await;
        answer.unwrap_or(Err(Fault::TooSlow(self.limits.exchange_time)))
    }

    /// The same, without a limit on the total time.
    async fn exchange(&self, path: &str, question: Question, passage: &Passage) -> Result<Body, Fault> {
        let began = Instant::now();
        let request = match question {
            Question::Get(url, authorization) => self.http.get(url).header(AUTHORIZATION, authorization),
            Question::Post(url, form) => {
                self.http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
            }
        };
        let request = request.header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| self.broken(&error))?;
        self.first_answer.get_or_init(|| server_time(response.headers()));
        let status = response.status().as_u16();
        let answer = if response.status().is_success() {
            self.body(&mut response, passage.arrival()).await
        } else {
            Err(self.refusal(&mut response, passage.arrival()).await)
        };
        let bytes = answer.as_ref().map_or(0, Body::len);
        debug!(path, status, milliseconds = began.elapsed().as_millis(), bytes, "asked the service");
        answer
    }

    /// Reads the body of a successful response.
    async fn body(&self, response: &mut Response, mut arrival: Arrival) -> Result<Body, Fault> {
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let most = self.limits.body_bytes;
        if announced > most {
            return Err(Fault::TooLarge(most));
        }
        arrival.reserve(announced);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if arrival.len() + chunk.len() > most {
                return Err(Fault::TooLarge(most));
            }
            arrival.push(&chunk);
        }
        if arrival.len() == 0 {
            return Err(Fault::Unreadable("it is empty".to_owned()));
        }
        Ok(arrival.finish())
    }

    /// Reads a refusal, or as much of it as arrives.
    async fn refusal(&self, response: &mut Response, mut arrival: Arrival) -> Fault {
        // The status decides what is done; a body that breaks off only explains less.
        while arrival.len() < REFUSAL_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            arrival.push(&chunk);
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let hide = |said: &str| self.secrets.hide(said);
        let refusal = Refusal::read(response.status().as_u16(), content_type, arrival.as_ref(), hide);
        Fault::Refused { refusal, retry_after: retry_after(response.headers(), self.clock.now()) }
    }

    /// The fault that a network error means, described for the user.
    fn broken(&self, error: &reqwest::Error) -> Fault {
        let (host, why) = (&self.host, root(error).to_string());
        if error.is_dns() {
            return Fault::Unconnected { what: format!("the name {host} could not be resolved"), why };
        }
        if error.is_connect() && is_insecure(error) {
            return Fault::Unconnected { what: format!("no secure connection to {host} could be made"), why };
        }
        let what = if error.is_connect() {
            format!("no connection to {host} could be made")
        } else if error.is_timeout() {
            format!("the service fell silent for {} s", SILENCE.as_secs())
        } else if error.is_decode() || error.is_body() {
            "the service's answer broke off or was corrupt".to_owned()
        } else {
            "the connection broke before an answer came".to_owned()
        };
        Fault::Broken { what, why }
    }

    /// The server's time of day in the first response, if there was a response and it gave the time.
    pub fn server_clock(&self) -> Option<DateTime<Utc>> {
        self.first_answer.get().copied().flatten()
    }

    /// How many requests were sent.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Refuses a proxy setting that cannot be understood. The HTTP client would ignore it, although whoever sets a proxy
/// wants it used. The error does not quote the value, which may hold a password.
fn refuse_broken_proxy(variable: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
    for names in PROXIES {
        // Of the two spellings the first one that is set counts, even if it is empty.
        let set = names.into_iter().find_map(|name| Some((name, variable(name)?)));
        let Some((name, value)) = set.filter(|(_, value)| !value.is_empty()) else { continue };
        let with_scheme = if value.contains("://") { value } else { format!("http://{value}") };
        let known = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
        if !Url::parse(&with_scheme).is_ok_and(|url| known(&url)) {
            let problem =
                format!("`{name}` is not the address of a proxy: write it like http://host:port, or unset it");
            return Err(Error::new(Kind::Config, problem));
        }
    }
    Ok(())
}

/// Whether a connection failed because the two ends could not agree on a secure one, most often because of a
/// certificate.
fn is_insecure(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref()).any(is_invalid)
}

/// Whether an error reports invalid data, or wraps an error that does. A wrapped error is missing from the chain of
/// sources.
fn is_invalid(error: &io::Error) -> bool {
    let wrapped = error.get_ref().and_then(|wrapped| wrapped.downcast_ref());
    error.kind() == io::ErrorKind::InvalidData || wrapped.is_some_and(is_invalid)
}

/// The root cause of an error: the layers above it add only their own names and the URL.
fn root(error: &reqwest::Error) -> &(dyn StdError + 'static) {
    causes(error).last().unwrap_or(error)
}

/// An error, followed by all its causes.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(Some(error as &(dyn StdError + 'static)), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_that_does_not_resolve_is_named() {
        struct Nowhere;
        impl reqwest::dns::Resolve for Nowhere {
            fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
                Box::pin(async { Err("Name or service not known".into()) })
            }
        }
        let http = reqwest::Client::builder().no_proxy().dns_resolver(Nowhere).build().unwrap();
        let error = http.get("https://acme.zendesk.com/").send().await.unwrap_err();
        let origin = "https://acme.zendesk.com".parse().unwrap();
        let service = Service::new(&origin, Secrets::default(), Limits::USUAL, Clock::system()).unwrap();
        let what = "the name acme.zendesk.com could not be resolved".to_owned();
        assert_eq!(service.broken(&error), Fault::Unconnected { what, why: "Name or service not known".to_owned() });
    }

    #[test]
    fn a_proxy_that_cannot_be_understood_was_passed_over() {
        let set = |name: &'static str, value: &'static str| {
            refuse_broken_proxy(move |asked| (asked == name).then(|| value.to_owned()))
        };
        for name in PROXIES.concat() {
            for value in
                ["http://me:s3cret@", "http://me:s3cret@host:port", "http://s3 cret", "ftp://s3cret", "socks5://s3cret"]
            {
                let error = set(name, value).unwrap_err();
                assert!(error.to_string().contains(name) && !error.to_string().contains("cret"), "{value}: {error}");
                assert_eq!(error.kind(), Kind::Config);
            }
            for value in ["", "http://host:3128", "https://me:s3cret@host/", "host:3128", "10.0.0.1"] {
                set(name, value).unwrap();
            }
        }
    }
}
