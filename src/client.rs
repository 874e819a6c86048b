//! The only way to an account's API. Every request is limited in size and time here, is retried and logged, and every
//! request except those for tokens waits for the quota.
//!
//! The client knows nothing of streams: it takes a path and returns the result of the caller's parser.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::access::oauth::{Grant, Issued, Registration};
use crate::access::origin::Origin;
use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::json::Malformed;
use crate::secrets::Secrets;
use crate::wire::{Body, Gate, Passage, Request};

mod auth;
mod exchange;
mod refusal;
mod retry;
#[cfg(test)]
mod tests;
mod throttle;
mod token_requests;

pub use auth::{Access, Renewal};
pub use refusal::Refusal;

use auth::{Given, Tokens};
use exchange::{Question, Service};
use retry::{Action, Fault, Patience};
use throttle::Throttle;
use token_requests::TokenRequests;

/// The address, the credentials and the quota of an account's API.
pub struct Api {
    /// The API's address.
    pub origin: Origin,
    /// The access token, and the credentials that renew it.
    pub access: Access,
    /// The secrets to mask in everything that is written for people.
    pub secrets: Secrets,
    /// How many requests may be sent in any 60 seconds. Below one, more than a minute passes between two requests.
    pub requests_per_minute: f64,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// Whether a user is waiting for the result, so that an error which seldom passes by itself is reported without
    /// retries.
    pub attended: bool,
}

/// A place among the concurrent requests.
pub struct Slot(Passage);

/// How long requests take, and how long the caller takes to process their responses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rhythm {
    /// The time from sending a request to its parsed response, without the delay that our own concurrent requests
    /// cause.
    pub exchange: Duration,
    /// The time to process a response.
    pub taking: Duration,
}

impl Rhythm {
    /// Records how long a round trip took. The shortest recent one counts: concurrent requests slow each other down,
    /// and measuring that slowdown would make us send even more.
    pub fn exchanged(&mut self, took: Duration) {
        let known = if self.exchange.is_zero() { took } else { self.exchange + self.exchange / 64 };
        self.exchange = took.min(known);
    }

    /// Records how long it took to process a response. This is a moving average, in which the last response weighs an
    /// eighth.
    pub fn taken(&mut self, took: Duration) {
        let known = if self.taking.is_zero() { took } else { self.taking };
        self.taking = (known * 7 + took) / 8;
    }
}

/// Pauses of at least this length are reported to the user.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// How often one request may be sent again with a new token because the service refused the last one.
const MOST_DEAD_TOKENS: u32 = 5;

/// A usable response to a request.
#[derive(Debug)]
pub struct Answer<T> {
    /// The result of the parser.
    pub value: T,
    /// The limit of the last attempt, which was halved whenever the response was too large or too slow.
    pub limit: Option<u32>,
    /// The time from sending the last attempt to its parsed response.
    pub took: Duration,
}

/// A wait that begins now, reported so that a stream's status and the log can show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// How long the wait lasts, unless it is extended meanwhile.
    pub duration: Duration,
    /// Why the request waits.
    pub reason: WaitReason,
}

/// Why a request waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// The throttle keeps to the account's quota.
    Quota,
    /// The service asked for a pause, or refused the request because there were too many (429).
    RateLimited,
    /// The request failed and is sent again later.
    Backoff {
        /// What happened, as a sentence without a full stop.
        what: String,
    },
}

impl Wait {
    /// Whether to report the wait to the user: always after a failure, and for a pause only if it is long.
    pub fn matters(&self) -> bool {
        matches!(self.reason, WaitReason::Backoff { .. }) || self.duration >= LONG_WAIT
    }
}

impl fmt::Display for Wait {
    /// The reason for the wait and its length.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.duration.as_secs_f64();
        match &self.reason {
            WaitReason::Backoff { what } => write!(formatter, "{what}; trying again in {seconds:.1} seconds"),
            _ => write!(formatter, "waiting {seconds:.0} seconds for the account's quota"),
        }
    }
}

/// A callback that is called at every wait.
type Watch<'a> = dyn Fn(&Wait) + Send + Sync + 'a;

/// The limits of each exchange, and of all of them together.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The largest size of a body, in bytes after decompression.
    body_bytes: usize,
    /// The longest time that an exchange may take.
    exchange_time: Duration,
    /// The total size of unprocessed bodies, in bytes, at which no further request begins.
    held_bytes: usize,
}

impl Limits {
    /// The limits of every run.
    const USUAL: Self =
        Self { body_bytes: 128 * 1024 * 1024, exchange_time: Duration::from_mins(5), held_bytes: 32 * 1024 * 1024 };
}

/// Sends requests to one account; clones share its connections, its quota and its limits.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

/// The state that all clones of a client share.
struct Shared {
    origin: Origin,
    service: Arc<Service>,
    tokens: Tokens,
    gate: Arc<Gate>,
    throttle: Throttle,
    attended: bool,
}

impl Client {
    /// A client of `api`. No request is sent yet.
    pub fn new(api: Api, clock: Clock) -> Result<Self, Error> {
        Self::within(Limits::USUAL, api, clock)
    }

    /// A client with these `limits`.
    fn within(limits: Limits, api: Api, clock: Clock) -> Result<Self, Error> {
        let service = Arc::new(Service::new(&api.origin, api.secrets.clone(), limits, clock)?);
        let token_requests = TokenRequests {
            origin: api.origin.clone(),
            service: Arc::clone(&service),
            gate: Gate::new(1, limits.held_bytes),
            attended: api.attended,
        };
        Ok(Self(Arc::new(Shared {
            service,
            tokens: Tokens::new(api.access, api.secrets, token_requests)?,
            gate: Gate::new(api.concurrency, limits.held_bytes),
            throttle: Throttle::new(api.requests_per_minute),
            attended: api.attended,
            origin: api.origin,
        })))
    }

    /// How many concurrent requests are needed to use the whole quota, or, if the caller processes responses more
    /// slowly than that, to keep the caller busy; never more than the configured maximum.
    pub fn useful(&self, rhythm: Rhythm) -> usize {
        self.0.throttle.useful(rhythm).min(self.0.gate.requests())
    }

    /// Waits until fewer requests are under way than are useful, and returns a place for one more.
    pub async fn spare(&self, rhythm: Rhythm) -> Slot {
        self.0.throttle.pause_over(&|_| ()).await;
        Slot(self.0.gate.enter_below(|| self.useful(rhythm)).await)
    }

    /// Sends a request, with the retries of the retry table, and returns what `parse` makes of the body. `watch` is
    /// called at every wait. Without a `place`, the request waits in line for one.
    ///
    /// If `parse` finds a body malformed, the request is sent again.
    pub async fn fetch<T>(
        &self,
        request: &Request,
        mut place: Option<Slot>,
        watch: &(dyn Fn(&Wait) + Send + Sync),
        parse: impl Fn(Body) -> Result<T, Malformed> + Send + Sync,
    ) -> Result<Answer<T>, Error> {
        let path = request.path.as_str();
        let mut limit = request.limit;
        let mut patience = Patience::new(self.0.attended);
        let mut dead_tokens = 0;
        loop {
            let passage = self.admission(place.take(), watch).await;
            let (bearer, given) = self.0.tokens.bearer().await?;
            let began = Instant::now();
            let question = Question::Get(self.0.address(request, limit), bearer.header.clone());
            let answer = self.0.service.ask(path, question, &passage).await;
            drop(passage);
            let answer = answer.and_then(|body| parse(body).map_err(|Malformed(why)| Fault::Unreadable(why)));
            let fault = match answer {
                Ok(value) => return Ok(Answer { value, limit, took: began.elapsed() }),
                Err(fault) => fault,
            };
            debug!(path, limit, %fault, "no usable answer");
            match fault.action(limit) {
                Action::Smaller(half) => limit = Some(half),
                // A 401 on a token that was just issued has another cause than the token.
                Action::Renew
                    if given == Given::Before
                        && dead_tokens < MOST_DEAD_TOKENS
                        && self.0.tokens.refuse(&bearer).await =>
                {
                    dead_tokens += 1;
                }
                Action::Renew => return Err(patience.give_up(path, fault, Kind::Unauthorized)),
                Action::Fail(kind) => return Err(patience.give_up(path, fault, kind)),
                Action::Again(asked) => {
                    let Some(duration) = patience.wait(&fault, asked, began.elapsed()) else {
                        let kind = fault.kind_at_last();
                        return Err(patience.give_up(path, fault, kind));
                    };
                    if fault.is_over_the_limit() {
                        self.0.throttle.refused(began);
                    }
                    self.rest(&fault, duration, asked.is_some(), watch).await;
                }
            }
        }
    }

    /// Waits until a request may be sent.
    ///
    /// The quota comes last: a request that passed the quota and then waited for something else would reach the service
    /// together with later ones. A request therefore holds its place among the concurrent ones while it waits for the
    /// quota. This costs nothing, since all others wait for the quota too. A request takes no place during a pause that
    /// is already in force, and holds none between attempts.
    async fn admission(&self, place: Option<Slot>, watch: &Watch<'_>) -> Passage {
        self.0.throttle.pause_over(watch).await;
        let turn = async {
            let passage = match place {
                Some(Slot(passage)) => passage,
                None => self.0.gate.enter().await,
            };
            self.0.throttle.admit(watch).await;
            passage
        };
        tokio::pin!(turn);
        tokio::select! {
            passage = &mut turn => return passage,
            () = sleep(LONG_WAIT) => {}
        }
        // Only the first request in line knows how long it will wait; any other reports just that it waits.
        watch(&Wait { duration: LONG_WAIT, reason: WaitReason::Quota });
        turn.await
    }

    /// Waits before the next attempt. If the account is over its limit, all other requests wait as well.
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

    /// Requests a token for an API client.
    pub async fn grant(&self, client: &Registration, grant: &Grant<'_>) -> Result<Issued, Error> {
        self.0.tokens.grant(client, grant).await
    }

    /// Keeps the current access token from now on, even if the service refuses it.
    pub async fn stay(&self) {
        self.0.tokens.stay().await;
    }

    /// Waits until no token is being renewed, so that every new token has been stored.
    pub async fn tokens_stored(&self) {
        self.0.tokens.tokens_stored().await;
    }

    /// Makes every further request of this run fail, because the account refuses the credentials.
    pub async fn end(&self, why: &Error) {
        self.0.tokens.end(why).await;
    }

    /// The error with which every further request of this run fails, if there is one.
    pub async fn ended(&self) -> Option<Error> {
        self.0.tokens.ended().await
    }

    /// The server's time of day in the first response, whatever its status. None before that response, or if it gave no
    /// time.
    pub fn server_clock(&self) -> Option<DateTime<Utc>> {
        self.0.service.server_clock()
    }

    /// How many requests were sent so far, retries and token requests included.
    pub fn requests(&self) -> u64 {
        self.0.service.requests()
    }
}

impl Shared {
    /// Where a request goes: always to the origin, whatever its path says.
    fn address(&self, request: &Request, limit: Option<u32>) -> Url {
        let mut url = self.origin.url().clone();
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
