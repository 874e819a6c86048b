//! What has come before: hashes of keys and of whole records, where a page may repeat them.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use crate::page::{Page, Record};
use crate::position::Nanos;
use crate::streams::Output;

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
    pub fn key(&self, output: &Output, record: Record<'_>, cursor: Option<Nanos>) -> Key {
        let mut hasher = self.first.build_hasher();
        output.key_members().for_each(|member| record.member(member).hash(&mut hasher));
        cursor.hash(&mut hasher);
        hasher.finish()
    }

    /// All that a record holds.
    pub fn print(&self, record: Record<'_>) -> Print {
        (self.first.hash_one(record.text()), self.second.hash_one(record.text()))
    }
}

/// What the next page may repeat. It is kept as hashes: a moment that fills many pages takes no more than a few bytes a record.
#[derive(Debug, Default)]
pub struct Seam {
    /// The keys and cursors of all records since the position last moved forward in time.
    keys: HashSet<Key>,
    /// The last page's records that stand where it ends, with all that they hold.
    records: HashSet<Print>,
}

impl Seam {
    /// Whether a record of that key has come since the position last moved.
    pub fn knows(&self, key: Key) -> bool {
        self.keys.contains(&key)
    }

    /// Whether this very record stood at the end of the last page.
    pub fn holds(&self, print: Print) -> bool {
        self.records.contains(&print)
    }

    /// Forgets what lies behind a position that has moved forward.
    pub fn forget(&mut self) {
        self.keys.clear();
    }

    /// Keeps a page's keys, and of its records the last and those for which `repeatable` holds.
    pub fn keep(&mut self, hashes: &Hashes, keys: &[Key], page: &Page, repeatable: impl Fn(usize) -> bool) {
        self.keys.extend(keys);
        let last = page.len().saturating_sub(1);
        let kept = page.records().enumerate().filter(|&(index, _)| index == last || repeatable(index));
        self.records.clear();
        self.records.extend(kept.map(|(_, record)| hashes.print(record)));
    }
}
