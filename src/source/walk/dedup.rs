//! The records that came before: hashes of their keys and contents, as long as a page may repeat them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::num::NonZeroU64;

use crate::position::Nanos;
use crate::source::page::{Page, Record};
use crate::source::streams::Stream;

/// A hash of a record's key and cursor: it differs between records, and changes with a record's cursor.
pub type Key = u64;

/// A 128-bit hash of a record's whole text.
pub type Print = (u64, u64);

/// Makes hashes that no outsider can predict.
#[derive(Debug, Clone, Default)]
pub struct Hashes {
    first: RandomState,
    second: RandomState,
}

impl Hashes {
    /// The hash of a record's key and cursor.
    pub fn key(&self, stream: &Stream, record: Record<'_>, cursor: Option<Nanos>) -> Key {
        let mut hasher = self.first.build_hasher();
        stream.key_members().for_each(|member| record.member(member).hash(&mut hasher));
        cursor.hash(&mut hasher);
        hasher.finish()
    }

    /// A 64-bit hash of a record's whole text, for use beside its key; `None` if the hash happens to be zero.
    pub fn content(&self, record: Record<'_>) -> Option<NonZeroU64> {
        NonZeroU64::new(self.second.hash_one(record.text()))
    }

    /// A 128-bit hash of a record's whole text.
    pub fn print(&self, record: Record<'_>) -> Print {
        (self.first.hash_one(record.text()), self.second.hash_one(record.text()))
    }
}

/// The records that the next pages may repeat. They are kept as hashes, so even a moment that fills many pages takes
/// only a few bytes per record.
#[derive(Debug, Default)]
pub struct Dedup {
    /// The records that may come again, by key and cursor.
    records: HashMap<Key, Trace>,
    /// The numbers of the pages that brought them, each with how far the walk had come then.
    pages: VecDeque<(u32, Nanos)>,
    /// How many pages there were.
    count: u32,
    /// The number of the page with which the walk last moved forward in time.
    furthest: u32,
}

/// The memory of a record that came.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    content: Option<NonZeroU64>,
    page: u32,
}

impl Dedup {
    /// The memory of the record with this key, if it came before and is not forgotten.
    pub fn trace(&self, key: Key) -> Option<Trace> {
        self.records.get(&key).copied()
    }

    /// PROGRESS: whether a record is new: it has not come since the walk last moved forward in time.
    pub fn is_new(&self, trace: Option<Trace>) -> bool {
        trace.is_none_or(|trace| trace.page < self.furthest)
    }

    /// Keeps the keys of a page. It also keeps the content of the page's last record and of those for which
    /// `repeatable` holds. `at` is how far the walk has come with this page, and `further` is whether it moved forward
    /// in time with it.
    pub fn keep(
        &mut self,
        hashes: &Hashes,
        keys: &[Key],
        page: &Page,
        (at, further): (Nanos, bool),
        repeatable: impl Fn(usize) -> bool,
    ) {
        self.count += 1;
        if further {
            self.furthest = self.count;
        }
        self.pages.push_back((self.count, at));
        let last = page.len().saturating_sub(1);
        for (index, (record, &key)) in page.records().zip(keys).enumerate() {
            let content = if index == last || repeatable(index) { hashes.content(record) } else { None };
            self.records.insert(key, Trace { content, page: self.count });
        }
    }

    /// Forgets the pages after which the walk was still before `asked`, the time that is requested next: their records
    /// cannot come again. A position without an id is requested one unit early, so pages within that unit are kept.
    pub fn forget_before(&mut self, asked: Nanos) {
        let pages = self.pages.len();
        while self.pages.front().is_some_and(|&(_, at)| at < asked) {
            self.pages.pop_front();
        }
        if self.pages.len() < pages {
            let first = self.pages.front().map_or(u32::MAX, |&(page, _)| page);
            self.records.retain(|_, trace| trace.page >= first);
        }
    }
}

impl Trace {
    /// Whether a record that comes again has the content that it had before.
    pub fn is_unchanged(self, hashes: &Hashes, record: Record<'_>) -> bool {
        self.content.is_some() && self.content == hashes.content(record)
    }
}
