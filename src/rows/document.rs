//! The turns of a transcript as documents: plain text, and the messages that language models are trained on.

use std::borrow::Cow;

use crate::rows::instant::write_time_of_day;
use crate::rows::role::Role;
use crate::rows::text::escape;
use crate::rows::turns::Turn;

/// The turns as plain text, a line a turn. No line within a turn can pass for one: it is indented.
pub fn text(turns: &[Turn<'_>]) -> String {
    let mut text = String::new();
    for turn in turns {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push('[');
        match turn.at {
            Some(at) => write_time_of_day(at, &mut text),
            None => text.push_str("--:--:--"),
        }
        text.push_str("] ");
        text.push_str(turn.role.name());
        if let Some(name) = turn.name.as_deref().filter(|name| !name.is_empty()) {
            text.push(' ');
            push_name(name, &mut text);
        }
        text.push_str(": ");
        push_indented(&said(turn), &mut text);
    }
    text
}

/// The turns as the JSON text of a list of messages: T-1. One after the other of a role are one, with a blank line between.
pub fn messages(turns: &[Turn<'_>]) -> String {
    let mut json = String::from("[");
    let mut current = None;
    for turn in turns {
        let role = match turn.role {
            Role::Visitor => "user",
            Role::Agent | Role::Bot => "assistant",
            // A greeting repeats in every chat; whoever is unknown is neither of the two.
            Role::Trigger | Role::System | Role::Unknown => continue,
        };
        if current == Some(role) {
            json.push_str("\\n\\n");
        } else {
            json.push_str(if current.is_some() { "\"},{\"role\":\"" } else { "{\"role\":\"" });
            json.push_str(role);
            json.push_str("\",\"content\":\"");
        }
        current = Some(role);
        escape(&said(turn), &mut json);
    }
    json.push_str(if current.is_some() { "\"}]" } else { "]" });
    json
}

/// What was written in a turn, and the file that came with it on a line of its own.
fn said<'turn>(turn: &'turn Turn<'_>) -> Cow<'turn, str> {
    match &turn.attachment {
        None => turn.text.as_ref().into(),
        Some(attachment) if turn.text.is_empty() => format!("[file: {attachment}]").into(),
        Some(attachment) => format!("{}\n[file: {attachment}]", turn.text).into(),
    }
}

/// Whether some reader begins a new line behind a character.
fn breaks_line(character: char) -> bool {
    matches!(character, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Appends a text with all lines but the first indented.
fn push_indented(said: &str, text: &mut String) {
    let mut rest = said;
    while let Some(at) = rest.find(breaks_line) {
        let (line, end) = rest.split_at(at);
        text.extend([line, "\n  "]);
        let one = end.chars().next().map_or(0, char::len_utf8);
        rest = &end[if end.starts_with("\r\n") { 2 } else { one }..];
    }
    text.push_str(rest);
}

/// Appends a name, in which nothing can pass for a line's end or for the end of the name.
fn push_name(name: &str, text: &mut String) {
    for character in name.chars() {
        match character {
            ':' | '\\' => text.extend(['\\', character]),
            _ if breaks_line(character) => text.push_str("\\n"),
            _ => text.push(character),
        }
    }
}
