//! What an account holds.

use chrono::{DateTime, Utc};

/// What an account holds.
#[derive(Debug, Clone)]
pub struct Holdings {
    /// The seed that all data is derived from.
    pub seed: u64,
    /// Chats in the account's first year, 2025, and in every year since.
    pub chats: u64,
    /// Spans in the agents' timeline per year; three per chat if not given.
    pub spans: Option<u64>,
    /// Agents at the opening; one more joins every thirty days.
    pub agents: u32,
    /// Bans at the opening; one more is added every day.
    pub bans: u32,
    /// Whether nine of ten chats fall into a tenth of each year, instead of being spread evenly.
    pub crowded: bool,
    /// Chats that were all edited in one second.
    pub bulk_edit: Option<BulkEdit>,
    /// Records that become visible some time after their own moment.
    pub late: Late,
    /// Whether spans of the timeline are visible from their start and grow, instead of becoming visible when they end.
    pub growing_spans: bool,
}

impl Default for Holdings {
    fn default() -> Self {
        Self {
            seed: 1,
            chats: 3_000,
            spans: None,
            agents: 250,
            bans: 2_000,
            crowded: false,
            bulk_edit: None,
            late: Late::default(),
            growing_spans: false,
        }
    }
}

/// An edit of many chats in one second, as an import or a migration makes it.
#[derive(Debug, Clone, Copy)]
pub struct BulkEdit {
    /// The second of the edit.
    pub moment: DateTime<Utc>,
    /// How many chats are edited: the most recent ones before the edit, or all if there are fewer.
    pub chats: u64,
}

/// Records that become visible some time after their own moment.
#[derive(Debug, Clone, Copy)]
pub struct Late {
    /// How many of a hundred records are late.
    pub percent: u8,
    /// They are late by less than this many seconds; the service promises less than 300.
    pub seconds: u16,
}

impl Default for Late {
    fn default() -> Self {
        Self { percent: 0, seconds: 299 }
    }
}

impl Late {
    /// The bound of the lateness in seconds, limited to what the service promises.
    pub(super) fn seconds(self) -> i64 {
        i64::from(self.seconds.min(299))
    }
}
