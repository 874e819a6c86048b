//! What holds of all rows: the golden chat, single cases, any chat at all, and the schemas.

use serde_json::{Map, Value};

use super::*;

mod any;
mod cases;
mod golden;
mod schema;

/// Every child with the name of its stream.
const CHILDREN: [(Child, &str); 8] = [
    (Child::Events, "chat_events"),
    (Child::Messages, "chat_messages"),
    (Child::Engagements, "chat_engagements"),
    (Child::Agents, "chat_agents"),
    (Child::Tags, "chat_tags"),
    (Child::Webpath, "chat_webpath"),
    (Child::Conversions, "chat_conversions"),
    (Child::Transcripts, "transcripts"),
];

/// The texts of the rows of a child.
fn texts(child: Child, record: &str) -> Vec<String> {
    let mut rows = RowTexts::new();
    write(child, &Chat::parse(record).unwrap(), &mut rows);
    assert_eq!(rows.len(), rows.iter().count());
    rows.iter().map(str::to_owned).collect()
}

/// The rows of a child, halves of surrogate pairs replaced, so that `serde_json` reads them.
fn rows(child: Child, record: &str) -> Vec<Map<String, Value>> {
    let read = |text: &String| {
        serde_json::from_str(&crate::json::text::paired(text)).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    texts(child, record).iter().map(read).collect()
}
