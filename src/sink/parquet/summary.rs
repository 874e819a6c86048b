//! What a dump reports of each stream.

use serde::Serialize;

/// What became of a stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// The stream.
    pub stream: String,
    /// `complete`, `unavailable`, `failed` or `interrupted`.
    pub status: String,
    /// Why, if it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Records that were read.
    pub read: u64,
    /// Rows of keys that the table did not hold.
    pub new: u64,
    /// Rows that took the place of an earlier one that held something else.
    pub updated: u64,
    /// Rows that are gone, since a whole read did not bring them.
    pub removed: u64,
    /// Rows that the table has.
    pub rows: u64,
    /// Files that it has.
    pub files: u64,
    /// How large they are together.
    pub bytes: u64,
    /// Seconds from its beginning to its end.
    pub seconds: f64,
}
