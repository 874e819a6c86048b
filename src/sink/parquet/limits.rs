//! Limits on the memory that a dump uses and on the size of its files.

use chrono::TimeDelta;

/// Limits on memory, on files, and on the time between commits. Sizes are in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest size of the JSON whose rows wait in memory, per endpoint.
    pub waiting: usize,
    /// How many files of a stream are open at once. Concurrent windows lie in several months.
    pub open: usize,
    /// The most memory that uncompressed rows of open files may take, per endpoint.
    pub unfinished: usize,
    /// A long read is committed once this much JSON has been accepted since the last commit.
    pub uncommitted: usize,
    /// A long read is also committed once this much time has passed since the last commit.
    pub unsaved: TimeDelta,
    /// A file smaller than this is merged with its neighbours when its folder changes.
    pub small: u64,
    /// A file that reaches this size is closed, and another one is opened.
    pub large: u64,
    /// How many keys a merge holds in memory at once.
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
