//! What goes wrong, and when: a script of rules, each a fault for certain requests.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// One way in which an answer goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Another answer altogether.
    Status {
        /// Its HTTP status.
        code: u16,
        /// Its headers: names and values.
        headers: Vec<(String, String)>,
        /// Its body.
        body: String,
    },
    /// The connection is reset without an answer.
    Reset,
    /// The connection breaks in the middle of the right answer's body.
    TruncatedBody,
    /// A page for people with status 200.
    Html200,
    /// Status 200 and nothing else.
    EmptyBody,
    /// The right answer after this long.
    Stall(Duration),
}

impl Fault {
    /// An answer of `code` with neither headers nor a body of its own.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: String::new() }
    }
}

/// A fault and the requests that meet it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    path: Option<String>,
    requests: RangeInclusive<u64>,
    fault: Fault,
}

impl Rule {
    /// `fault` for these of all requests, counted from 1.
    pub fn of_all(requests: RangeInclusive<u64>, fault: Fault) -> Self {
        Self { path: None, requests, fault }
    }

    /// `fault` for these of the requests to `path` below `/api/v2/chat/`, counted from 1.
    pub fn of_path(path: &str, requests: RangeInclusive<u64>, fault: Fault) -> Self {
        Self { path: Some(path.to_owned()), requests, fault }
    }
}

/// The script under way: which requests have come.
pub struct Script {
    rules: Vec<Rule>,
    all: u64,
    by_path: HashMap<String, u64>,
}

impl Script {
    /// The script of `rules`; the first one that applies wins.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules, all: 0, by_path: HashMap::new() }
    }

    /// The fault that the next request, to `path`, meets.
    pub fn next(&mut self, path: &str) -> Option<Fault> {
        if self.rules.is_empty() {
            return None;
        }
        self.all += 1;
        let of_path = self.by_path.entry(path.to_owned()).or_default();
        *of_path += 1;
        let applies = |rule: &&Rule| match &rule.path {
            Some(wanted) => wanted == path && rule.requests.contains(of_path),
            None => rule.requests.contains(&self.all),
        };
        self.rules.iter().find(applies).map(|rule| rule.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_count_all_requests_or_those_of_a_path() {
        let mut script =
            Script::new(vec![Rule::of_all(2..=2, Fault::Reset), Rule::of_path("bans", 2..=u64::MAX, Fault::EmptyBody)]);
        assert_eq!(script.next("bans"), None);
        assert_eq!(script.next("agents"), Some(Fault::Reset));
        assert_eq!(script.next("bans"), Some(Fault::EmptyBody));
        assert_eq!(script.next("agents"), None);
        assert_eq!(script.next("bans"), Some(Fault::EmptyBody));
    }

    #[test]
    fn the_first_rule_that_applies_wins() {
        let mut script =
            Script::new(vec![Rule::of_path("bans", 1..=1, Fault::Reset), Rule::of_all(1..=1, Fault::EmptyBody)]);
        assert_eq!(script.next("bans"), Some(Fault::Reset));
    }
}
