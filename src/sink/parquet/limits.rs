//! How much memory a dump takes, and how large its files become.

use chrono::TimeDelta;

/// How much is held, and how large what is written becomes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most JSON of a stream whose rows wait in memory.
    pub waiting: usize,
    /// How many files of a stream grow at once: windows side by side lie in several months.
    pub open: usize,
    /// The most memory that rows of growing files may take which are not compressed yet.
    pub unfinished: usize,
    /// After so much JSON a long read is committed.
    pub uncommitted: usize,
    /// After so long, too.
    pub unsaved: TimeDelta,
    /// A file below this size is merged with its neighbours when its folder is touched.
    pub small: u64,
    /// A file that has reached this size is ended, and another begun.
    pub large: u64,
    /// How many keys that came are held in memory at once.
    pub keys: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MEGABYTE: usize = 1024 * 1024;
        Self {
            waiting: 8 * MEGABYTE,
            open: 6,
            unfinished: 32 * MEGABYTE,
            uncommitted: 1024 * MEGABYTE,
            unsaved: TimeDelta::minutes(2),
            small: 32 * MEGABYTE as u64,
            large: 256 * MEGABYTE as u64,
            keys: 450_000,
        }
    }
}
