//! The only way to the network. Every request waits here for the quota, is bounded in size and time, is retried and logged.
//!
//! It knows nothing of streams: it takes a path and returns what the caller's parser made of the body.

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

/// Where an account's API is, what opens it, and how much of it may be used.
pub struct Api {
    /// Where the API is.
    pub origin: Origin,
    /// The access token, and what makes a new one.
    pub access: Access,
    /// Where all secrets are kept, so that nobody tells them.
    pub secrets: Secrets,
    /// How many requests may be sent in any 60 seconds; below one, how much of a request.
    pub requests_per_minute: f64,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// Whether somebody sits and waits for what comes.
    pub attended: bool,
}

/// A place among the requests under way.
pub struct Slot(Passage);

/// How long it takes to get an answer, and to do with it what is to be done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rhythm {
    /// From the request until the answer is parsed, when the service is not kept busy by others of ours.
    pub exchange: Duration,
    /// To take the answer.
    pub taking: Duration,
}

impl Rhythm {
    /// Records how long a round trip took. The shortest recent one counts: concurrent requests slow each other down, and
    /// measuring that slowdown would make us send even more.
    pub fn exchanged(&mut self, took: Duration) {
        let known = if self.exchange.is_zero() { took } else { self.exchange + self.exchange / 64 };
        self.exchange = took.min(known);
    }

    /// Takes note of how long it took to take an answer: an eighth of what is known is what the last one told.
    pub fn taken(&mut self, took: Duration) {
        let known = if self.taking.is_zero() { took } else { self.taking };
        self.taking = (known * 7 + took) / 8;
    }
}

/// A pause of this length or more is told to people.
const LONG_WAIT: Duration = Duration::from_secs(5);

/// How many tokens may die, one after the other, before one request is answered.
const MOST_DEAD_TOKENS: u32 = 5;

/// What came of a request.
#[derive(Debug)]
pub struct Answer<T> {
    /// What the parser made of the body.
    pub value: T,
    /// The limit that was asked with in the end: halved where the service could not serve more.
    pub limit: Option<u32>,
    /// How long it took to get and parse.
    pub took: Duration,
}

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
    origin: Origin,
    service: Arc<Service>,
    tokens: Tokens,
    gate: Arc<Gate>,
    throttle: Throttle,
    attended: bool,
}

impl Client {
    /// A client of `api` that sends nothing yet.
    pub fn new(api: Api, clock: Clock) -> Result<Self, Error> {
        Self::within(Limits::USUAL, api, clock)
    }

    /// A client that keeps to `limits`.
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

    /// How many requests it takes under way to use all of the quota, or to keep busy who takes the answers; never more than may be.
    pub fn useful(&self, rhythm: Rhythm) -> usize {
        self.0.throttle.useful(rhythm).min(self.0.gate.requests())
    }

    /// Returns a place for one more request when fewer are under way than are useful.
    pub async fn spare(&self, rhythm: Rhythm) -> Slot {
        self.0.throttle.pause_over(&|_| ()).await;
        Slot(self.0.gate.enter_below(|| self.useful(rhythm)).await)
    }

    /// Fetches what `parse` makes of a body, asking again as the retry table says; `watch` is told of every wait. Without
    /// a `place` of its own the request gets in line for one.
    ///
    /// A body that `parse` finds malformed is asked for again.
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
                // What refuses a token that was just given out refuses more than the token.
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

    /// Returns when a request may be sent.
    ///
    /// The quota comes last: a request that it let through and that then waited for something else would reach the
    /// service together with later ones. So a request holds its place among those under way while it waits for the
    /// quota, which costs nothing, since all others wait for it too. It gets none during a pause that is already in
    /// force, and holds none between attempts.
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

    /// Asks for a token on behalf of an API client.
    pub async fn grant(&self, client: &Registration, grant: &Grant<'_>) -> Result<Issued, Error> {
        self.0.tokens.grant(client, grant).await
    }

    /// Goes on with the access token that it has, whatever becomes of that.
    pub async fn stay(&self) {
        self.0.tokens.stay().await;
    }

    /// Returns when no new token is on its way to where it is kept.
    pub async fn tokens_stored(&self) {
        self.0.tokens.tokens_stored().await;
    }

    /// Asks nothing more in this run: the account refuses what would open it.
    pub async fn end(&self, why: &Error) {
        self.0.tokens.end(why).await;
    }

    /// Why the account cannot be asked any more in this run, if it came to that.
    pub async fn ended(&self) -> Option<Error> {
        self.0.tokens.ended().await
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
