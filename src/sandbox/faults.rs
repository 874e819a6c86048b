//! What goes wrong, and when: a script of rules, each with the requests that it applies to.

mod play;
mod rewrite;

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::data::Dice;

/// One way in which an answer goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A different answer.
    Status {
        /// Its HTTP status.
        code: u16,
        /// Its headers: names and values.
        headers: Vec<(String, String)>,
        /// Its body.
        body: String,
    },
    /// An HTML page with this status.
    Html(u16),
    /// Status 200 with an empty body.
    EmptyBody,
    /// The connection is reset without an answer.
    Reset,
    /// The connection is reset within the answer's head.
    ResetInHead,
    /// The connection is reset after the answer's head.
    ResetAfterHead,
    /// The connection ends in the middle of the correct answer's body.
    TruncatedBody,
    /// Half of the correct answer's body, with the content length of that half.
    HalfBody,
    /// The correct answer, compressed and then damaged.
    CorruptGzip,
    /// A small body that is about this many bytes long once it is decompressed.
    GzipBomb(u64),
    /// The correct answer after this delay.
    Stall(Duration),
    /// Half of the correct answer's body, and the rest after this delay.
    StallInBody(Duration),
    /// The correct answer to the previous request to the same path.
    Repeat,
    /// The correct answer to the request that should come next.
    Ahead,
    /// The correct records, with an end one unit before the requested `start_time`.
    Backwards,
    /// The correct answer with a `next_page` that begins with this.
    NextPageOn(String),
    /// The correct answer with line breaks and indents between all tokens.
    Pretty,
    /// The correct answer with these members added at the beginning of its first record, each followed by a comma.
    Extra(Vec<u8>),
}

impl Fault {
    /// An answer with status `code` and neither extra headers nor a body.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new(), body: String::new() }
    }

    /// An answer with status `code`, one header and a body.
    pub fn refusal(code: u16, header: (&str, &str), body: &str) -> Self {
        Self::Status { code, headers: vec![(header.0.to_owned(), header.1.to_owned())], body: body.to_owned() }
    }

    /// Every kind of temporary fault: a client that retries recovers within seconds, without losing or duplicating
    /// records.
    pub fn passing() -> Vec<Self> {
        let short = Duration::from_secs(2);
        let too_many = "Number of allowed API requests per minute exceeded";
        let mut faults = vec![Self::refusal(429, ("Retry-After", "1"), too_many)];
        faults.extend([408, 410, 429, 500, 502, 503, 504].map(Self::status));
        faults.extend([Self::Html(200), Self::Html(503), Self::EmptyBody]);
        faults.extend([Self::Reset, Self::ResetInHead, Self::ResetAfterHead, Self::TruncatedBody]);
        faults.extend([Self::HalfBody, Self::CorruptGzip, Self::Stall(short), Self::StallInBody(short)]);
        faults
    }
}

/// Which requests meet a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requests {
    /// Those with these numbers, counted from 1.
    Numbered(RangeInclusive<u64>),
    /// One request in `one_in` on average, chosen by `seed`.
    Share { one_in: u32, seed: u64 },
}

/// Faults, and the requests that meet one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    path: Option<String>,
    requests: Requests,
    faults: Vec<Fault>,
}

impl Rule {
    /// `fault` for all requests with these numbers, counted from 1.
    pub fn of_all(requests: RangeInclusive<u64>, fault: Fault) -> Self {
        Self { path: None, requests: Requests::Numbered(requests), faults: vec![fault] }
    }

    /// `fault` for the requests to `path` below `/api/v2/chat/` with these numbers, counted from 1 for that path.
    pub fn of_path(path: &str, requests: RangeInclusive<u64>, fault: Fault) -> Self {
        Self { path: Some(path.to_owned()), requests: Requests::Numbered(requests), faults: vec![fault] }
    }

    /// One of `faults` for one request in `one_in`; with the same seed, the same requests meet the same faults.
    pub fn of_share(one_in: u32, seed: u64, faults: Vec<Fault>) -> Self {
        Self { path: None, requests: Requests::Share { one_in, seed }, faults }
    }

    /// The fault that a request meets by this rule; `of_all` is its number among all requests, `of_path` among those to
    /// its path.
    fn fault(&self, path: &str, of_all: u64, of_path: u64) -> Option<&Fault> {
        if self.path.as_deref().is_some_and(|wanted| wanted != path) {
            return None;
        }
        match &self.requests {
            Requests::Numbered(numbers) => {
                let number = if self.path.is_some() { of_path } else { of_all };
                self.faults.first().filter(|_| numbers.contains(&number))
            }
            Requests::Share { one_in, seed } => {
                let mut dice = Dice::new(*seed, of_all.cast_signed());
                let meets = dice.below(i64::from(*one_in)) == 0;
                self.faults.get(dice.pick_index(self.faults.len())).filter(|_| meets)
            }
        }
    }
}

/// The script in progress, with counts of the requests so far.
pub struct Script {
    rules: Vec<Rule>,
    all: u64,
    by_path: HashMap<String, Course>,
}

/// The requests to one path so far.
#[derive(Default)]
struct Course {
    count: u64,
    query: String,
}

/// What the script decides for one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    /// The fault.
    pub fault: Fault,
    /// The query of the previous request to the same path; the request's own query if it is the first.
    pub query_before: String,
}

impl Script {
    /// A script of `rules`; the first rule that applies wins.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules, all: 0, by_path: HashMap::new() }
    }

    /// Counts the next request, to `path` with `query`, and returns the fault that it meets, if any.
    pub fn next(&mut self, path: &str, query: &str) -> Option<Turn> {
        if self.rules.is_empty() {
            return None;
        }
        self.all += 1;
        let asked = self.by_path.entry(path.to_owned()).or_default();
        asked.count += 1;
        let before = std::mem::replace(&mut asked.query, query.to_owned());
        let query_before = if asked.count == 1 { query.to_owned() } else { before };
        let fault = self.rules.iter().find_map(|rule| rule.fault(path, self.all, asked.count))?.clone();
        Some(Turn { fault, query_before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(script: &mut Script, path: &str) -> Option<Fault> {
        script.next(path, "").map(|turn| turn.fault)
    }

    #[test]
    fn rules_count_all_requests_or_those_of_a_path() {
        let mut script =
            Script::new(vec![Rule::of_all(2..=2, Fault::Reset), Rule::of_path("bans", 2..=u64::MAX, Fault::EmptyBody)]);
        assert_eq!(fault(&mut script, "bans"), None);
        assert_eq!(fault(&mut script, "agents"), Some(Fault::Reset));
        assert_eq!(fault(&mut script, "bans"), Some(Fault::EmptyBody));
        assert_eq!(fault(&mut script, "agents"), None);
        assert_eq!(fault(&mut script, "bans"), Some(Fault::EmptyBody));
    }

    #[test]
    fn the_first_rule_that_applies_wins() {
        let mut script =
            Script::new(vec![Rule::of_path("bans", 1..=1, Fault::Reset), Rule::of_all(1..=1, Fault::EmptyBody)]);
        assert_eq!(fault(&mut script, "bans"), Some(Fault::Reset));
    }

    #[test]
    fn a_share_meets_about_as_many_requests_and_every_fault_and_repeats_itself() {
        let met = |seed| {
            let mut script = Script::new(vec![Rule::of_share(50, seed, Fault::passing())]);
            (0..50_000).map(|_| fault(&mut script, "bans")).collect::<Vec<_>>()
        };
        let faults = met(7);
        assert!((800..1_200).contains(&faults.iter().flatten().count()));
        assert!(Fault::passing().iter().all(|fault| faults.iter().flatten().any(|met| met == fault)));
        assert_eq!(faults, met(7));
        assert_ne!(faults, met(8));
    }

    #[test]
    fn the_query_before_is_that_of_the_same_path() {
        let mut script = Script::new(vec![Rule::of_all(1..=9, Fault::Repeat)]);
        let mut before = |path, query| script.next(path, query).unwrap().query_before;
        assert_eq!(before("bans", "since_id=1"), "since_id=1");
        assert_eq!(before("agents", "since_id=7"), "since_id=7");
        assert_eq!(before("bans", "since_id=2"), "since_id=1");
    }
}
