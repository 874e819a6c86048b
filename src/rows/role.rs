//! ROLE: who caused an entry of the history, and which rule decided it. Nothing is guessed.

use std::borrow::Cow;

use crate::rows::chat::{Chat, List};
use crate::rows::entry::Entry;
use crate::rows::text::{inner, spelled};

/// Who caused an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whoever wrote in.
    Visitor,
    /// A person who serves.
    Agent,
    /// A rule of the account that writes by itself.
    Trigger,
    /// A machine that serves.
    Bot,
    /// The service.
    System,
    /// No rule decides.
    Unknown,
}

/// Which rule decided who caused an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// The kind of sender that it names.
    SenderType,
    /// The name in the chat room.
    Nick,
    /// The id of an agent.
    AgentId,
    /// The id that a visitor's browser gives to a message.
    MsgId,
    /// The name.
    Name,
    /// Nothing.
    None,
}

/// The names of those who take part in a chat.
pub struct Names<'text> {
    agents: Vec<Cow<'text, str>>,
    visitor: Option<Cow<'text, str>>,
    joined: Option<Cow<'text, str>>,
}

impl Role {
    /// How rows call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
            Self::Trigger => "trigger",
            Self::Bot => "bot",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }
}

impl Decided {
    /// How rows call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SenderType => "sender_type",
            Self::Nick => "nick",
            Self::AgentId => "agent_id",
            Self::MsgId => "msg_id",
            Self::Name => "name",
            Self::None => "none",
        }
    }
}

impl<'text> Names<'text> {
    /// The names that a chat holds.
    pub fn of(chat: &Chat<'text>) -> Self {
        let mut agents: Vec<_> = chat.list(List::AgentNames).filter_map(|name| inner(name.text)).map(spelled).collect();
        agents.sort_unstable();
        // Only a visitor's join names a department, be it null.
        let joins = |entry: &Entry<'_, '_>| {
            let is_join = entry.text("type").is_some_and(|name| spelled(name).ends_with("memberjoin"));
            is_join && (entry.has("department_id") || entry.has("department_name"))
        };
        let joined = chat.list(List::History).find(joins).and_then(|entry| entry.text("name"));
        let visitor = chat.head().within("visitor", "name").and_then(inner);
        Self { agents, visitor: visitor.map(spelled), joined: joined.map(spelled) }
    }

    /// Whose name it is, if that is certain.
    fn role(&self, name: &str) -> Option<Role> {
        let is_visitor = self.visitor.as_deref() == Some(name);
        if !is_visitor && self.agents.binary_search_by(|agent| agent.as_ref().cmp(name)).is_ok() {
            return Some(Role::Agent);
        }
        (is_visitor || self.joined.as_deref() == Some(name)).then_some(Role::Visitor)
    }
}

/// Who caused an entry, by the first rule that decides.
pub fn role(entry: Entry<'_, '_>, names: &Names<'_>) -> (Role, Decided) {
    if let Some(role) = entry.text("sender_type").and_then(by_sender_type) {
        return (role, Decided::SenderType);
    }
    if let Some(role) = entry.text("nick").and_then(|nick| by_nick(&spelled(nick))) {
        return (role, Decided::Nick);
    }
    if names_something(entry, "agent_id") {
        return (Role::Agent, Decided::AgentId);
    }
    if names_something(entry, "msg_id") {
        return (Role::Visitor, Decided::MsgId);
    }
    match entry.text("name").and_then(|name| names.role(&spelled(name))) {
        Some(role) => (role, Decided::Name),
        None => (Role::Unknown, Decided::None),
    }
}

/// Whether a member is an id: a number, or a text that is not empty.
fn names_something(entry: Entry<'_, '_>, member: &str) -> bool {
    let is_id = |first: char| first == '"' || first.is_ascii_digit();
    entry.value(member).is_some_and(|value| value != "\"\"" && value.starts_with(is_id))
}

/// The role that a kind of sender names; how the service spells it is not documented.
fn by_sender_type(sender_type: &str) -> Option<Role> {
    let sender_type = spelled(sender_type);
    let has =
        |part: &str| sender_type.as_bytes().windows(part.len()).any(|at| at.eq_ignore_ascii_case(part.as_bytes()));
    let roles = [
        ("visitor", Role::Visitor),
        ("end", Role::Visitor),
        ("agent", Role::Agent),
        ("trigger", Role::Trigger),
        ("bot", Role::Bot),
        ("system", Role::System),
    ];
    roles.into_iter().find(|(part, _)| has(part)).map(|(_, role)| role)
}

/// The role that a name in the chat room stands for.
fn by_nick(nick: &str) -> Option<Role> {
    match nick {
        "agent:trigger" => Some(Role::Trigger),
        "agent:system" => Some(Role::System),
        _ if nick.starts_with("visitor") => Some(Role::Visitor),
        _ if nick.starts_with("system") => Some(Role::System),
        _ => agent_of_nick(nick).map(|_| Role::Agent),
    }
}

/// The digits that name an agent in the chat room.
pub fn agent_of_nick(nick: &str) -> Option<&str> {
    let digits = nick.strip_prefix("agent:")?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The role of the last entry of a chat with the agents Mara and Ana, and the visitor Ana who joined as Guest.
    fn role_of(entry: &str) -> (&'static str, &'static str) {
        let record = format!(
            r#"{{"agent_names":["Mara","Ana"],"visitor":{{"name":"Ana"}},"history":[
                {{"type":"chat.memberjoin","name":"Mara"}},
                {{"type":"chat.memberjoin","name":"Guest","department_id":null}},{entry}]}}"#
        );
        let chat = Chat::parse(&record).unwrap();
        let (_, event) = chat.event(2);
        (event.role.name(), event.decided.name())
    }

    #[test]
    fn the_first_rule_that_decides_tells_who_it_was() {
        for (entry, role, decided) in [
            (r#"{"sender_type":"EndUser","agent_id":"5"}"#, "visitor", "sender_type"),
            (r#"{"sender_type":"Visitor"}"#, "visitor", "sender_type"),
            (r#"{"sender_type":"AGENT","msg_id":"5"}"#, "agent", "sender_type"),
            (r#"{"sender_type":"trigger"}"#, "trigger", "sender_type"),
            (r#"{"sender_type":"AnswerBot"}"#, "bot", "sender_type"),
            (r#"{"sender_type":"System","name":"Mara"}"#, "system", "sender_type"),
            (r#"{"sender_type":"?","nick":"visitor:5"}"#, "visitor", "nick"),
            (r#"{"nick":"agent:\u0074rigger","agent_id":"5"}"#, "trigger", "nick"),
            (r#"{"nick":"agent:system"}"#, "system", "nick"),
            (r#"{"nick":"system.5"}"#, "system", "nick"),
            (r#"{"nick":"agent:5"}"#, "agent", "nick"),
            (r#"{"nick":"agent:five","agent_id":"5","msg_id":"1"}"#, "agent", "agent_id"),
            (r#"{"agent_id":5}"#, "agent", "agent_id"),
            (r#"{"agent_id":"","msg_id":1789373462404,"name":"Mara"}"#, "visitor", "msg_id"),
            (r#"{"agent_id":null,"msg_id":"1789373462404"}"#, "visitor", "msg_id"),
            (r#"{"name":"M\u0061ra"}"#, "agent", "name"),
            (r#"{"name":"Ana"}"#, "visitor", "name"),
            (r#"{"name":"Guest"}"#, "visitor", "name"),
            (r#"{"name":"Nobody"}"#, "unknown", "none"),
            (r#"{"type":"chat.msg","msg":"a"}"#, "unknown", "none"),
            ("5", "unknown", "none"),
        ] {
            assert_eq!(role_of(entry), (role, decided), "{entry}");
        }
    }
}
