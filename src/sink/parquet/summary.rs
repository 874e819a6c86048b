//! What a dump reports about each stream.

use serde::Serialize;

/// The result of one stream.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// The stream's name.
    pub stream: String,
    /// `complete`, `unavailable`, `failed` or `interrupted`.
    pub status: String,
    /// The error, if the stream is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many records were read.
    pub read: u64,
    /// Rows that were added: their key or, in append mode, their content was not in the table.
    pub new: u64,
    /// Rows that replaced an earlier row with other content.
    pub updated: u64,
    /// Rows that were removed because a whole read did not bring them.
    pub removed: u64,
    /// How many rows the table now has.
    pub rows: u64,
    /// How many files the table now has.
    pub files: u64,
    /// The total size of these files, in bytes.
    pub bytes: u64,
    /// How long the stream was read and written, in seconds.
    pub seconds: f64,
}
