//! `chat_engagements`: the stretches in which one agent served a chat.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::rows::chat::{Chat, List};
use crate::rows::column::{Column, Form, inside, integer, same};
use crate::rows::entry::Entry;
use crate::rows::row::{Row, RowTexts};
use crate::rows::text::{inner, spelled};

/// The columns for members of an engagement.
pub const COLUMNS: &[Column] = &[
    same("timestamp", Form::Instant),
    same("duration", Form::Number),
    same("started_by", Form::Text),
    same("agent_id", Form::Id),
    same("agent_name", Form::Text),
    same("agent_full_name", Form::Text),
    same("department_id", Form::Id),
    same("assigned", Form::Boolean),
    same("accepted", Form::Boolean),
    same("rating", Form::Text),
    same("comment", Form::Text),
    same("skills_requested", Form::Integers),
    same("skills_fulfilled", Form::Boolean),
    inside("count", "total", "count_total", Form::Integer),
    inside("count", "agent", "count_agent", Form::Integer),
    inside("count", "visitor", "count_visitor", Form::Integer),
    inside("response_time", "first", "response_time_first", Form::Integer),
    inside("response_time", "avg", "response_time_avg", Form::Number),
    inside("response_time", "max", "response_time_max", Form::Integer),
];

/// Its id is written before its columns.
const ID: &[Column] = &[same("id", Form::Name)];

/// Appends a row for each engagement.
pub fn write(chat: &Chat<'_>, rows: &mut RowTexts) {
    let mut ids = HashSet::new();
    for (seq, entry) in chat.list(List::Engagements).enumerate() {
        let id = id(entry);
        // An id that comes twice would make two engagements one.
        let own = id.clone().filter(|id| ids.insert(id.clone()));
        let mut row = match &own {
            Some(id) => begin(chat, id, rows),
            None => chat.row(rows, "|", seq),
        };
        row.plain("seq", Some(seq));
        if let Some(assignment) = assignment(entry) {
            row.inner("assignment", assignment);
        }
        row.entry(entry, COLUMNS, ID);
        if let (None, Some(value)) = (own, entry.value("id")) {
            row.extra(&["id"], value);
        }
        row.end();
    }
}

/// The engagement's own id, in the spelling that equal ids share.
fn id<'text>(entry: Entry<'_, 'text>) -> Option<Cow<'text, str>> {
    let value = entry.value("id")?;
    let id = if integer(value).is_some() { value } else { inner(value)? };
    (!id.is_empty()).then(|| spelled(id))
}

fn begin<'rows>(chat: &Chat<'_>, id: &str, rows: &'rows mut RowTexts) -> Row<'rows> {
    let mut row = Row::new(rows);
    row.inner("id", id);
    chat.begin(&mut row);
    row
}

/// How the agent came to the chat, if that is known.
fn assignment(entry: Entry<'_, '_>) -> Option<&'static str> {
    match (entry.value("assigned")?, entry.value("accepted")) {
        ("true", Some("true")) => Some("accepted"),
        ("true", Some("false")) => Some("missed"),
        ("false", _) => Some("self_assigned"),
        _ => None,
    }
}
