//! The one door to the network: every request waits for the quota, is bounded, is tried again and is told of here.
//!
//! It knows nothing of streams: it takes a path and gives back what the caller's parser made of the body.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;
use secrecy::SecretString;
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::clock::Clock;
use crate::error::{Error, Kind};

mod auth;
mod body;
mod exchange;
mod refusal;
mod retry;
#[cfg(test)]
mod tests;
mod throttle;

pub use body::{Body, Held};
pub use exchange::is_loopback;
pub use refusal::Refusal;

use body::{Gate, Passage};
use exchange::Service;
use retry::{Action, Fault, Patience};
use throttle::Throttle;

/// Where an account's API is, what opens it, and how much of it may be used.
#[derive(Debug)]
pub struct Api {
    /// The origin, such as `https://acme.zendesk.com`, and perhaps a path that all requests have in common.
    pub base: Url,
    /// The access token.
    pub token: SecretString,
    /// How many requests may be sent in any 60 seconds; below one, how much of a request.
    pub requests_per_minute: f64,
    /// How many requests may be under way at once.
    pub concurrency: usize,
}

/// A pause of this length or more is told to people.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// One GET: a path below the base, its query, and how many records it asks for at the most.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The path below the base, under which errors and logs name the request.
    pub path: String,
    /// The query, without the limit.
    pub query: Vec<(&'static str, String)>,
    /// How many records at the most, sent as `limit`.
    pub limit: Option<u32>,
}

/// What came of a request.
#[derive(Debug)]
pub struct Answer<T> {
    /// What the parser made of the body.
    pub value: T,
    /// The limit that was asked with in the end: halved where the service could not serve more.
    pub limit: Option<u32>,
}

/// Why a body cannot be read; never holds the body itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

/// A wait that begins now, told so that a stream's status and the log can say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// How long it lasts, unless it is made longer meanwhile.
    pub duration: Duration,
    /// Why it is made.
    pub reason: WaitReason,
}

/// Why a request waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// Our own limiter keeps to the account's quota.
    Quota,
    /// The service asked for a pause, or refused because it was asked too often.
    RateLimited,
    /// The request failed and is sent again later.
    Backoff {
        /// What happened, as a sentence without a full stop.
        what: String,
    },
}

impl Wait {
    /// Whether people want to know of it: of a failure always, of a pause if it lasts.
    pub fn matters(&self) -> bool {
        matches!(self.reason, WaitReason::Backoff { .. }) || self.duration >= LONG_WAIT
    }
}

impl fmt::Display for Wait {
    /// What happened, and how long it is waited.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs_f64();
        match &self.reason {
            WaitReason::Backoff { what } => write!(formatter, "{what}; trying again in {seconds:.1} seconds"),
            _ => write!(formatter, "waiting {seconds:.0} seconds for the account's quota"),
        }
    }
}

/// Who is told of every wait.
type Watch<'a> = dyn Fn(&Wait) + Send + Sync + 'a;

/// The bounds of one exchange and of all together.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The most bytes of a body, decompressed.
    body_bytes: usize,
    /// The longest time that an exchange may take.
    exchange_time: Duration,
    /// The bytes of bodies beyond which no further request begins.
    held_bytes: usize,
}

impl Limits {
    /// What every run keeps to.
    const USUAL: Self =
        Self { body_bytes: 128 * 1024 * 1024, exchange_time: Duration::from_mins(5), held_bytes: 32 * 1024 * 1024 };
}

/// Fetches from one account; clones share its connections, its quota and its bounds.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

/// What all clones of a client have in common.
struct Shared {
    base: Url,
    service: Service,
    gate: Arc<Gate>,
    throttle: Throttle,
}

impl Client {
    /// A client of `api` that sends nothing yet.
    pub fn new(api: Api, clock: Clock) -> Result<Self, Error> {
        Self::within(Limits::USUAL, api, clock)
    }

    /// A client that keeps to `limits`.
    fn within(limits: Limits, api: Api, clock: Clock) -> Result<Self, Error> {
        let base = &api.base;
        let private = base.scheme() == "https" || (base.scheme() == "http" && is_loopback(base));
        if !private || !base.username().is_empty() || base.password().is_some() {
            let context = "The base URL must begin with https (http leads to this machine only) and name no user";
            return Err(Error::new(Kind::Config, context));
        }
        Ok(Self(Arc::new(Shared {
            service: Service::new(&api, limits, clock)?,
            gate: Gate::new(api.concurrency, limits.held_bytes),
            throttle: Throttle::new(api.requests_per_minute),
            base: api.base,
        })))
    }

    /// Fetches what `parse` makes of a body, asking again as the retry table says; `watch` is told of every wait.
    ///
    /// A body that `parse` finds malformed is asked for again.
    pub async fn fetch<T>(
        &self,
        request: &Request,
        watch: &(dyn Fn(&Wait) + Send + Sync),
        parse: impl Fn(Body) -> Result<T, Malformed> + Send + Sync,
    ) -> Result<Answer<T>, Error> {
        let path = request.path.as_str();
        let mut limit = request.limit;
        let mut patience = Patience::new();
        loop {
            let passage = self.admission(watch).await;
            let began = Instant::now();
            let answer = self.0.service.ask(path, self.0.address(request, limit), &passage).await;
            drop(passage);
            let answer = answer.and_then(|body| parse(body).map_err(|Malformed(why)| Fault::Unreadable(why)));
            let fault = match answer {
                Ok(value) => return Ok(Answer { value, limit }),
                Err(fault) => fault,
            };
            debug!(path, limit, %fault, "no usable answer");
            match fault.action(limit) {
                Action::Smaller(half) => limit = Some(half),
                Action::Fail(kind) => return Err(patience.give_up(path, fault, kind)),
                Action::Again(asked) => {
                    let Some(duration) = patience.wait(&fault, asked, began.elapsed()) else {
                        let kind = fault.kind_at_last();
                        return Err(patience.give_up(path, fault, kind));
                    };
                    self.rest(&fault, duration, asked.is_some(), watch).await;
                }
            }
        }
    }

    /// Returns when a request may be sent.
    ///
    /// The quota comes last: a request that it let through and that then waited for something else would reach the
    /// service together with later ones. So a request holds its place among those under way while it waits for the
    /// quota, which costs nothing, since all others wait for it too. It holds none during a pause that is already in
    /// force, nor between attempts.
    async fn admission(&self, watch: &Watch<'_>) -> Passage {
        self.0.throttle.pause_over(watch).await;
        let turn = async {
            let passage = self.0.gate.enter().await;
            self.0.throttle.admit(watch).await;
            passage
        };
        tokio::pin!(turn);
        tokio::select! {
            passage = &mut turn => return passage,
            () = sleep(LONG_WAIT) => {}
        }
        // Only the head of the line knows how long it will wait; whoever stands behind it tells that it does.
        watch(&Wait { duration: LONG_WAIT, reason: WaitReason::Quota });
        turn.await
    }

    /// Waits before the next attempt, together with all other requests if the service wants none at all.
    async fn rest(&self, fault: &Fault, duration: Duration, asked: bool, watch: &Watch<'_>) {
        let over_the_limit = fault.is_over_the_limit();
        if over_the_limit {
            self.0.throttle.pause_until(Instant::now() + duration);
        }
        let reason = if over_the_limit || asked {
            WaitReason::RateLimited
        } else {
            WaitReason::Backoff { what: fault.to_string() }
        };
        watch(&Wait { duration, reason });
        sleep(duration).await;
    }

    /// The server's time of day in the first answer, whatever its status; none before it, or when it sent none.
    pub fn server_clock(&self) -> Option<DateTime<Utc>> {
        self.0.service.server_clock()
    }

    /// How many requests were sent so far.
    pub fn requests(&self) -> u64 {
        self.0.service.requests()
    }
}

impl Shared {
    /// Where a request goes: always below the base, whatever its path says.
    fn address(&self, request: &Request, limit: Option<u32>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(request.path.split('/').filter(|segment| !segment.is_empty()));
        }
        url.set_fragment(None);
        url.set_query(None);
        let limit = limit.map(|limit| ("limit", limit.to_string()));
        for (name, value) in request.query.iter().chain(&limit) {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }
}
