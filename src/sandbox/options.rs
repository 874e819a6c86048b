//! The data and the behaviour of a sandbox. Where the real service's behaviour is not known, the sandbox can simulate
//! each possibility.

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use super::data::{BulkEdit, Holdings, Late};
use super::faults::Rule;
use crate::clock::Clock;

/// The access token that a sandbox accepts unless another one is configured.
pub const DEFAULT_TOKEN: &str = "sandbox-token";

/// The ID of the public API client, which may not sign in with its own credentials.
pub const PUBLIC_CLIENT: &str = "sandbox-client";

/// The ID of the confidential API client, which may sign in with its own credentials.
pub const CONFIDENTIAL_CLIENT: &str = "sandbox-confidential";

/// The secret of both clients.
pub const CLIENT_SECRET: &str = "sandbox-secret";

/// The requests per minute that the real service allows.
pub const REQUESTS_PER_MINUTE: u32 = 200;

/// All settings of a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 for any free one.
    pub port: u16,
    /// The access token that is accepted.
    pub token: String,
    /// The account's clock.
    pub clock: Clock,
    /// What the account holds.
    pub holdings: Holdings,
    /// How the service answers.
    pub behaviour: Behaviour,
    /// How users and programs sign in.
    pub sign_in: SignIn,
    /// The faults, and the requests that meet them.
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

/// Whether the record exactly at the requested position is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It is sent.
    Inclusive,
    /// It is not sent.
    Exclusive,
}

/// When the service refuses a `start_time` of less than five minutes ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FiveMinuteRule {
    /// In every request.
    Always,
    /// Only at the beginning of a walk: not with a `start_id`, and not at the position where the last page ended.
    First,
    /// Never.
    Off,
}

/// Whether an export's envelope has an `end_id`, and its `next_page` a `start_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Ids {
    /// Both, as chats have them.
    Told,
    /// None.
    Untold,
    /// Both on full pages, none on others.
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

/// Why the service refuses a request regardless of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// 403 on these paths below `/api/v2/chat/`.
    Forbidden(Vec<String>),
    /// 404 on these paths below `/api/v2/chat/`.
    Missing(Vec<String>),
    /// 403 everywhere: the token's owner lacks the role.
    MissingRole,
    /// 404 everywhere, with the error as text: the account has no Chat.
    NoChat,
    /// 404 everywhere, with the error as an object: the account has no Chat.
    NoChatObject,
    /// 404 everywhere: there is no such subdomain.
    WrongSubdomain,
    /// 404 everywhere, as an HTML page: there is no such host.
    UnknownHost,
}

/// How the service answers. The default is what is known about the real service.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a behaviour of its own")]
pub struct Behaviour {
    /// Requests allowed in any sixty seconds; `None` for no limit.
    pub requests_per_minute: Option<u32>,
    /// Whether a 429 has a `Retry-After` header.
    pub retry_after: bool,
    /// How long each request waits before it is answered.
    pub latency: Duration,
    /// Whether bodies are compressed for clients that accept gzip.
    pub gzip: bool,
    /// The host of `next_page`, such as `https://www.zopim.com`; the sandbox's own if not given.
    pub next_page_base: Option<String>,
    /// The most records on a page, even if the request has a higher `limit`.
    pub page_cap: Option<usize>,
    /// From this moment on, each page ends after its first new record, as if one record appeared between two requests.
    pub trickle_since: Option<DateTime<Utc>>,
    /// The bound of a position with an id.
    pub bound_with_id: Bound,
    /// The bound of a position without an id.
    pub bound_without_id: Bound,
    /// The bound of a position in `agent_timeline`.
    pub timeline_bound: Bound,
    /// The ids in the envelopes of chats, conversions and department events.
    pub chat_ids: Ids,
    /// Whether `next_page` is null on the last page, after which there are no records yet.
    pub null_next_page: bool,
    /// The longest period that a page covers. Unless its limit cuts it short, the page ends at the end of that period,
    /// even without records.
    pub page_span: Option<Duration>,
    /// Whether `end_time` and `next_page` use another unit than a `start_time` in a request: microseconds instead of
    /// seconds, and vice versa.
    pub foreign_times: bool,
    /// The ids in the envelope of `agent_timeline`.
    pub timeline_ids: Ids,
    /// The order of `agent_timeline`.
    pub timeline_order: TimelineOrder,
    /// The ids in the envelope of `agent_events`.
    pub agent_events_ids: Ids,
    /// When a recent `start_time` is refused.
    pub five_minute_rule: FiveMinuteRule,
    /// How a page of bans is limited.
    pub bans_limit: BansLimit,
    /// Whether an empty array of bans is left out.
    pub omit_empty_bans: bool,
    /// Why requests are refused, if they are.
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

/// How users and programs sign in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The API clients that are registered.
    pub clients: Vec<ApiClient>,
    /// How long an access token is valid; forever if not given.
    pub token_life: Option<Duration>,
    /// How many requests an access token is valid for; any number if not given.
    pub token_requests: Option<u32>,
    /// When a token response says how long the access token is valid.
    pub announce_life: AnnounceLife,
    /// How long a code can be exchanged.
    pub code_life: Duration,
    /// Which refresh tokens come with access tokens.
    pub refresh_tokens: RefreshTokens,
    /// Whether PKCE is enforced: a code with a challenge can be exchanged only with the matching verifier.
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

/// An API client. Its redirect URL is `http://localhost` with any port.
#[derive(Debug, Clone)]
pub struct ApiClient {
    /// Its public ID.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Whether it may sign in with its own credentials, and must always send its secret.
    pub confidential: bool,
}

/// When a token response says how long the access token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AnnounceLife {
    /// In every response.
    Always,
    /// If the request has `expires_in`.
    WhenAsked,
    /// Never.
    Never,
}

/// Which refresh tokens come with access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RefreshTokens {
    /// Each works once; using it also revokes the access token issued with it.
    SingleUse,
    /// One that can be used any number of times.
    Lasting,
    /// None.
    None,
}
