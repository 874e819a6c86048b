//! What to do after a failed exchange: one table of actions, and the limits of the retries.

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

/// The longest total time of a request's failed exchanges and the back-off between them.
const PATIENCE: Duration = Duration::from_mins(10);

/// The words for a number of failures, from two on.
const TIMES: [&str; AGAIN] = ["twice", "three times", "four times", "five times", "six times", "seven times"];

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The service answered with a status other than success.
    Refused {
        /// The status, and what the service said about it.
        refusal: Refusal,
        /// The pause that the service asked for.
        retry_after: Option<Duration>,
    },
    /// There is no such host, or no secure connection to it. This seldom passes by itself.
    Unconnected {
        /// What happened, in the past tense.
        what: String,
        /// The network's own error message.
        why: String,
    },
    /// The connection could not be made, or it broke or fell silent before the whole response had arrived.
    Broken {
        /// What happened, in the past tense.
        what: String,
        /// The network's own error message.
        why: String,
    },
    /// The response arrived whole but cannot be read, for this reason.
    Unreadable(String),
    /// The response is larger than this many bytes.
    TooLarge(usize),
    /// The response did not end within this time.
    TooSlow(Duration),
}

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send the request again, after a back-off or after exactly the pause that the service asked for.
    Again(Option<Duration>),
    /// Send the request again at once, with this smaller limit on its records.
    Smaller(u32),
    /// Send the request again at once with another access token, if there is one.
    Renew,
    /// Give up.
    Fail(Kind),
}

impl Fault {
    /// The table: what to do about this fault of a request for at most `limit` records.
    pub fn action(&self, limit: Option<u32>) -> Action {
        match self {
            Self::TooLarge(_) | Self::TooSlow(_) => match limit {
                Some(limit) if limit > 1 => Action::Smaller(limit / 2),
                _ => Action::Again(None),
            },
            Self::Unconnected { .. } | Self::Broken { .. } | Self::Unreadable(_) => Action::Again(None),
            Self::Refused { refusal, retry_after } => match (refusal.status, *retry_after) {
                (408 | 410 | 429 | 500..=599, Some(pause)) if pause > LONGEST_PAUSE => Action::Fail(Kind::RateLimited),
                (408 | 410 | 429 | 500..=599, pause) => Action::Again(pause),
                (401, _) => Action::Renew,
                (403, _) => Action::Fail(Kind::Forbidden),
                (404, _) => Action::Fail(Kind::NotFound),
                (status, _) => Action::Fail(Kind::Refused { status }),
            },
        }
    }

    /// Whether the service refused the request because there were too many (429).
    pub fn is_over_the_limit(&self) -> bool {
        matches!(self, Self::Refused { refusal, .. } if refusal.status == 429)
    }

    /// The kind of error that this fault becomes when the retries are used up.
    pub fn kind_at_last(&self) -> Kind {
        match self {
            Self::Unconnected { .. } => Kind::Unconnected,
            _ if self.is_over_the_limit() => Kind::RateLimited,
            _ => Kind::Unreachable,
        }
    }
}

impl fmt::Display for Fault {
    /// What happened, phrased so that "seven times" can follow. The reason is the cause of the error.
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
            Self::Unconnected { what, .. } | Self::Broken { what, .. } => formatter.write_str(what),
            Self::Unreadable(_) => formatter.write_str("the service gave an answer that cannot be read"),
            Self::TooLarge(bytes) => write!(formatter, "the service's answer was larger than {bytes} bytes"),
            Self::TooSlow(time) => write!(formatter, "the service's answer did not end within {} s", time.as_secs()),
        }
    }
}

/// How many retries one request has left, and for how long.
pub struct Patience {
    /// Whether a user is waiting, who can correct a wrong host name sooner than it becomes right by itself.
    attended: bool,
    delays: ExponentialBackoff,
    spent: Duration,
    /// How many faults were followed by a retry.
    earlier: usize,
    /// The text of those faults, if it was the same for all.
    always: Option<String>,
}

impl Patience {
    /// A request that has all its retries left.
    pub fn new(attended: bool) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(Duration::from_secs(1))
            .with_factor(2.0)
            .with_max_delay(Duration::from_mins(1))
            .with_jitter()
            .with_max_times(AGAIN)
            .build();
        Self { attended, delays, spent: Duration::ZERO, earlier: 0, always: None }
    }

    /// How long to wait after a fault whose exchange lasted `took`; none if no retry is left.
    pub fn wait(&mut self, fault: &Fault, pause: Option<Duration>, took: Duration) -> Option<Duration> {
        if self.attended && matches!(fault, Fault::Unconnected { .. }) {
            return None;
        }
        self.spent += took;
        let back_off = self.delays.next()?;
        // A pause that the service asked for uses up a retry, but its length does not count towards the time limit.
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

    /// The error of `kind` for a request of `path` that ended with this fault.
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
            Fault::Unconnected { why, .. } | Fault::Broken { why, .. } | Fault::Unreadable(why) => error.because(why),
            Fault::TooLarge(_) | Fault::TooSlow(_) => error,
        }
    }
}

/// The service's time of day when it sent this response.
pub fn server_time(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    headers.get(DATE).and_then(http_date)
}

/// The pause that a response asks for. A date is compared with the response's own, or with `now` if it has none.
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?;
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number of seconds that does not fit is as good as infinite.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let pause = http_date(value)? - server_time(headers).unwrap_or(now);
    // A time that has passed is a pause of zero.
    Some(pause.to_std().unwrap_or_default())
}

/// The time in an HTTP date.
fn http_date(value: &HeaderValue) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(value.to_str().ok()?.trim()).ok().map(|moment| moment.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<u64>) -> Fault {
        let refusal = Refusal { status, html: false, said: None };
        Fault::Refused { refusal, retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn every_status_has_its_row() {
        for status in [408, 410, 429, 500, 501, 502, 503, 504, 520, 599] {
            assert_eq!(refused(status, None).action(Some(10)), Action::Again(None), "{status}");
            assert_eq!(refused(status, Some(900)).action(None), Action::Again(Some(LONGEST_PAUSE)), "{status}");
            assert_eq!(refused(status, Some(901)).action(None), Action::Fail(Kind::RateLimited), "{status}");
        }
        assert_eq!(refused(401, Some(1)).action(Some(10)), Action::Renew);
        let kinds = [(403, Kind::Forbidden), (404, Kind::NotFound)];
        for (status, kind) in kinds {
            assert_eq!(refused(status, Some(1)).action(None), Action::Fail(kind));
        }
        for status in [300, 301, 302, 304, 307, 308, 400, 402, 405, 406, 409, 411, 413, 422, 451, 499] {
            assert_eq!(refused(status, Some(1)).action(Some(10)), Action::Fail(Kind::Refused { status }));
        }
    }

    #[test]
    fn whatever_the_network_does_is_tried_again() {
        let broken = Fault::Broken { what: "the connection broke".to_owned(), why: "reset".to_owned() };
        for fault in [broken, Fault::Unreadable("it is empty".to_owned())] {
            assert_eq!(fault.action(Some(1000)), Action::Again(None));
            assert_eq!(fault.kind_at_last(), Kind::Unreachable);
        }
    }

    #[test]
    fn what_is_too_much_is_asked_for_in_smaller_pieces_down_to_one() {
        for fault in [Fault::TooLarge(1), Fault::TooSlow(PATIENCE)] {
            assert_eq!(fault.action(Some(1000)), Action::Smaller(500));
            assert_eq!(fault.action(Some(3)), Action::Smaller(1));
            assert_eq!(fault.action(Some(2)), Action::Smaller(1));
            for limit in [Some(1), Some(0), None] {
                assert_eq!(fault.action(limit), Action::Again(None));
            }
        }
    }

    #[test]
    fn back_off_doubles_with_jitter_and_ends_after_six() {
        for _ in 0..100 {
            let mut patience = Patience::new(false);
            for attempt in 0..6 {
                let delay = patience.wait(&refused(503, None), None, Duration::ZERO).unwrap();
                let least = Duration::from_secs(1 << attempt);
                assert!((least..=least * 2).contains(&delay), "{attempt}: {delay:?}");
            }
            assert_eq!(patience.wait(&refused(503, None), None, Duration::ZERO), None);
        }
    }

    #[test]
    fn a_pause_is_obeyed_exactly_but_takes_an_attempt() {
        let mut patience = Patience::new(false);
        for seconds in [0, 1, 900, 900, 900, 0] {
            let pause = Some(Duration::from_secs(seconds));
            assert_eq!(patience.wait(&refused(429, Some(seconds)), pause, Duration::ZERO), pause);
        }
        assert_eq!(patience.wait(&refused(429, Some(0)), Some(Duration::ZERO), Duration::ZERO), None);
    }

    #[test]
    fn patience_ends_after_ten_minutes() {
        let mut patience = Patience::new(false);
        let fault = Fault::TooSlow(Duration::from_mins(5));
        assert!(patience.wait(&fault, None, Duration::from_mins(5)).is_some());
        assert_eq!(patience.wait(&fault, None, Duration::from_mins(5)), None);
        let error = patience.give_up("bans", fault, Kind::Unreachable);
        assert_eq!(error.to_string(), "bans: the service's answer did not end within 300 s twice");
    }

    #[test]
    fn a_failure_says_what_happened_and_how_often() {
        let mut patience = Patience::new(false);
        let give_up = |patience: &Patience| patience.give_up("bans", refused(503, None), Kind::Unreachable).to_string();
        assert_eq!(give_up(&patience), "bans: the service answered 503 (Service Unavailable): it gave no reason");
        for times in TIMES {
            patience.wait(&refused(503, None), None, Duration::ZERO);
            let expected = format!("bans: the service answered 503 (Service Unavailable) {times}: it gave no reason");
            assert_eq!(give_up(&patience), expected);
        }

        let mut patience = Patience::new(false);
        for status in [503, 502, 503] {
            patience.wait(&refused(status, None), None, Duration::ZERO);
        }
        let expected =
            "bans: the service answered 503 (Service Unavailable), after 3 earlier failures: it gave no reason";
        assert_eq!(give_up(&patience), expected);
    }

    #[test]
    fn a_pause_is_read_in_all_its_forms() {
        let now = http_date(&HeaderValue::from_static("Sun, 01 Mar 2026 12:00:00 GMT")).unwrap();
        let pause = |headers: &[(reqwest::header::HeaderName, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            retry_after(&headers.collect(), now)
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pause(&[]), None);
        assert_eq!(pause(&[(RETRY_AFTER, "0")]), seconds(0));
        assert_eq!(pause(&[(RETRY_AFTER, " 17 ")]), seconds(17));
        assert_eq!(pause(&[(RETRY_AFTER, "99999999999999999999999")]), seconds(u64::MAX));
        for garbage in ["", "soon", "-1", "+1", "1.5", "1e3", "Sun, 99 Mar 2026 12:00:00 GMT", "\u{e9}"] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_bytes(garbage.as_bytes()).unwrap());
            assert_eq!(retry_after(&headers, now), None, "{garbage}");
        }
        // A date is compared with our clock only if the response has no date of its own.
        assert_eq!(pause(&[(RETRY_AFTER, "Sun, 01 Mar 2026 12:00:30 GMT")]), seconds(30));
        assert_eq!(pause(&[(RETRY_AFTER, "Sun, 01 Mar 2026 11:00:00 GMT")]), seconds(0));
        let ahead = (DATE, "Sun, 01 Mar 2026 12:59:50 GMT");
        assert_eq!(pause(&[(RETRY_AFTER, "Sun, 01 Mar 2026 13:00:00 GMT"), ahead]), seconds(10));
        let garbage = (DATE, "yesterday");
        assert_eq!(pause(&[(RETRY_AFTER, "Sun, 01 Mar 2026 12:00:30 GMT"), garbage]), seconds(30));
    }
}
