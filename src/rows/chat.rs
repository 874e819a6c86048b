//! A chat record, taken apart once for all of its children.

use std::fmt::{Display, Write as _};

use crate::json::Malformed;
use crate::json::scan::Scanner;
use crate::position::Nanos;
use crate::rows::classify::{Kind, kind};
use crate::rows::column::id;
use crate::rows::entry::{Entry, Member, Slot, keep_last, scan, scan_member};
use crate::rows::instant::instant;
use crate::rows::lines::{self, Line};
use crate::rows::pairing::{self, Pairing};
use crate::rows::role::{Decided, Names, Role, role};
use crate::rows::row::{Row, RowTexts};
use crate::rows::text::{inner, spelled};

/// A chat record, taken apart once for all of its children.
pub struct Chat<'text> {
    text: &'text str,
    head: Vec<Member<'text>>,
    lists: [Vec<Slot<'text>>; LISTS.len()],
    members: Vec<Member<'text>>,
    pairing: Pairing<'text>,
    events: Vec<Event>,
    lines: Vec<Line>,
}

/// A list of a chat, by its place in the table of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// What happened, in order.
    History,
    /// The stretches in which one agent served it.
    Engagements,
    /// Tags.
    Tags,
    /// The pages that the visitor saw.
    Webpath,
    /// The goals that the visitor reached.
    Conversions,
    /// The ids of its agents.
    AgentIds,
    /// The names of its agents.
    AgentNames,
}

/// Each list with the members of its entries that are taken apart too.
const LISTS: [(&str, &[&str]); 7] = [
    ("history", &["attachment", "conversion"]),
    ("engagements", &["count", "response_time"]),
    ("tags", &[]),
    ("webpath", &[]),
    ("conversions", &["attribution"]),
    ("agent_ids", &[]),
    ("agent_names", &[]),
];

/// The members of the chat itself that are taken apart too.
const OPENED: &[&str] = &["count", "visitor"];

/// About how long a member is.
const BYTES_A_MEMBER: usize = 32;

/// What an entry of the history is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// What kind of event it is.
    pub kind: Kind,
    /// Who caused it.
    pub role: Role,
    /// Which rule decided that.
    pub decided: Decided,
    /// When it happened, if that is known.
    pub at: Option<Nanos>,
    /// The agent who caused it, if one did and is known.
    pub agent: Option<i64>,
}

impl<'text> Chat<'text> {
    /// Takes apart the text of a record, which is one JSON object.
    pub fn parse(record: &'text str) -> Result<Self, Malformed> {
        let mut chat = Self {
            text: record,
            head: Vec::new(),
            lists: Default::default(),
            members: Vec::with_capacity(record.len() / BYTES_A_MEMBER),
            pairing: Pairing::default(),
            events: Vec::new(),
            lines: Vec::new(),
        };
        let mut json = Scanner::new(record)?;
        json.object(|json, key| {
            let name = spelled(json.slice(key));
            match LISTS.iter().position(|(list, _)| *list == name) {
                Some(list) => scan_list(json, LISTS[list].1, &mut chat.lists[list], &mut chat.members),
                None => scan_member(json, name, OPENED, &mut chat.head),
            }
        })?;
        json.end()?;
        keep_last(&mut chat.head, 0);
        chat.pairing = Pairing::of(&chat);
        let events = chat.judged();
        chat.events = events;
        let lines = lines::of(&chat.events);
        chat.lines = lines;
        Ok(chat)
    }

    /// The chat without its lists.
    pub fn head(&self) -> Entry<'_, 'text> {
        Entry::new(self.text, &self.head)
    }

    /// The entries of a list in their order.
    pub fn list(&self, list: List) -> impl ExactSizeIterator<Item = Entry<'_, 'text>> + Clone {
        self.lists[list as usize].iter().map(|slot| slot.entry(&self.members))
    }

    /// The entries of the history with what they are.
    pub fn events(&self) -> impl Iterator<Item = (Entry<'_, 'text>, &Event)> {
        self.list(List::History).zip(&self.events)
    }

    /// An entry of the history with what it is.
    pub fn event(&self, seq: usize) -> (Entry<'_, 'text>, &Event) {
        (self.lists[List::History as usize][seq].entry(&self.members), &self.events[seq])
    }

    /// What was written, in its order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Which name is which agent's.
    pub fn pairing(&self) -> &Pairing<'text> {
        &self.pairing
    }

    /// Its id as a text between quotes; empty without one.
    pub fn id(&self) -> &'text str {
        let id = self.head().value("id").unwrap_or_default();
        inner(id).unwrap_or(if id.starts_with(['{', '[']) { "" } else { id })
    }

    /// Whether it is a message that was left while nobody was online.
    pub fn is_offline(&self) -> bool {
        self.head().text("type").is_some_and(|name| spelled(name) == "offline_msg")
    }

    /// Begins a row whose id is the chat's and, behind a mark, that of the row within it.
    pub fn row<'rows>(&self, rows: &'rows mut RowTexts, mark: &str, within: impl Display) -> Row<'rows> {
        let mut row = Row::new(rows);
        // Writing into a String cannot fail.
        let _ = write!(row.name("id"), "\"{}{mark}{within}\"", self.id());
        self.begin(&mut row);
        row
    }

    /// Writes the members of the chat that every row has.
    pub fn begin(&self, row: &mut Row<'_>) {
        let head = self.head();
        if head.value("id").is_some() {
            row.inner("chat_id", self.id());
        }
        row.raw("chat_update_timestamp", head.value("update_timestamp"));
        row.raw("chat_timestamp", head.value("timestamp"));
    }

    /// What the entries of the history are.
    fn judged(&self) -> Vec<Event> {
        let names = Names::of(self);
        let judge = |entry: Entry<'_, 'text>| {
            let (role, decided) = role(entry, &names);
            Event {
                kind: kind(entry),
                role,
                decided,
                at: entry.value("timestamp").and_then(instant).map(|(at, _)| at),
                agent: (role == Role::Agent).then(|| pairing::agent(entry, &self.pairing)).flatten(),
            }
        };
        self.list(List::History).map(judge).collect()
    }
}

/// Goes over a list, which takes the place of an earlier one; what is neither a list nor null is its only entry.
fn scan_list<'text>(
    json: &mut Scanner<'text>,
    opened: &'static [&'static str],
    list: &mut Vec<Slot<'text>>,
    members: &mut Vec<Member<'text>>,
) -> Result<(), Malformed> {
    list.clear();
    match json.peek()? {
        b'[' => json.array(|json| {
            list.push(scan(json, opened, members)?);
            Ok(())
        }),
        b'n' => json.value().map(|_| ()),
        _ => {
            list.push(scan(json, opened, members)?);
            Ok(())
        }
    }
}

/// The id of the agent that an entry names, be it a number or the text of one.
pub fn agent_id(entry: Entry<'_, '_>) -> Option<i64> {
    entry.value("agent_id").and_then(id)
}
