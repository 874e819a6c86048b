//! The counts and durations of a chat, computed from the entries of its history the way the service computes them.

use super::pace::SECOND;
use super::pen::Pen;
use super::story::{By, Entry, What};

/// The figures of a chat, or of the part that one agent served (a leg).
#[derive(Default)]
pub struct Figures {
    /// How many lines the visitor wrote.
    pub by_visitor: i64,
    /// How many lines agents wrote.
    pub by_agent: i64,
    /// The times of the first and the last line of any author.
    lines: Option<(i64, i64)>,
    /// The times of the first and the last visitor's line that no agent has answered yet.
    open: Option<(i64, i64)>,
    /// When the visitor left for the last time.
    left: Option<i64>,
    replies: i32,
    first_reply: i64,
    longest_reply: i64,
    /// The sum of all waits for replies, in seconds.
    waited: f64,
}

/// The part of a chat that one agent served.
pub struct Span {
    /// The agent's index in the chat's list of agents; `None` if the agent did not accept the chat.
    pub agent: Option<u8>,
    /// When it begins.
    pub from: i64,
    /// When it ends.
    pub until: i64,
    /// Whether the chat was assigned to the agent. If so, waits count from the assignment; otherwise the time in the
    /// queue counts too.
    pub assigned: bool,
}

impl Figures {
    /// The figures of a whole chat.
    pub fn of(entries: &[Entry]) -> Self {
        let mut figures = Self::default();
        for entry in entries {
            if entry.what.is_line() {
                figures.line(entry.at);
                match entry.by {
                    By::Visitor => figures.ask(entry.at),
                    By::Agent(_) => figures.reply(entry.at),
                    By::Trigger | By::System => {}
                }
            } else if let (By::Visitor, What::Leave(_)) = (entry.by, &entry.what) {
                figures.left = Some(entry.at);
            }
        }
        figures
    }

    /// The figures of one agent's leg. A visitor's line counts for every leg that is open at that time. A line of any
    /// agent ends a wait, but only lines of the leg's own agent count as replies.
    pub fn of_leg(entries: &[Entry], leg: &Span) -> Self {
        let mut figures = Self::default();
        for entry in entries.iter().filter(|entry| entry.what.is_line() && entry.at <= leg.until) {
            let within = entry.at >= leg.from;
            match entry.by {
                By::Visitor => {
                    figures.ask(if leg.assigned { entry.at.max(leg.from) } else { entry.at });
                    figures.by_visitor -= i64::from(!within);
                }
                By::Agent(agent) if within && leg.agent == Some(agent) => figures.reply(entry.at),
                By::Agent(_) => figures.open = None,
                By::Trigger | By::System => {}
            }
        }
        figures
    }

    fn line(&mut self, at: i64) {
        self.lines = Some((self.lines.map_or(at, |(first, _)| first), at));
    }

    fn ask(&mut self, at: i64) {
        self.by_visitor += 1;
        self.open = Some((self.open.map_or(at, |(first, _)| first), at));
    }

    fn reply(&mut self, at: i64) {
        self.by_agent += 1;
        let Some((since, _)) = self.open.take() else { return };
        if self.replies == 0 {
            self.first_reply = at - since;
        }
        self.longest_reply = self.longest_reply.max(at - since);
        self.waited += seconds(at) - seconds(since);
        self.replies += 1;
    }

    /// Seconds from the first line to the last one.
    pub fn duration(&self) -> i64 {
        self.lines.map_or(0, |(first, last)| (last - first) / SECOND)
    }

    /// Whether the visitor wrote and no agent did.
    pub fn missed(&self) -> bool {
        self.by_visitor > 0 && self.by_agent == 0
    }

    /// Whether agents wrote, but not after the visitor's last line.
    pub fn dropped(&self) -> bool {
        self.by_agent > 0 && self.open.is_some()
    }

    /// Seconds from the visitor's last line until the visitor left, if that line was not answered.
    pub fn abandon_time(&self) -> Option<i64> {
        let (_, last) = self.open?;
        Some(rounded(self.left? - last))
    }

    /// When the visitor left for the last time.
    pub fn left(&self) -> Option<i64> {
        self.left
    }

    /// Writes how many lines there were.
    pub fn write_count(&self, pen: &mut Pen) {
        pen.text(r#"{"total":"#).integer(self.by_agent + self.by_visitor).text(r#","agent":"#).integer(self.by_agent);
        pen.text(r#","visitor":"#).integer(self.by_visitor).text("}");
    }

    /// Writes how fast the agents answered.
    pub fn write_response_time(&self, pen: &mut Pen) {
        if self.replies == 0 {
            pen.text(r#"{"first":null,"avg":null,"max":null}"#);
            return;
        }
        pen.text(r#"{"first":"#).integer(rounded(self.first_reply)).text(r#","avg":"#);
        pen.double(self.waited / f64::from(self.replies));
        pen.text(r#","max":"#).integer(rounded(self.longest_reply)).text("}");
    }
}

/// Microseconds as whole seconds, rounded.
fn rounded(micros: i64) -> i64 {
    (micros + SECOND / 2).div_euclid(SECOND)
}

/// A moment in seconds as a double, as the service uses it. A double is precise to a quarter of a microsecond, and the
/// rounding errors show in the last digits of the service's averages.
#[allow(clippy::cast_precision_loss, reason = "microseconds of these centuries fit into 53 bits")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use chrono::{DateTime, Utc};
    use serde_json::Value;

    use super::*;

    /// A chat with all its figures, as the service delivered it.
    const GOLDEN: &str = include_str!("../../../tests/data/golden_chat.json");

    fn micros(stamp: &Value) -> i64 {
        stamp.as_str().unwrap().parse::<DateTime<Utc>>().unwrap().timestamp_micros()
    }

    fn entry(value: &Value) -> Entry {
        let by = if value["sender_type"] == "Visitor" { By::Visitor } else { By::Agent(0) };
        let what = match value["type"].as_str().unwrap() {
            "chat.msg" => What::Line(""),
            "chat.memberjoin" => What::Join,
            "chat.memberleave" => What::Leave(None),
            _ => What::Notice,
        };
        Entry { at: micros(&value["timestamp"]), by, what }
    }

    fn written(write: impl FnOnce(&mut Pen)) -> Value {
        let mut pen = Pen::default();
        write(&mut pen);
        serde_json::from_str(&pen.into_text()).unwrap()
    }

    #[test]
    fn the_golden_chat_is_reckoned_to_the_last_bit() {
        let chat: Value = serde_json::from_str(GOLDEN).unwrap();
        let entries: Vec<_> = chat["history"].as_array().unwrap().iter().map(entry).collect();
        let figures = Figures::of(&entries);
        assert_eq!(written(|pen| figures.write_count(pen)), chat["count"]);
        assert_eq!(written(|pen| figures.write_response_time(pen)), chat["response_time"]);
        assert_eq!(figures.duration(), chat["duration"]);
        assert_eq!((figures.missed(), figures.dropped()), (false, true));
        assert_eq!(figures.abandon_time().unwrap(), chat["abandon_time"]);
        let left = figures.left().unwrap();
        assert_eq!(left - left % SECOND, micros(&chat["end_timestamp"]));
        assert_eq!(entries[1].at.cmp(&micros(&chat["timestamp"])), Ordering::Greater);
    }

    #[test]
    fn the_leg_of_the_golden_chat_ends_when_its_agent_leaves() {
        let chat: Value = serde_json::from_str(GOLDEN).unwrap();
        let entries: Vec<_> = chat["history"].as_array().unwrap().iter().map(entry).collect();
        let span = Span { agent: Some(0), from: entries[2].at, until: entries[9].at, assigned: false };
        let (figures, leg) = (Figures::of_leg(&entries, &span), &chat["engagements"][0]);
        assert_eq!(written(|pen| figures.write_count(pen)), leg["count"]);
        assert_eq!(written(|pen| figures.write_response_time(pen)), leg["response_time"]);
        assert_eq!(written(|pen| _ = pen.fraction(span.until - span.from)), leg["duration"]);
    }

    #[test]
    fn a_chat_in_which_nobody_writes_has_no_figures() {
        let figures = Figures::of(&[]);
        assert_eq!((figures.missed(), figures.dropped(), figures.duration()), (false, false, 0));
        assert_eq!((figures.abandon_time(), figures.left()), (None, None));
        assert_eq!(written(|pen| figures.write_response_time(pen))["avg"], Value::Null);
    }
}
