//! `chat_tags`: the tags of a chat, each once.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::json;
use crate::rows::chat::{Chat, Event, List};
use crate::rows::classify::Kind;
use crate::rows::column::Form;
use crate::rows::entry::Entry;
use crate::rows::row::RowTexts;
use crate::rows::text::{inner, spelled};

/// Appends a row for each tag that the chat has now.
pub fn write(chat: &Chat<'_>, rows: &mut RowTexts) {
    if chat.list(List::Tags).len() == 0 {
        return;
    }
    let added = added(chat);
    let mut seen = HashSet::new();
    for (position, entry) in chat.list(List::Tags).enumerate() {
        let Some(tag) = inner(entry.text).map(spelled) else {
            // No tag is a text like this, for the mark of texts is another.
            let mut row = chat.row(rows, "#", position);
            row.plain("position", Some(position));
            row.extra(&[], entry.text);
            row.end();
            continue;
        };
        if !seen.insert(tag.clone()) {
            continue;
        }
        let mut row = chat.row(rows, "|", &tag);
        row.inner("tag", &tag);
        row.plain("position", Some(position));
        if let Some((entry, event)) = added.get(&tag) {
            if let Some(timestamp) = entry.value("timestamp") {
                // As it came it stands in `chat_events`.
                let _ = Form::Instant.write("first_tagged_at", timestamp, &mut row);
            }
            row.plain("tagged_by_agent_id", event.agent);
        }
        row.end();
    }
}

/// Each tag with the first event that added it.
fn added<'chat, 'text>(chat: &'chat Chat<'text>) -> HashMap<Cow<'text, str>, (Entry<'chat, 'text>, &'chat Event)> {
    let mut added = HashMap::new();
    for (entry, event) in chat.events().filter(|(_, event)| event.kind == Kind::Tags) {
        let before: HashSet<_> = texts(entry.value("tags")).collect();
        for tag in texts(entry.value("new_tags")).filter(|tag| !before.contains(tag)) {
            added.entry(tag).or_insert((entry, event));
        }
    }
    added
}

/// The texts of a list, in the spelling that equal texts share.
fn texts(list: Option<&str>) -> impl Iterator<Item = Cow<'_, str>> {
    let list = list.filter(|list| list.starts_with('[')).unwrap_or("[]");
    json::elements(list).into_iter().filter_map(inner).map(spelled)
}
