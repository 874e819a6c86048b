//! `chat_agents`: who served a chat.

use std::collections::HashMap;

use crate::position::{self, Nanos};
use crate::rows::chat::{Chat, List, agent_id};
use crate::rows::classify::Kind;
use crate::rows::column::id;
use crate::rows::row::RowTexts;
use crate::rows::text::spelled;

/// What an agent did in a chat.
#[derive(Default)]
struct Service<'text> {
    name: Option<&'text str>,
    is_listed: bool,
    engagements: usize,
    first_join: Option<Nanos>,
    last_leave: Option<Nanos>,
    messages: usize,
    first_reply: Option<f64>,
}

/// The agents of a chat in the order in which they are seen first: in the history, the engagements, the list of ids.
#[derive(Default)]
struct Agents<'text> {
    places: HashMap<i64, usize>,
    all: Vec<(i64, Service<'text>)>,
}

impl<'text> Agents<'text> {
    fn of(chat: &Chat<'text>) -> Self {
        let mut agents = Self::default();
        for (entry, event) in chat.events() {
            let Some(agent) = event.agent else { continue };
            let service = agents.service(agent);
            service.name = service.name.or(entry.text("name"));
            match event.kind {
                Kind::Join => service.first_join = service.first_join.or(event.at),
                Kind::Leave => service.last_leave = event.at.or(service.last_leave),
                kind => service.messages += usize::from(kind.is_line()),
            }
        }
        for line in chat.lines().iter().filter(|line| line.is_reply).rev() {
            if let Some(agent) = chat.event(line.seq).1.agent {
                agents.service(agent).first_reply = line.wait;
            }
        }
        for entry in chat.list(List::Engagements) {
            let Some(agent) = agent_id(entry) else { continue };
            let service = agents.service(agent);
            // What an engagement says of the name goes before what a line is signed with; the last one is the newest.
            service.name = entry.text("agent_name").or(service.name);
            service.engagements += 1;
        }
        for agent in chat.list(List::AgentIds).filter_map(|entry| id(entry.text)) {
            agents.service(agent).is_listed = true;
        }
        agents
    }

    fn service(&mut self, agent: i64) -> &mut Service<'text> {
        let place = *self.places.entry(agent).or_insert(self.all.len());
        if place == self.all.len() {
            self.all.push((agent, Service::default()));
        }
        &mut self.all[place].1
    }
}

/// Appends a row for each agent whose id is known.
pub fn write(chat: &Chat<'_>, rows: &mut RowTexts) {
    for (position, (agent, service)) in Agents::of(chat).all.into_iter().enumerate() {
        let mut row = chat.row(rows, "|", agent);
        row.plain("agent_id", Some(agent));
        row.plain("position", Some(position));
        if let Some(name) = service.name {
            row.inner("agent_name", &spelled(name));
        }
        row.plain("in_agent_ids", Some(service.is_listed));
        row.plain("engagements", Some(service.engagements));
        for (name, at) in [("first_join", service.first_join), ("last_leave", service.last_leave)] {
            if let Some(written) = at.and_then(position::written) {
                row.inner(name, &written);
            }
        }
        row.plain("messages", Some(service.messages));
        row.plain("first_reply_seconds", service.first_reply);
        row.end();
    }
}
