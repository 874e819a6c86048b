//! What a sandbox holds and how it behaves: wherever the real service's behaviour is not known, it plays both.

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use super::data::{BulkEdit, Holdings, Late};
use super::faults::Rule;
use crate::clock::Clock;

/// The access token that a sandbox knows unless it is told another one.
pub const DEFAULT_TOKEN: &str = "sandbox-token";

/// The ID of the API client that must not sign in by itself.
pub const PUBLIC_CLIENT: &str = "sandbox-client";

/// The ID of the API client that may.
pub const CONFIDENTIAL_CLIENT: &str = "sandbox-confidential";

/// The secret of both.
pub const CLIENT_SECRET: &str = "sandbox-secret";

/// Requests a minute that the real service allows.
pub const REQUESTS_PER_MINUTE: u32 = 200;

/// Everything that can be said about a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// The access token that is accepted.
    pub token: String,
    /// The account's time of day.
    pub clock: Clock,
    /// What the account holds.
    pub holdings: Holdings,
    /// How the service answers.
    pub behaviour: Behaviour,
    /// How people and programs sign in.
    pub sign_in: SignIn,
    /// What goes wrong, and when.
    pub faults: Vec<Rule>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            token: DEFAULT_TOKEN.to_owned(),
            clock: Clock::system(),
            holdings: Holdings::default(),
            behaviour: Behaviour::default(),
            sign_in: SignIn::default(),
            faults: Vec::new(),
        }
    }
}

/// Whether the record that stands exactly at the position asked for is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It is.
    Inclusive,
    /// It is not.
    Exclusive,
}

/// Where the service refuses a `start_time` of less than five minutes ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FiveMinuteRule {
    /// In each request.
    Always,
    /// Only where a walk begins: not with a `start_id`, and not at the position that the last page gave.
    First,
    /// Nowhere.
    Off,
}

/// Which `end_id` and `start_id` an export's envelope has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ids {
    /// Both, as chats have them.
    Told,
    /// None.
    Untold,
    /// Both, but none on a page that holds less than it might.
    FullPages,
}

/// What `agent_timeline` is ordered by, and what its positions mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimelineOrder {
    /// The spans' starts.
    Start,
    /// The spans' ends.
    End,
}

/// How a page of bans is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BansLimit {
    /// Both arrays together hold `limit` bans.
    Shared,
    /// Each array holds up to `limit` bans.
    PerArray,
}

/// Why the service refuses a request whatever its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 403 on these paths below `/api/v2/chat/`.
    Forbidden(Vec<String>),
    /// 404 on these paths below `/api/v2/chat/`.
    Missing(Vec<String>),
    /// 403 everywhere: the token's owner has not the role.
    MissingRole,
    /// 404 everywhere, with the error as text: the account has no Chat.
    NoChat,
    /// 404 everywhere, with the error as an object: the account has no Chat.
    NoChatObject,
    /// 404 everywhere: there is no such subdomain.
    WrongSubdomain,
    /// 404 everywhere, as a page for people: there is no such host.
    UnknownHost,
}

/// How the service answers. The default is what is known of the real one.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a behaviour of its own")]
pub struct Behaviour {
    /// Requests allowed in any sixty seconds; none where there is no limit.
    pub requests_per_minute: Option<u32>,
    /// Whether a 429 says how long to wait.
    pub retry_after: bool,
    /// How long each request waits before it is answered.
    pub latency: Duration,
    /// Whether bodies are compressed for those who accept it.
    pub gzip: bool,
    /// The host of `next_page`, such as `https://www.zopim.com`; the sandbox's own where not given.
    pub next_page_base: Option<String>,
    /// The most records a page holds, whatever limit is asked for.
    pub page_cap: Option<usize>,
    /// From this moment on each request finds one new record.
    pub trickle_since: Option<DateTime<Utc>>,
    /// The bound of a position with an id.
    pub bound_with_id: Bound,
    /// The bound of a position without an id.
    pub bound_without_id: Bound,
    /// The bound of a position in `agent_timeline`.
    pub timeline_bound: Bound,
    /// The ids in the envelopes of chats, conversions and department events.
    pub chat_ids: Ids,
    /// Whether `next_page` is null on the page behind which nothing is known yet.
    pub null_next_page: bool,
    /// The longest stretch of time that a page goes over: one without records leads on to its end.
    pub page_span: Option<Duration>,
    /// Whether what is told of the position behind a page counts in another unit than a position that is asked for:
    /// microseconds instead of seconds, and the other way round.
    pub foreign_times: bool,
    /// The ids in the envelope of `agent_timeline`.
    pub timeline_ids: Ids,
    /// The order of `agent_timeline`.
    pub timeline_order: TimelineOrder,
    /// The ids in the envelope of `agent_events`.
    pub agent_events_ids: Ids,
    /// Where a recent `start_time` is refused.
    pub five_minute_rule: FiveMinuteRule,
    /// How a page of bans is limited.
    pub bans_limit: BansLimit,
    /// Whether an empty array of bans is left out.
    pub omit_empty_bans: bool,
    /// Why requests are refused.
    pub refusal: Option<Refusal>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            requests_per_minute: Some(REQUESTS_PER_MINUTE),
            retry_after: true,
            latency: Duration::ZERO,
            gzip: false,
            next_page_base: None,
            page_cap: None,
            trickle_since: None,
            bound_with_id: Bound::Exclusive,
            bound_without_id: Bound::Inclusive,
            timeline_bound: Bound::Inclusive,
            chat_ids: Ids::Told,
            null_next_page: false,
            page_span: None,
            foreign_times: false,
            timeline_ids: Ids::Untold,
            timeline_order: TimelineOrder::Start,
            agent_events_ids: Ids::Told,
            five_minute_rule: FiveMinuteRule::Always,
            bans_limit: BansLimit::Shared,
            omit_empty_bans: false,
            refusal: None,
        }
    }
}

/// How people and programs sign in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The API clients that are registered.
    pub clients: Vec<ApiClient>,
    /// How long an access token lives; for ever where not given.
    pub token_life: Option<Duration>,
    /// How many requests an access token opens; any number where not given.
    pub token_requests: Option<u32>,
    /// When an answer says how long an access token lives.
    pub announce_life: AnnounceLife,
    /// How long a code can be exchanged.
    pub code_life: Duration,
    /// Which refresh tokens come with access tokens.
    pub refresh_tokens: RefreshTokens,
    /// Whether a code can be exchanged only by who has the verifier that it was announced with.
    pub pkce: bool,
}

impl Default for SignIn {
    fn default() -> Self {
        let client =
            |id: &str, confidential| ApiClient { id: id.to_owned(), secret: CLIENT_SECRET.to_owned(), confidential };
        Self {
            clients: vec![client(PUBLIC_CLIENT, false), client(CONFIDENTIAL_CLIENT, true)],
            token_life: None,
            token_requests: None,
            announce_life: AnnounceLife::WhenAsked,
            code_life: Duration::from_mins(2),
            refresh_tokens: RefreshTokens::SingleUse,
            pkce: true,
        }
    }
}

/// An API client. Its redirect URLs are those of this machine, `http://localhost` with any port.
#[derive(Debug, Clone)]
pub struct ApiClient {
    /// Its public name.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Whether it may sign in by itself, and must always prove who it is.
    pub confidential: bool,
}

/// When an answer says how long an access token lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AnnounceLife {
    /// Each time.
    Always,
    /// Where the request names a life.
    WhenAsked,
    /// At no time.
    Never,
}

/// Which refresh tokens come with access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RefreshTokens {
    /// Each works once, and takes the tokens that came with it along.
    SingleUse,
    /// One that works each time.
    Lasting,
    /// None.
    None,
}
