//! What an account holds.

use chrono::{DateTime, Utc};

/// What an account holds.
#[derive(Debug, Clone)]
pub struct Holdings {
    /// Everything is a function of this.
    pub seed: u64,
    /// Chats in the account's first year, 2025, and in every year since.
    pub chats: u64,
    /// Spans of the agents' time line in a year; three a chat where not given.
    pub spans: Option<u64>,
    /// Agents at the opening; one more joins every thirty days.
    pub agents: u32,
    /// Bans at the opening; one more comes every day.
    pub bans: u32,
    /// Nine of ten chats come in a tenth of each year, instead of evenly.
    pub crowded: bool,
    /// Chats that were all edited in one second.
    pub bulk_edit: Option<BulkEdit>,
    /// Records that are seen some time after their own moment.
    pub late: Late,
    /// Spans of the time line are seen from their start and grow, instead of being seen when they end.
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
    /// The second.
    pub moment: DateTime<Utc>,
    /// How many chats: the last ones that came before it, as far as there are so many.
    pub chats: u64,
}

/// Records that are seen some time after their own moment.
#[derive(Debug, Clone, Copy)]
pub struct Late {
    /// How many of a hundred records are late.
    pub percent: u8,
    /// They are late by less than this; the service promises less than 300 seconds.
    pub seconds: u16,
}

impl Default for Late {
    fn default() -> Self {
        Self { percent: 0, seconds: 299 }
    }
}

impl Late {
    /// The lateness within what the service promises.
    pub(super) fn seconds(self) -> i64 {
        i64::from(self.seconds.min(299))
    }
}
