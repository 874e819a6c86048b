//! What happened in a chat, entry by entry.

use super::chance::{Dice, token};
use super::chat::Chat;
use super::pace::SECOND;
use super::pen::Pen;
use super::phrases::{ANSWERS, QUESTIONS};

/// The members that tell of the visitor in an entry.
const VISITOR: &str = r#""name":"Visitor","nick":"visitor","sender_type":"Visitor""#;

/// The member that every entry has alike; the letters at its end are the chat's own.
const CHANNEL: &[u8; 48] = br##","channel":"#supportchat:2314815-0000000000000","##;

/// How ids of messages are written: the service changed its mind over the years.
#[derive(Clone, Copy)]
enum MessageIds {
    /// As text.
    Text,
    /// As a number.
    Number,
    /// Not at all.
    Absent,
}

/// A history under construction.
struct History {
    dice: Dice,
    channel: [u8; CHANNEL.len()],
    at: i64,
    step: i64,
    index: i64,
}

impl History {
    /// Begins an entry; its own members and a closing brace are to follow.
    fn entry(&mut self, pen: &mut Pen, kind: &str) {
        pen.comma().text(r#"{"type":""#).text(kind).text(r#"","timestamp":""#).micros(self.at);
        pen.text(r#"","index":"#).integer(self.index).ascii(&self.channel);
        self.index += 1;
        self.at += self.step + self.dice.below(self.step);
    }

    /// Something that one of the two sides did without saying anything.
    fn act(&mut self, pen: &mut Pen, kind: &str, who: &str) {
        self.entry(pen, kind);
        pen.text(who).text("}");
    }
}

impl Chat<'_> {
    /// Writes the member `history`.
    pub fn write_history(&mut self, pen: &mut Pen) {
        let steps = 2 * (self.messages + 8);
        let mut history = History {
            dice: Dice::new(self.dice.bits(), self.number),
            channel: channel(self.number),
            at: self.times.began + self.dice.below(SECOND),
            step: self.times.lasted * SECOND / steps,
            index: 0,
        };
        pen.text(r#","history":["#);
        self.write_arrival(&mut history, pen);
        for place in 0..self.messages {
            if place == self.messages / 2 {
                self.write_handover(&mut history, pen);
            }
            self.write_message(&mut history, pen, place);
        }
        self.write_labels(&mut history, pen);
        history.act(pen, "chat.memberleave", VISITOR);
        if let Some(agent) = self.agents.last() {
            history.entry(pen, "chat.memberleave");
            pen.text(&agent.speaking).text(r#","reason":"disconnect_user"}"#);
        }
        pen.text("]");
    }

    /// Writes how both sides came in.
    fn write_arrival(&self, history: &mut History, pen: &mut Pen) {
        if history.dice.percent(5) {
            history.entry(pen, "chat.triggered");
            pen.text(
                r#""name":"Customer Service","sender_type":"Trigger","msg":"Can we help you?","options":"Yes/No"}"#,
            );
        }
        history.act(pen, "chat.memberjoin", VISITOR);
        if let Some(agent) = self.agents.first() {
            history.entry(pen, "chat.memberjoin");
            pen.text(&agent.speaking);
            // A department's id has been seen as a number, as text and as nothing.
            match (self.department, history.dice.below(3)) {
                (Some((id, _)), 0) => pen.text(r#","department_id":"#).integer(id),
                (Some((id, _)), 1) => pen.text(r#","department_id":""#).integer(id).text("\""),
                _ => pen.text(r#","department_id":null"#),
            };
            pen.text("}");
        }
    }

    /// Writes message number `place`.
    fn write_message(&self, history: &mut History, pen: &mut Pen, place: i64) {
        let by_agent = self.by_agent >> place & 1 == 1;
        let ids = match self.number % 7 {
            0 => MessageIds::Number,
            1 => MessageIds::Absent,
            _ => MessageIds::Text,
        };
        let id = history.at / 1_000;
        history.entry(pen, "chat.msg");
        let speaker = if place < self.messages / 2 { self.agents.first() } else { self.agents.last() };
        match speaker {
            Some(agent) if by_agent => {
                pen.text(&agent.speaking).text(r#","msg":""#).text(history.dice.pick(ANSWERS)).text("\"}");
                return;
            }
            _ => pen.text(VISITOR).text(r#","msg":""#).text(history.dice.pick(QUESTIONS)).text("\""),
        };
        match ids {
            MessageIds::Text => pen.text(r#","msg_id":""#).integer(id).text("\""),
            MessageIds::Number => pen.text(r#","msg_id":"#).integer(id),
            MessageIds::Absent => pen,
        };
        if history.dice.below(200) == 0 {
            pen.text(r#","translation":{"language":"en","text":null}"#);
        }
        pen.text("}");
    }

    /// Writes what may happen in the middle: another agent, a file, a skill.
    fn write_handover(&self, history: &mut History, pen: &mut Pen) {
        if let [first, second] = self.agents[..] {
            history.entry(pen, "chat.transfer");
            pen.text(&first.speaking).text(r#","department_id":"#).integer_or_null(self.department.map(|(id, _)| id));
            pen.text(r#","department_name":"#).quoted_or_null(self.department.map(|(_, name)| name));
            pen.text(r#","prev_department_id":"#).text(history.dice.pick(&["null", "5060", "\"5060\""])).text("}");
            history.act(pen, "chat.memberjoin", &second.speaking);
            history.act(pen, "chat.memberleave", &first.speaking);
        }
        if history.dice.percent(4) {
            history.entry(pen, "chat.file");
            pen.text(VISITOR).text(r#","attachment":{"name":"Bild \u0031.png","mime_type":"image/png","size":"#);
            pen.integer(history.dice.between(1_000, 4_000_000)).text(r#","url":"https://files.example.com/a.png"}}"#);
        }
        if history.dice.percent(3) {
            history.entry(pen, "chat.skill");
            pen.text(r#""name":"System","sender_type":"System","skills_name":["english","français"]}"#);
        }
    }

    /// Writes the tags, the rating and the comment.
    fn write_labels(&self, history: &mut History, pen: &mut Pen) {
        if let (Some(agent), false) = (self.agents.last(), self.tags.is_empty()) {
            history.entry(pen, "chat.tag");
            pen.text(&agent.speaking).text(r#","tags":["#);
            write_tags(pen, &self.tags[..self.tags.len() - 1]);
            pen.text(r#"],"new_tags":["#);
            write_tags(pen, &self.tags);
            pen.text("]}");
        }
        if let Some(rating) = self.rating {
            history.entry(pen, "chat.rating");
            pen.text(VISITOR).text(r#","rating":null,"new_rating":""#).text(rating).text("\"}");
        }
        if let Some(comment) = self.comment {
            history.entry(pen, "chat.comment");
            pen.text(VISITOR).text(r#","comment":null,"new_comment":""#).text(comment).text("\"}");
        }
    }
}

/// The channel of chat `number`.
fn channel(number: i64) -> [u8; CHANNEL.len()] {
    let mut channel = *CHANNEL;
    let letters = CHANNEL.len() - 15..CHANNEL.len() - 2;
    channel[letters].copy_from_slice(&token(79, number));
    channel
}

/// Writes the items of an array of tags.
fn write_tags(pen: &mut Pen, tags: &[&str]) {
    for tag in tags {
        pen.comma().text("\"").text(tag).text("\"");
    }
}
