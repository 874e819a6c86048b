//! A chat's record becomes the rows of the streams that are derived from it, without a request and without I/O.
//!
//! A row is one JSON object on one line. Values are the texts that came, wherever they fit their column; what has no
//! column, or does not fit, stands in the row's `_extra`: an object from the JSON Pointer of a value within its entry to
//! that value, so that nothing of an entry is lost.

mod agents;
mod chat;
mod classify;
mod column;
mod completion;
mod conversions;
mod document;
mod engagements;
mod entry;
mod events;
mod instant;
mod lines;
mod messages;
mod pairing;
mod role;
mod row;
mod tags;
mod text;
mod transcripts;
mod turns;
mod webpath;

pub use chat::Chat;
pub use row::RowTexts;

/// A derived stream of chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// Everything that happened in a chat.
    Events,
    /// What was written in it, with who answered whom, and how fast.
    Messages,
    /// The stretches in which one agent served it.
    Engagements,
    /// Who served it.
    Agents,
    /// Its tags.
    Tags,
    /// The pages that the visitor saw.
    Webpath,
    /// The goals that the visitor reached.
    Conversions,
    /// The chat as a document.
    Transcripts,
}

/// Appends the rows of one child to `out`, each row one JSON object text on one line.
pub fn write(child: Child, chat: &Chat<'_>, out: &mut RowTexts) {
    match child {
        Child::Events => events::write(chat, out),
        Child::Messages => messages::write(chat, out),
        Child::Engagements => engagements::write(chat, out),
        Child::Agents => agents::write(chat, out),
        Child::Tags => tags::write(chat, out),
        Child::Webpath => webpath::write(chat, out),
        Child::Conversions => conversions::write(chat, out),
        Child::Transcripts => transcripts::write(chat, out),
    }
}

#[cfg(test)]
mod tests;
