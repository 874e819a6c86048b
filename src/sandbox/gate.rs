//! The rate limit, counted exactly over the last sixty seconds, and what was asked.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What the rate limit is counted over.
const WINDOW: Duration = Duration::from_mins(1);

/// Requests that the log remembers; a sandbox may stand for weeks.
const REMEMBERED: usize = 100_000;

/// Counts requests and says which ones are too many.
pub struct Gate {
    limit: Option<u32>,
    allowed: VecDeque<Instant>,
    arrived: VecDeque<Instant>,
    peak: usize,
    refused: u64,
}

/// A request that is one too many.
pub struct TooMany {
    /// How long until one more is allowed.
    pub wait: Duration,
    /// How many were refused before.
    pub before: u64,
}

impl Gate {
    /// A gate that lets `limit` requests a minute through, or all of them.
    pub fn new(limit: Option<u32>) -> Self {
        Self { limit, allowed: VecDeque::new(), arrived: VecDeque::new(), peak: 0, refused: 0 }
    }

    /// Counts a request that arrives `now`; a refused one does not use up the quota.
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

/// Forgets what arrived a minute ago or earlier.
fn forget(arrivals: &mut VecDeque<Instant>, now: Instant) {
    while arrivals.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
        arrivals.pop_front();
    }
}

/// One request as it was asked and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The path, percent-encoded as it came.
    pub path: String,
    /// The query, percent-encoded as it came; empty where there was none.
    pub query: String,
    /// The status of the answer; none where there was no answer, or none yet.
    pub status: Option<u16>,
}

/// What was asked, in the order of arrival.
#[derive(Default)]
pub struct Log {
    requests: VecDeque<Logged>,
    forgotten: usize,
}

impl Log {
    /// Notes a request and gives the number to answer it by.
    pub fn ask(&mut self, path: &str, query: &str) -> usize {
        if self.requests.len() == REMEMBERED {
            self.requests.pop_front();
            self.forgotten += 1;
        }
        self.requests.push_back(Logged { path: path.to_owned(), query: query.to_owned(), status: None });
        self.forgotten + self.requests.len() - 1
    }

    /// Notes how request `number` was answered.
    pub fn answer(&mut self, number: usize, status: u16) {
        let logged = number.checked_sub(self.forgotten).and_then(|place| self.requests.get_mut(place));
        if let Some(logged) = logged {
            logged.status = Some(status);
        }
    }

    /// The requests that are remembered.
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
