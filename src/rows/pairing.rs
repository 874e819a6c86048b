//! Which agent a name belongs to, as the engagements of a chat pair them.

use std::borrow::Cow;

use crate::rows::chat::{Chat, List, agent_id};
use crate::rows::column::id;
use crate::rows::entry::Entry;
use crate::rows::role::agent_of_nick;
use crate::rows::text::spelled;

/// Which names the engagements of a chat pair with which agents.
#[derive(Default)]
pub struct Pairing<'text> {
    pairs: Vec<(Cow<'text, str>, i64)>,
}

impl<'text> Pairing<'text> {
    /// The pairs of a chat.
    pub fn of(chat: &Chat<'text>) -> Self {
        let pair = |entry: Entry<'_, 'text>| Some((spelled(entry.text("agent_name")?), agent_id(entry)?));
        let mut pairs: Vec<_> = chat.list(List::Engagements).filter_map(pair).collect();
        pairs.sort_unstable();
        pairs.dedup();
        Self { pairs }
    }

    /// The agent of that name, if there is just one.
    pub fn agent(&self, name: &str) -> Option<i64> {
        let first = self.pairs.partition_point(|(paired, _)| paired.as_ref() < name);
        let mut agents = self.pairs[first..].iter().take_while(|(paired, _)| paired == name).map(|&(_, agent)| agent);
        let agent = agents.next()?;
        agents.next().is_none().then_some(agent)
    }
}

/// The agent who caused an entry: by id, by the name in the chat room, or by the name if only one agent bears it.
pub fn agent(entry: Entry<'_, '_>, pairing: &Pairing<'_>) -> Option<i64> {
    if let Some(value) = entry.value("agent_id").filter(|&value| value != "\"\"") {
        return id(value);
    }
    let nick = entry.text("nick").map(spelled);
    if let Some(digits) = nick.as_deref().and_then(agent_of_nick) {
        return digits.parse().ok();
    }
    pairing.agent(&spelled(entry.text("name")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_two_agents_bear_is_nobodys() {
        let record = r#"{"agent_names":["Mara","Sam"],"engagements":[
            {"agent_name":"Mara","agent_id":"5"},{"agent_name":"Mara","agent_id":5},
            {"agent_name":"Sam","agent_id":6},{"agent_name":"Sam","agent_id":7},{"agent_name":"Kim","agent_id":"x"}],
            "history":[{"name":"M\u0061ra"},{"name":"Sam"},{"name":"Sam","agent_id":"7"},{"name":"Sam","nick":"agent:6"},
            {"name":"Mara","agent_id":"x"},{"name":"Mara","sender_type":"trigger"}]}"#;
        let chat = Chat::parse(record).unwrap();
        let agents: Vec<_> = chat.events().map(|(_, event)| event.agent).collect();
        assert_eq!(agents, [Some(5), None, Some(7), Some(6), None, None]);
        assert_eq!(chat.pairing().agent("Kim"), None);
    }
}
