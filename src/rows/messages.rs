//! `chat_messages`: what was written in a chat, with who answered whom, and how fast.

use crate::rows::chat::{Chat, List, agent_id};
use crate::rows::column::{Column, Form, inside, named, same};
use crate::rows::events;
use crate::rows::instant::instant;
use crate::rows::lines::Line;
use crate::rows::role::Role;
use crate::rows::row::{Row, RowTexts};
use crate::rows::text::{inner, read};

/// The columns for members of an entry; what else it has a column for stands in `chat_events`.
pub const COLUMNS: &[Column] = &[
    same("timestamp", Form::Instant),
    same("name", Form::Text),
    named("msg", "text", Form::Text),
    same("msg_id", Form::Name),
    same("options", Form::Options),
    same("agent_id", Form::Id),
    inside("attachment", "name", "attachment_name", Form::Text),
    inside("attachment", "mime_type", "attachment_mime_type", Form::Text),
    inside("attachment", "size", "attachment_size", Form::Integer),
    inside("attachment", "url", "attachment_url", Form::Text),
    inside("attachment", "deleted", "attachment_deleted", Form::Boolean),
];

/// Appends a row for each message and file, and one for what was left while nobody was online.
pub fn write(chat: &Chat<'_>, rows: &mut RowTexts) {
    for (number, line) in chat.lines().iter().enumerate() {
        write_line(chat, number + 1, line, rows);
    }
    if chat.is_offline() && chat.head().value("message").is_some() {
        write_offline(chat, rows);
    }
}

fn write_line(chat: &Chat<'_>, number: usize, line: &Line, rows: &mut RowTexts) {
    let (entry, event) = chat.event(line.seq);
    let mut row = begin(chat, line.seq, number, event.role, rows);
    row.seconds("at_seconds", event.at);
    row.entry(entry, COLUMNS, events::COLUMNS);
    if agent_id(entry).is_none() {
        row.plain("agent_id", event.agent);
    }
    if event.role == Role::Visitor {
        write_visitor_id(chat, &mut row);
    }
    write_length(entry.value("msg"), &mut row);
    row.plain("is_offline", Some(false));
    row.plain("is_reply", Some(line.is_reply));
    row.plain("wait_seconds", line.wait);
    row.plain("is_first_reply", Some(line.is_first_reply));
    row.plain("is_unanswered", Some(line.is_unanswered));
    row.end();
}

fn write_offline(chat: &Chat<'_>, rows: &mut RowTexts) {
    let head = chat.head();
    // Such a record has no history. If one had, the message would still have a number of its own.
    let seq = chat.list(List::History).len();
    let mut row = begin(chat, seq, chat.lines().len() + 1, Role::Visitor, rows);
    if let Some(timestamp) = head.value("timestamp") {
        row.seconds("at_seconds", instant(timestamp).map(|(at, _)| at));
        row.value("timestamp", Form::Instant, timestamp, &["timestamp"]);
    }
    if let Some(name) = head.within("visitor", "name") {
        row.value("name", Form::Text, name, &["visitor", "name"]);
    }
    if let Some(message) = head.value("message") {
        row.value("text", Form::Text, message, &["message"]);
        write_length(Some(message), &mut row);
    }
    write_visitor_id(chat, &mut row);
    row.plain("is_offline", Some(true));
    row.plain("is_reply", Some(false));
    row.plain("is_first_reply", Some(false));
    row.end();
}

fn begin<'rows>(chat: &Chat<'_>, seq: usize, number: usize, role: Role, rows: &'rows mut RowTexts) -> Row<'rows> {
    let mut row = chat.row(rows, "|", seq);
    row.plain("seq", Some(seq));
    row.plain("message_number", Some(number));
    row.inner("role", role.name());
    row
}

/// Writes the id of the visitor, if it is a text.
fn write_visitor_id(chat: &Chat<'_>, row: &mut Row<'_>) {
    let id = chat.head().within("visitor", "id").filter(|value| value.starts_with('"'));
    row.raw("visitor_id", id);
}

/// Writes how many characters a text has.
fn write_length(text: Option<&str>, row: &mut Row<'_>) {
    row.plain("text_length", text.and_then(inner).map(|text| read(text).chars().count()));
}
