//! The account's data. Nothing is stored: each record is a function of the seed and of its own time, so that an hour
//! later the account holds the same past plus what is new.

mod bans;
mod chance;
mod chat;
mod chats;
mod engagements;
mod events;
mod figures;
mod history;
mod holdings;
mod later;
mod oddity;
mod pace;
mod pen;
mod people;
mod phrases;
mod series;
mod settings;
mod story;
mod timeline;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub(super) use bans::{Ban, Banned};
pub(super) use chance::Dice;
use chance::branch;
use chats::Chats;
use events::{Events, Kind};
pub use holdings::{BulkEdit, Holdings, Late};
pub(super) use pace::SECOND;
use pace::{Lateness, OPENING};
pub(super) use pen::Pen;
use people::People;
pub(super) use series::{ByEnd, Entries, Entry, Series};
pub(super) use settings::{ACCOUNT, ROUTING};
use timeline::Timeline;

/// The most records of one kind in a year, so that there is time between them.
const MOST_A_YEAR: i64 = 500_000_000;

/// One chat in this many reaches a goal.
const CHATS_A_CONVERSION: i64 = 5;

/// There is one department event per this many chats.
const CHATS_A_DEPARTMENT_EVENT: i64 = 10;

/// The streams of an account, by their names in the connector.
pub const STREAMS: [&str; 15] = [
    "accounts",
    "agents",
    "agent_timeline",
    "bans",
    "chats",
    "departments",
    "goals",
    "roles",
    "routing_settings",
    "shortcuts",
    "skills",
    "triggers",
    "agent_events",
    "conversions",
    "department_events",
];

/// A Zendesk Chat account: everything it holds, at any moment.
pub struct Account {
    seed: u64,
    bans: i64,
    people: Arc<People>,
    chats: Arc<Chats>,
    timeline: Timeline,
    agent_events: Events,
    conversions: Events,
    department_events: Events,
}

/// The five streams that are exported page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Export {
    /// Cursor in seconds, with ids.
    Chats,
    /// Cursor in microseconds, without ids.
    AgentTimeline,
    /// Cursor in seconds with a fraction.
    AgentEvents,
    /// Cursor in seconds, with ids.
    Conversions,
    /// Cursor in seconds, with ids.
    DepartmentEvents,
}

impl Export {
    /// The name in the path and in the envelope, which is also the name of the stream.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chats => "chats",
            Self::AgentTimeline => "agent_timeline",
            Self::AgentEvents => "agent_events",
            Self::Conversions => "conversions",
            Self::DepartmentEvents => "department_events",
        }
    }

    /// The export with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Chats, Self::AgentTimeline, Self::AgentEvents, Self::Conversions, Self::DepartmentEvents]
            .into_iter()
            .find(|export| export.name() == name)
    }
}

impl Account {
    /// The account with the data that `holdings` describes.
    pub fn new(holdings: &Holdings) -> Self {
        let seed = |kind| branch(holdings.seed, kind);
        let late = |kind| Lateness::new(seed(kind), holdings.late.percent.min(100).into(), holdings.late.seconds());
        let chats_a_year = whole(holdings.chats);
        let people = Arc::new(People::new(seed(0), i64::from(holdings.agents)));
        let mut chats = Chats::new(seed(1), chats_a_year, late(1), Arc::clone(&people));
        if holdings.crowded {
            chats = chats.crowded();
        }
        if let Some(edit) = holdings.bulk_edit {
            chats = chats.edited_in_bulk(edit.moment.timestamp_micros(), whole(edit.chats));
        }
        let chats = Arc::new(chats);
        let spans = holdings.spans.map_or(chats_a_year.saturating_mul(3), whole);
        let agents = Kind::Agents(Arc::clone(&people));
        let goals = Kind::Conversions(Arc::clone(&people), Arc::clone(&chats), CHATS_A_CONVERSION);
        Self {
            seed: holdings.seed,
            bans: i64::from(holdings.bans),
            timeline: Timeline::new(seed(2), spans, late(2), holdings.growing_spans, Arc::clone(&people)),
            agent_events: Events::new(seed(3), chats_a_year.saturating_mul(2), late(3), agents),
            conversions: Events::new(seed(4), chats_a_year / CHATS_A_CONVERSION, late(4), goals),
            department_events: Events::new(
                seed(5),
                chats_a_year / CHATS_A_DEPARTMENT_EVENT,
                late(5),
                Kind::Departments,
            ),
            people,
            chats,
        }
    }

    /// The seed that all data is derived from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// When the account opened. Its first year starts here and has exactly the configured number of chats.
    pub fn opening() -> DateTime<Utc> {
        DateTime::from_timestamp_micros(OPENING).unwrap_or_default()
    }

    /// Every record of a stream as it is at `now`, as JSON text, produced without paging; `None` for an unknown stream.
    pub fn truth(&self, stream: &str, now: DateTime<Utc>) -> Option<Vec<String>> {
        let now = now.timestamp_micros();
        if let Some(export) = Export::named(stream) {
            return Some(series::truth(self.series(export), now));
        }
        match stream {
            "accounts" => Some(vec![ACCOUNT.to_owned()]),
            "routing_settings" => Some(vec![ROUTING.to_owned()]),
            "agents" => Some(self.agents(now).into_iter().map(|(_, record)| record).collect()),
            "bans" => Some(self.bans(now).into_iter().map(|ban| ban.record).collect()),
            _ => self.list(stream),
        }
    }

    /// How many records of a stream are visible at `now`; `None` for an unknown stream.
    pub fn count(&self, stream: &str, now: DateTime<Utc>) -> Option<u64> {
        match Export::named(stream) {
            Some(export) => Some(series::count(self.series(export), now.timestamp_micros()).unsigned_abs()),
            None => self.truth(stream, now).map(|records| records.len() as u64),
        }
    }

    /// The records of an export.
    pub(super) fn series(&self, export: Export) -> &dyn Series {
        match export {
            Export::Chats => &*self.chats,
            Export::AgentTimeline => &self.timeline,
            Export::AgentEvents => &self.agent_events,
            Export::Conversions => &self.conversions,
            Export::DepartmentEvents => &self.department_events,
        }
    }

    /// The agents at `now`, in the order of ids.
    pub(super) fn agents(&self, now: i64) -> Vec<(i64, String)> {
        self.people.agents(now)
    }

    /// The bans at `now`, in the order of ids.
    pub(super) fn bans(&self, now: i64) -> Vec<Ban> {
        bans::bans(branch(self.seed, 6), self.bans, now)
    }

    /// The records of a stream that the service returns as one array; `None` for any other stream.
    pub(super) fn list(&self, stream: &str) -> Option<Vec<String>> {
        match stream {
            "departments" => Some(self.people.departments()),
            "goals" => Some(settings::goals()),
            "roles" => Some(self.people.roles()),
            "shortcuts" => Some(settings::shortcuts(&self.people)),
            "skills" => Some(self.people.skills()),
            "triggers" => Some(settings::triggers()),
            _ => None,
        }
    }
}

/// A number of records per year, limited to `MOST_A_YEAR`.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX).min(MOST_A_YEAR)
}

#[cfg(test)]
mod tests;
