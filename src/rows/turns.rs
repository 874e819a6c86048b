//! The turns of a transcript: what was said in a chat, and by whom.

use std::borrow::Cow;

use crate::position::Nanos;
use crate::rows::chat::Chat;
use crate::rows::entry::Entry;
use crate::rows::instant::instant;
use crate::rows::role::Role;
use crate::rows::text::{inner, read};

/// One message, or one file.
pub struct Turn<'text> {
    /// Its place in the history.
    pub seq: usize,
    /// Who said it.
    pub role: Role,
    /// The name it is signed with.
    pub name: Option<Cow<'text, str>>,
    /// When it was said, if that is known.
    pub at: Option<Nanos>,
    /// What was written; may be empty beside a file.
    pub text: Cow<'text, str>,
    /// The file's name and type.
    pub attachment: Option<String>,
}

/// The turns of a chat in their order: T-2, T-3. Who joins, leaves or tags says nothing.
pub fn of<'text>(chat: &Chat<'text>) -> Vec<Turn<'text>> {
    let turn = |seq| {
        let (entry, event) = chat.event(seq);
        let text = entry.text("msg").map(read).unwrap_or_default();
        let attachment = attachment(entry);
        let name = entry.text("name").map(read);
        Turn { seq, role: event.role, name, at: event.at, text, attachment }
    };
    let lines = chat.lines().iter().map(|line| turn(line.seq));
    let says_something = |turn: &Turn<'_>| !turn.text.is_empty() || turn.attachment.is_some();
    lines.chain(offline(chat)).filter(says_something).collect()
}

/// What was left while nobody was online.
fn offline<'text>(chat: &Chat<'text>) -> Option<Turn<'text>> {
    let head = chat.head();
    let text = head.text("message").filter(|_| chat.is_offline()).map(read)?;
    let name = head.within("visitor", "name").and_then(inner).map(read);
    let at = head.value("timestamp").and_then(instant).map(|(at, _)| at);
    Some(Turn { seq: chat.events().count(), role: Role::Visitor, name, at, text, attachment: None })
}

/// The name and type of a file: T-7.
fn attachment(entry: Entry<'_, '_>) -> Option<String> {
    entry.value("attachment").filter(|value| value.starts_with('{'))?;
    let part = |name| entry.within("attachment", name).and_then(inner).map(read).filter(|part| !part.is_empty());
    Some(match (part("name"), part("mime_type")) {
        (Some(name), Some(mime_type)) => format!("{name} ({mime_type})"),
        (Some(one), None) | (None, Some(one)) => one.into_owned(),
        (None, None) => "file".to_owned(),
    })
}
