//! The rate limit, counted exactly over the last sixty seconds, and the log of requests.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The period over which the rate limit counts requests.
const WINDOW: Duration = Duration::from_mins(1);

/// The number of requests that the log keeps; a sandbox may run for weeks.
const REMEMBERED: usize = 100_000;

/// Counts requests and refuses those over the limit.
pub struct Gate {
    limit: Option<u32>,
    allowed: VecDeque<Instant>,
    arrived: VecDeque<Instant>,
    peak: usize,
    refused: u64,
}

/// The refusal of a request over the limit.
pub struct TooMany {
    /// How long until the next request is allowed.
    pub wait: Duration,
    /// How many requests were refused before.
    pub before: u64,
}

impl Gate {
    /// A gate that allows `limit` requests a minute, or any number if `None`.
    pub fn new(limit: Option<u32>) -> Self {
        Self { limit, allowed: VecDeque::new(), arrived: VecDeque::new(), peak: 0, refused: 0 }
    }

    /// Counts a request that arrives at `now`; a refused request does not use up quota.
    pub fn arrive(&mut self, now: Instant) -> Result<(), TooMany> {
        forget(&mut self.arrived, now);
        self.arrived.push_back(now);
        self.peak = self.peak.max(self.arrived.len());
        let Some(limit) = self.limit else { return Ok(()) };
        forget(&mut self.allowed, now);
        if self.allowed.len() < limit as usize {
            self.allowed.push_back(now);
            return Ok(());
        }
        let wait = self.allowed.front().map_or(WINDOW, |first| (*first + WINDOW).duration_since(now));
        let before = self.refused;
        self.refused += 1;
        Err(TooMany { wait, before })
    }

    /// The most requests, refused ones included, that arrived within any sixty seconds.
    pub fn peak(&self) -> usize {
        self.peak
    }
}

/// Removes the arrivals of a minute ago or earlier.
fn forget(arrivals: &mut VecDeque<Instant>, now: Instant) {
    while arrivals.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
        arrivals.pop_front();
    }
}

/// One request and the status of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The path, percent-encoded as received.
    pub path: String,
    /// The query, percent-encoded as received; empty if there was none.
    pub query: String,
    /// The status of the answer; `None` if there was no answer, or not yet.
    pub status: Option<u16>,
}

/// The requests in the order of arrival.
#[derive(Default)]
pub struct Log {
    requests: VecDeque<Logged>,
    forgotten: usize,
}

impl Log {
    /// Logs a request and returns its number, by which its answer is logged.
    pub fn ask(&mut self, path: &str, query: &str) -> usize {
        if self.requests.len() == REMEMBERED {
            self.requests.pop_front();
            self.forgotten += 1;
        }
        self.requests.push_back(Logged { path: path.to_owned(), query: query.to_owned(), status: None });
        self.forgotten + self.requests.len() - 1
    }

    /// Logs the status of the answer to request `number`.
    pub fn answer(&mut self, number: usize, status: u16) {
        let logged = number.checked_sub(self.forgotten).and_then(|place| self.requests.get_mut(place));
        if let Some(logged) = logged {
            logged.status = Some(status);
        }
    }

    /// The logged requests.
    pub fn requests(&self) -> Vec<Logged> {
        self.requests.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_sixty_seconds_let_more_than_the_limit_through() {
        let mut gate = Gate::new(Some(3));
        let start = Instant::now();
        let arrive = |gate: &mut Gate, seconds| gate.arrive(start + Duration::from_secs(seconds)).map_err(|e| e.wait);
        assert_eq!(arrive(&mut gate, 0), Ok(()));
        assert_eq!(arrive(&mut gate, 10), Ok(()));
        assert_eq!(arrive(&mut gate, 20), Ok(()));
        assert_eq!(arrive(&mut gate, 59), Err(Duration::from_secs(1)));
        assert_eq!(arrive(&mut gate, 60), Ok(()));
        assert_eq!(arrive(&mut gate, 61), Err(Duration::from_secs(9)));
        assert_eq!(gate.peak(), 5);
    }

    #[test]
    fn the_log_keeps_the_order_of_arrival() {
        let mut log = Log::default();
        let first = log.ask("/a", "");
        let second = log.ask("/b", "x=1");
        log.answer(second, 200);
        assert_eq!(log.requests()[first].status, None);
        assert_eq!(log.requests()[second], Logged { path: "/b".into(), query: "x=1".into(), status: Some(200) });
    }
}
