//! What has come before: hashes of keys and of whole records, where a page may repeat them.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::num::NonZeroU64;

use crate::position::Nanos;
use crate::source::page::{Page, Record};
use crate::source::streams::Stream;

/// What tells a record from others, and from itself after a change.
pub type Key = u64;

/// All that a record holds.
pub type Print = (u64, u64);

/// Makes hashes that nobody outside can foresee.
#[derive(Debug, Clone, Default)]
pub struct Hashes {
    first: RandomState,
    second: RandomState,
}

impl Hashes {
    /// The key of a record whose cursor is that.
    pub fn key(&self, stream: &Stream, record: Record<'_>, cursor: Option<Nanos>) -> Key {
        let mut hasher = self.first.build_hasher();
        stream.key_members().for_each(|member| record.member(member).hash(&mut hasher));
        cursor.hash(&mut hasher);
        hasher.finish()
    }

    /// All that a record holds, where it is told from others by its key as well; none for one hash of so many.
    pub fn content(&self, record: Record<'_>) -> Option<NonZeroU64> {
        NonZeroU64::new(self.second.hash_one(record.text()))
    }

    /// All that a record holds.
    pub fn print(&self, record: Record<'_>) -> Print {
        (self.first.hash_one(record.text()), self.second.hash_one(record.text()))
    }
}

/// What the next pages may repeat. It is kept as hashes: a moment that fills many pages takes no more than a few bytes a record.
#[derive(Debug, Default)]
pub struct Dedup {
    /// The records that may come again, by key and cursor.
    records: HashMap<Key, Trace>,
    /// The pages that brought them, each with how far the walk had come then.
    pages: VecDeque<(u32, Nanos)>,
    /// How many pages there were.
    count: u32,
    /// The page with which the walk last came further in time.
    furthest: u32,
}

/// What is known of a record that came.
#[derive(Debug, Clone, Copy)]
pub struct Trace {
    content: Option<NonZeroU64>,
    page: u32,
}

impl Dedup {
    /// What is known of the record of a key, if it may have come before.
    pub fn trace(&self, key: Key) -> Option<Trace> {
        self.records.get(&key).copied()
    }

    /// PROGRESS: whether a record came since the walk last came further in time.
    pub fn is_new(&self, trace: Option<Trace>) -> bool {
        trace.is_none_or(|trace| trace.page < self.furthest)
    }

    /// Keeps a page's keys, and the content of its last record and of those for which `repeatable` holds. The walk has come
    /// to `at` with it, and is `further` than before.
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

    /// Forgets what lies before the time that is asked for, which cannot come again. What lies there may: a position
    /// without an id is asked one unit early, so what came before the walk's last step forward is still to be known.
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
    /// Whether a record that comes again holds what it held.
    pub fn is_unchanged(self, hashes: &Hashes, record: Record<'_>) -> bool {
        self.content.is_some() && self.content == hashes.content(record)
    }
}
