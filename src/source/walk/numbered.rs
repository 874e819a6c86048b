//! The walk over records in the order of their numbers.

use std::collections::HashSet;

use super::{Verdict, next_limit, number};
use crate::error::{Error, Kind};
use crate::position::Frontier;
use crate::source::page::{self, Page};
use crate::wire::Request;

/// The read of one numbered stream.
#[derive(Debug)]
pub(super) struct Numbered {
    since: i64,
    seen: HashSet<i64>,
    limit: u32,
    largest: u32,
    /// Whether there is a request to hand out.
    pub(super) ready: bool,
}

impl Numbered {
    /// A walk over all numbers, `limit` records at a time.
    pub fn from_start(limit: u32) -> Self {
        Self { since: 0, seen: HashSet::new(), limit, largest: limit, ready: true }
    }

    /// A walk over the numbers above `id`, `limit` records at a time.
    pub fn after(id: i64, limit: u32) -> Self {
        Self { since: id.saturating_add(1), ..Self::from_start(limit) }
    }

    /// The next request, handed out once for each page; its `since_id` is inclusive.
    pub fn next(&mut self, path: &str) -> Option<Request> {
        let request =
            || Request { path: path.to_owned(), query: page::numbered_query(self.since), limit: Some(self.limit) };
        std::mem::replace(&mut self.ready, false).then(request)
    }

    /// Passes on the records that have not been seen. If a page has several arrays, the walk goes on after the one that
    /// ends first: each may have been cut short by itself. Requesting some records of the other arrays again costs less
    /// than skipping one.
    pub fn accept(&mut self, limit: Option<u32>, page: &Page) -> Result<Verdict, Error> {
        self.limit = next_limit(limit, self.largest);
        if page.is_empty() {
            return Ok(Verdict::default());
        }
        let mut ends: Vec<(usize, i64)> = Vec::new();
        let mut keep = Vec::with_capacity(page.len());
        for (index, record) in page.records().enumerate() {
            let Some(id) = number(record, "id") else {
                return Err(Error::new(
                    Kind::Record,
                    format!("record {} after number {} has an `id` that is no number", index + 1, self.since),
                ));
            };
            keep.push(self.seen.insert(id));
            match ends.iter_mut().find(|(array, _)| *array == record.array()) {
                Some((_, end)) => *end = id.max(*end),
                None => ends.push((record.array(), id)),
            }
        }
        let end = ends.iter().map(|&(_, end)| end).min().unwrap_or(self.since);
        let next = end.saturating_add(1);
        if next <= self.since {
            return Err(Error::new(
                Kind::Disorder,
                format!("asked for numbers from {} on, the page ends at {end}", self.since),
            ));
        }
        self.since = next;
        self.ready = true;
        self.seen.retain(|&id| id >= next);
        Ok(Verdict { keep, frontier: Some(Frontier::Id(end)), ..Verdict::default() })
    }
}
