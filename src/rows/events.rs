//! `chat_events`: everything that happened in a chat, one row an entry of its history.

use crate::rows::chat::Chat;
use crate::rows::column::{Column, Form, inside, named, same};
use crate::rows::row::RowTexts;

/// The columns for members of an entry.
pub const COLUMNS: &[Column] = &[
    same("timestamp", Form::Instant),
    same("name", Form::Text),
    same("type", Form::Text),
    named("msg", "text", Form::Text),
    same("msg_id", Form::Name),
    same("options", Form::Options),
    same("channel", Form::Text),
    same("index", Form::Integer),
    same("sender_type", Form::Text),
    same("agent_id", Form::Id),
    same("nick", Form::Text),
    same("source", Form::Text),
    same("reason", Form::Text),
    inside("attachment", "name", "attachment_name", Form::Text),
    inside("attachment", "mime_type", "attachment_mime_type", Form::Text),
    inside("attachment", "size", "attachment_size", Form::Integer),
    inside("attachment", "url", "attachment_url", Form::Text),
    inside("attachment", "deleted", "attachment_deleted", Form::Boolean),
    named("tags", "tags_before", Form::Texts),
    named("new_tags", "tags_after", Form::Texts),
    named("rating", "rating_before", Form::Text),
    named("new_rating", "rating_after", Form::Text),
    named("comment", "comment_before", Form::Text),
    named("new_comment", "comment_after", Form::Text),
    same("department_id", Form::Id),
    same("department_name", Form::Text),
    same("prev_department_id", Form::Id),
    named("skills_name", "skills", Form::Texts),
    inside("conversion", "id", "conversion_id", Form::Name),
    inside("conversion", "goal_id", "conversion_goal_id", Form::Id),
    inside("conversion", "timestamp", "conversion_timestamp", Form::Instant),
];

/// Appends a row for each entry of the history.
pub fn write(chat: &Chat<'_>, rows: &mut RowTexts) {
    for (seq, (entry, event)) in chat.events().enumerate() {
        let mut row = chat.row(rows, "|", seq);
        row.plain("seq", Some(seq));
        row.inner("kind", event.kind.name());
        row.inner("role", event.role.name());
        row.inner("role_source", event.decided.name());
        row.seconds("at_seconds", event.at);
        row.entry(entry, COLUMNS, &[]);
        row.end();
    }
}
