//! The lines of a conversation: which answers a visitor, after how long, and which was never answered.

use crate::position::Nanos;
use crate::rows::chat::Event;
use crate::rows::instant::seconds;
use crate::rows::role::Role;

/// A message or a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Its place in the history.
    pub seq: usize,
    /// Whether it is an agent's, and answers lines of the visitor.
    pub is_reply: bool,
    /// Whether it is the first one that does.
    pub is_first_reply: bool,
    /// Seconds since the first of the lines that it answers, if both times are known.
    pub wait: Option<f64>,
    /// Whether it is the visitor's, and no agent wrote after it.
    pub is_unanswered: bool,
}

/// The lines among the events of a chat; their order is the truth, whatever their times say.
pub fn of(events: &[Event]) -> Vec<Line> {
    let is_agent = |event: &Event| event.kind.is_line() && event.role == Role::Agent;
    let last_of_agents = events.iter().rposition(is_agent);
    let mut open: Option<Option<Nanos>> = None;
    let mut is_replied = false;
    let mut lines = Vec::new();
    for (seq, event) in events.iter().enumerate().filter(|(_, event)| event.kind.is_line()) {
        let mut line = Line { seq, is_reply: false, is_first_reply: false, wait: None, is_unanswered: false };
        if event.role == Role::Visitor {
            // Further lines do not start the clock anew.
            open = open.or(Some(event.at));
            line.is_unanswered = last_of_agents.is_none_or(|last| last < seq);
        }
        // A trigger, a bot or the service itself answers nobody.
        if let (Role::Agent, Some(since)) = (event.role, open) {
            open = None;
            line.is_reply = true;
            line.is_first_reply = !is_replied;
            line.wait = since.zip(event.at).map(|(since, at)| (seconds(at) - seconds(since)).max(0.0));
            is_replied = true;
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::classify::Kind;
    use crate::rows::role::Decided;

    /// What the lines are of a chat whose events are given by the first letter of their role and their time in seconds.
    fn shown(chat: &[(char, Option<i64>)]) -> Vec<String> {
        let event = |&(role, at): &(char, Option<i64>)| Event {
            kind: if role == 'j' { Kind::Join } else { Kind::Message },
            role: match role {
                'v' => Role::Visitor,
                'a' | 'j' => Role::Agent,
                't' => Role::Trigger,
                _ => Role::Unknown,
            },
            decided: Decided::None,
            at: at.map(|at| Nanos::from(at) * 1_000_000_000),
            agent: None,
        };
        let line = |line: &Line| match line {
            Line { is_reply: true, is_first_reply, wait, .. } => {
                let wait = wait.map_or_else(|| "?".to_owned(), |wait| wait.to_string());
                format!("{}{wait}", if *is_first_reply { "first " } else { "reply " })
            }
            Line { is_unanswered: true, .. } => "unanswered".to_owned(),
            _ => "line".to_owned(),
        };
        of(&chat.iter().map(event).collect::<Vec<_>>()).iter().map(line).collect()
    }

    #[test]
    fn only_an_agents_line_closes_a_wait() {
        let chat = [('v', Some(1)), ('t', Some(2)), ('j', Some(3)), ('v', Some(4)), ('a', Some(9)), ('a', Some(10))];
        assert_eq!(shown(&chat), ["line", "line", "line", "first 8", "line"]);
        assert_eq!(shown(&[('a', Some(1)), ('v', Some(2)), ('t', Some(3))]), ["line", "unanswered", "line"]);
    }

    #[test]
    fn order_counts_where_times_are_missing_equal_or_wrong() {
        assert_eq!(shown(&[('v', None), ('v', Some(2)), ('a', Some(3))]), ["line", "line", "first ?"]);
        assert_eq!(
            shown(&[('v', Some(2)), ('a', Some(2)), ('v', Some(2)), ('a', None)]),
            ["line", "first 0", "line", "reply ?"]
        );
        assert_eq!(shown(&[('v', Some(5)), ('a', Some(3)), ('v', Some(3))]), ["line", "first 0", "unanswered"]);
    }
}
