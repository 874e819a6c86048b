//! What is done about an exchange that brought no page: one table, and the patience it draws on.

use std::fmt;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::Refusal;
use crate::error::{Error, Kind};

/// The longest pause that a run waits out when the service asks for it.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// How often a failed request is sent again.
const AGAIN: usize = 6;

/// How long a request's failed exchanges and the back-off between them may last together.
const PATIENCE: Duration = Duration::from_mins(10);

/// How a number of failures is told.
const TIMES: [&str; AGAIN] = ["twice", "three times", "four times", "five times", "six times", "seven times"];

/// Why an exchange brought no page.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The service answered with another status than success.
    Refused {
        /// What it answered.
        refusal: Refusal,
        /// The pause it asked for.
        retry_after: Option<Duration>,
    },
    /// The connection was not made, or broke before the whole answer had come.
    Broken {
        /// What happened, in the past tense.
        what: String,
        /// What the network said.
        why: String,
    },
    /// A whole answer came that cannot be read, and why.
    Unreadable(String),
    /// The answer is larger than this many bytes.
    TooLarge(usize),
    /// The answer did not end within this time.
    TooSlow(Duration),
}

/// What is to be done about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ask again, after a back-off or after exactly the pause that the service asked for.
    Again(Option<Duration>),
    /// Ask again at once, for at most so many records.
    Smaller(u32),
    /// Give up.
    Fail(Kind),
}

impl Fault {
    /// The table: what is to be done about this fault of a request that asked for at most `limit` records.
    pub fn action(&self, limit: Option<u32>) -> Action {
        match self {
            Self::TooLarge(_) | Self::TooSlow(_) => match limit {
                Some(limit) if limit > 1 => Action::Smaller(limit / 2),
                _ => Action::Again(None),
            },
            Self::Broken { .. } | Self::Unreadable(_) => Action::Again(None),
            Self::Refused { refusal, retry_after } => match (refusal.status, *retry_after) {
                (408 | 410 | 429 | 500..=599, Some(pause)) if pause > LONGEST_PAUSE => Action::Fail(Kind::RateLimited),
                (408 | 410 | 429 | 500..=599, pause) => Action::Again(pause),
                (401, _) => Action::Fail(Kind::Unauthorized),
                (403, _) => Action::Fail(Kind::Forbidden),
                (404, _) => Action::Fail(Kind::NotFound),
                (status, _) => Action::Fail(Kind::Refused { status }),
            },
        }
    }

    /// Whether the service refused because too much was asked of it.
    pub fn is_over_the_limit(&self) -> bool {
        matches!(self, Self::Refused { refusal, .. } if refusal.status == 429)
    }

    /// The kind of failure that this fault is when it does not pass.
    pub fn kind_at_last(&self) -> Kind {
        if self.is_over_the_limit() { Kind::RateLimited } else { Kind::Unreachable }
    }
}

impl fmt::Display for Fault {
    /// What happened, so that "seven times" can follow; why it happened is the error's cause.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { refusal, retry_after } => {
                write!(formatter, "the service answered {}", refusal.status)?;
                if let Some(reason) = StatusCode::from_u16(refusal.status).ok().and_then(|code| code.canonical_reason())
                {
                    write!(formatter, " ({reason})")?;
                }
                match retry_after {
                    Some(pause) if *pause > LONGEST_PAUSE => {
                        write!(formatter, " and asked for a pause of {} s, longer than a run waits", pause.as_secs())
                    }
                    _ => Ok(()),
                }
            }
            Self::Broken { what, .. } => formatter.write_str(what),
            Self::Unreadable(_) => formatter.write_str("the service gave an answer that cannot be read"),
            Self::TooLarge(bytes) => write!(formatter, "the service's answer was larger than {bytes} bytes"),
            Self::TooSlow(time) => write!(formatter, "the service's answer did not end within {} s", time.as_secs()),
        }
    }
}

/// How much longer one request is tried.
pub struct Patience {
    delays: ExponentialBackoff,
    spent: Duration,
    /// How many faults were waited out.
    earlier: usize,
    /// What they were, as long as they were all the same.
    always: Option<String>,
}

impl Patience {
    /// Full patience.
    pub fn new() -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_secs(1))
            .with_factor(2.0)
            .with_max_delay(Duration::from_mins(1))
            .with_jitter()
            .with_max_times(AGAIN)
            .build();
        Self { delays, spent: Duration::ZERO, earlier: 0, always: None }
    }

    /// How long to wait after a fault that came after `took`, if there is to be another attempt.
    pub fn wait(&mut self, fault: &Fault, pause: Option<Duration>, took: Duration) -> Option<Duration> {
        self.spent += took;
        let back_off = self.delays.next()?;
        // A pause that the service asked for takes an attempt, but it is no failing and costs no patience.
        if pause.is_none() {
            self.spent += back_off;
            if self.spent > PATIENCE {
                return None;
            }
        }
        let what = fault.to_string();
        self.always = if self.earlier == 0 { Some(what) } else { self.always.take().filter(|always| *always == what) };
        self.earlier += 1;
        Some(pause.unwrap_or(back_off))
    }

    /// The failure of `kind` that the last fault of the request of `path` is.
    pub fn give_up(&self, path: &str, fault: Fault, kind: Kind) -> Error {
        let what = fault.to_string();
        let often = match self.earlier.checked_sub(1).and_then(|index| TIMES.get(index)) {
            None => String::new(),
            Some(times) if self.always.as_ref() == Some(&what) => format!(" {times}"),
            Some(_) => format!(", after {} earlier failures", self.earlier),
        };
        let error = Error::new(kind, format!("{path}: {what}{often}"));
        match fault {
            Fault::Refused { refusal, .. } => error.because(refusal),
            Fault::Broken { why, .. } | Fault::Unreadable(why) => error.because(why),
            Fault::TooLarge(_) | Fault::TooSlow(_) => error,
        }
    }
}

/// The time of day at the service when it gave this answer.
pub fn server_time(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    headers.get(DATE).and_then(http_date)
}

/// The pause that an answer asks for; a date is judged by the answer's own, else by `now`.
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are as good as for ever.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let pause = http_date(value)? - server_time(headers).unwrap_or(now);
    // A moment that has passed asks for no pause.
    Some(pause.to_std().unwrap_or_default())
}

/// The moment that an HTTP date names.
fn http_date(value: &HeaderValue) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(value.to_str().ok()?.trim()).ok().map(|moment| moment.to_utc())
}
