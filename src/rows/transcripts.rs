//! `transcripts`: a chat as a document, for search and for language models.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

use ring::digest::{Context, Digest, SHA256};

use crate::position;
use crate::rows::chat::{Chat, List};
use crate::rows::column::{Form, id};
use crate::rows::completion::completion;
use crate::rows::document;
use crate::rows::row::{Row, RowTexts};
use crate::rows::text::{inner, spelled};
use crate::rows::turns::{self, Turn};

/// What stands in place of a character that was redacted.
const REDACTED: char = '▇';

/// What of a chat its documents are filtered by.
struct Filters<'text> {
    kind: Option<&'text str>,
    agents: Vec<String>,
    department: Option<&'text str>,
    tags: Vec<String>,
    rating: Option<&'text str>,
    completion: Option<&'static str>,
    ticket: Option<i64>,
}

/// Appends the document of a chat. One without text has an empty one, which takes the place of an earlier one: T-4.
pub fn write(chat: &Chat<'_>, rows: &mut RowTexts) {
    let turns = turns::of(chat);
    let head = chat.head();
    if turns.is_empty() && head.text("type").is_none_or(|name| spelled(name) != "chat") {
        return;
    }
    let mut row = chat.row(rows, "", "");
    for (name, member, form) in [
        ("type", "type", Form::Text),
        ("started_at", "timestamp", Form::Instant),
        ("ended_at", "end_timestamp", Form::Instant),
    ] {
        if let Some(value) = head.value(member) {
            // As it came it stands in `chats`.
            let _ = form.write(name, value, &mut row);
        }
    }
    if turns.is_empty() {
        row.plain("n_turns", Some(0));
        row.plain("n_characters", Some(0));
    } else {
        write_document(chat, &turns, &mut row);
    }
    row.plain("is_empty", Some(turns.is_empty()));
    row.end();
}

fn write_document(chat: &Chat<'_>, turns: &[Turn<'_>], row: &mut Row<'_>) {
    let filters = Filters::of(chat);
    let text = document::text(turns);
    write_turns(turns, row);
    row.text("text", &text);
    row.text("messages", &document::messages(turns));
    row.plain("n_turns", Some(turns.len()));
    row.plain("n_characters", Some(text.chars().count()));
    filters.write(row);
    row.inner("content_hash", &hex(content_hash(chat, turns, &filters)));
    row.inner("text_hash", &hex(text_hash(turns)));
    row.plain("is_redacted", Some(text.contains(REDACTED)));
}

fn write_turns(turns: &[Turn<'_>], row: &mut Row<'_>) {
    row.name("turns").push('[');
    for (at, turn) in turns.iter().enumerate() {
        row.out().push_str(if at == 0 { "{" } else { ",{" });
        row.plain("seq", Some(turn.seq));
        row.inner("role", turn.role.name());
        if let Some(name) = &turn.name {
            row.text("name", name);
        }
        if let Some(written) = turn.at.and_then(position::written) {
            row.inner("at", &written);
        }
        if !turn.text.is_empty() {
            row.text("text", &turn.text);
        }
        if let Some(attachment) = &turn.attachment {
            row.text("attachment", attachment);
        }
        row.out().push('}');
    }
    row.out().push(']');
}

impl<'text> Filters<'text> {
    fn of(chat: &Chat<'text>) -> Self {
        let head = chat.head();
        let texts = |list| {
            let mut seen = HashSet::new();
            let texts = chat.list(list).filter_map(|entry| inner(entry.text)).map(spelled);
            texts.filter(|text| seen.insert(text.clone())).map(Cow::into_owned).collect()
        };
        Self {
            kind: head.text("type"),
            agents: texts(List::AgentNames),
            department: head.text("department_name"),
            tags: texts(List::Tags),
            rating: head.text("rating"),
            completion: completion(chat),
            ticket: head.value("zendesk_ticket_id").and_then(id),
        }
    }

    fn write(&self, row: &mut Row<'_>) {
        for (name, texts) in [("agents", &self.agents), ("tags", &self.tags)] {
            let out = row.name(name);
            out.push('[');
            for (at, text) in texts.iter().enumerate() {
                out.extend([if at == 0 { "\"" } else { ",\"" }, text, "\""]);
            }
            out.push(']');
        }
        for (name, text) in [("department", self.department), ("rating", self.rating), ("completion", self.completion)]
        {
            if let Some(text) = text {
                row.inner(name, text);
            }
        }
        row.plain("ticket_id", self.ticket);
    }
}

/// The hash of all that a document holds, whatever order its tags come in: T-8.
fn content_hash(chat: &Chat<'_>, turns: &[Turn<'_>], filters: &Filters<'_>) -> Digest {
    let mut context = Context::new(&SHA256);
    let spell = |text: &str| spelled(text).into_owned();
    let kind = filters.kind.map(spell);
    let (department, rating) = (filters.department.map(spell), filters.rating.map(spell));
    let ticket = filters.ticket.map(|ticket| ticket.to_string());
    add(&mut context, Some(&spelled(chat.id())));
    for part in [kind.as_deref(), department.as_deref(), rating.as_deref(), filters.completion, ticket.as_deref()] {
        add(&mut context, part);
    }
    let mut tags = filters.tags.clone();
    tags.sort_unstable();
    for texts in [&filters.agents, &tags] {
        for text in texts {
            add(&mut context, Some(text));
        }
        add(&mut context, None);
    }
    for turn in turns {
        let (seq, at) = (turn.seq.to_string(), turn.at.map(|at| at.to_string()));
        for part in [Some(seq.as_str()), Some(turn.role.name()), turn.name.as_deref(), at.as_deref()] {
            add(&mut context, part);
        }
        add_said(&mut context, turn);
    }
    context.finish()
}

/// The hash of what was said alone, which a rating or a tag that comes late leaves as it is.
fn text_hash(turns: &[Turn<'_>]) -> Digest {
    let mut context = Context::new(&SHA256);
    for turn in turns {
        add_said(&mut context, turn);
    }
    context.finish()
}

fn add_said(context: &mut Context, turn: &Turn<'_>) {
    add(context, Some(&turn.text));
    add(context, turn.attachment.as_deref());
}

/// Adds a text behind its length, or a mark that there is none, so that no two lists of texts are hashed alike.
fn add(context: &mut Context, text: Option<&str>) {
    let Some(text) = text else { return context.update(&[0]) };
    context.update(&[1]);
    context.update(&(text.len() as u64).to_be_bytes());
    context.update(text.as_bytes());
}

/// A hash in hexadecimal digits.
fn hex(digest: Digest) -> String {
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
