//! `chat_conversions`: the goals that a visitor reached, as the chat shows them.

use crate::rows::chat::{Chat, List};
use crate::rows::column::{Column, Form, inside, named, same};
use crate::rows::row::RowTexts;

/// The columns for members of a conversion.
pub const COLUMNS: &[Column] = &[
    named("id", "conversion_id", Form::Name),
    same("goal_id", Form::Id),
    same("goal_name", Form::Text),
    same("timestamp", Form::Instant),
    inside("attribution", "agent_id", "attribution_agent_id", Form::Id),
    inside("attribution", "agent_name", "attribution_agent_name", Form::Text),
    inside("attribution", "department_id", "attribution_department_id", Form::Id),
    inside("attribution", "department_name", "attribution_department_name", Form::Text),
    inside("attribution", "chat_timestamp", "attribution_chat_timestamp", Form::Instant),
];

/// Appends a row for each conversion.
pub fn write(chat: &Chat<'_>, rows: &mut RowTexts) {
    for (seq, entry) in chat.list(List::Conversions).enumerate() {
        let mut row = chat.row(rows, "|", seq);
        row.plain("seq", Some(seq));
        row.entry(entry, COLUMNS, &[]);
        row.end();
    }
}
