//! The history of a chat as the export delivers it. Its form, older or newer, depends on when the chat began.

use super::chance::token;
use super::chat::Chat;
use super::oddity::Oddity;
use super::pace::SECOND;
use super::pen::Pen;
use super::phrases::UNNAMED;
use super::settings::GOAL_NAMES;
use super::story::{By, Entry, What};

/// The member `channel`, the same in every entry of a chat. The letters at its end are specific to the chat.
const CHANNEL: &[u8; 48] = br##","channel":"#supportchat:2314815-0000000000000","##;

/// Chats that begin at or after this moment, 2025-02-01T00:00:00Z, have entries in the newer form, except for one chat
/// in five.
const NEWER_FORM: i64 = 1_738_368_000 * SECOND;

/// How the ids of messages are written; the service has used different forms over the years.
#[derive(Clone, Copy)]
enum MessageIds {
    /// As text.
    Text,
    /// As a number.
    Number,
    /// Not at all.
    Absent,
}

impl Chat<'_> {
    /// Whether entries are in the newer form, with `index`, `sender_type`, `nick` and `agent_id`.
    fn newer_form(&self) -> bool {
        let newer = self.times.began >= NEWER_FORM && self.number % 5 != 3;
        newer || self.oddity.is_some_and(Oddity::needs_newer_form)
    }

    /// Writes the member `history`.
    pub fn write_history(&self, pen: &mut Pen) {
        if self.oddity == Some(Oddity::NullHistory) {
            pen.text(r#","history":null"#);
            return;
        }
        let (channel, newer) = (channel(self.number), self.newer_form());
        pen.text(r#","history":["#);
        for (place, entry) in self.entries.iter().enumerate() {
            pen.comma();
            if entry.what == What::Nothing {
                pen.text(if self.number % 2 == 0 { "null" } else { "\"typing\"" });
                continue;
            }
            pen.text(r#"{"type":""#).text(entry.what.kind()).text(r#"","timestamp":""#);
            if self.oddity == Some(Oddity::WholeSeconds) {
                pen.seconds(entry.at).text("\"");
            } else {
                pen.micros(entry.at).text("\"");
            }
            if newer && self.oddity != Some(Oddity::NoIndex) {
                let gap = usize::from(self.oddity == Some(Oddity::IndexGap) && place > 2);
                pen.text(r#","index":"#).count(place + gap);
            }
            pen.ascii(&channel);
            self.write_sender(pen, entry.by, newer, place);
            self.write_what(pen, entry, newer);
            pen.text("}");
        }
        pen.text("]");
    }

    /// Writes the author of entry number `place`.
    fn write_sender(&self, pen: &mut Pen, by: By, newer: bool, place: usize) {
        match by {
            By::Visitor => {
                let unnamed = self.oddity == Some(Oddity::VisitorRenamed) && place < self.entries.len() / 2;
                let name = if unnamed { UNNAMED } else { self.visitor_name };
                let rest = if newer { r#"","nick":"visitor","sender_type":"Visitor""# } else { "\"" };
                pen.text(r#""name":""#).text(name).text(rest);
            }
            By::Agent(agent) => {
                let agent = self.agents[usize::from(agent)];
                if newer {
                    pen.text(&agent.speaking);
                } else {
                    pen.text(r#""name":""#).text(&agent.name).text("\"");
                }
            }
            By::Trigger => {
                pen.text(r#""name":"Customer Service","nick":"agent:trigger""#);
                pen.text(if newer { r#","sender_type":"Trigger""# } else { "" });
            }
            By::System => {
                pen.text(r#""name":"System","nick":"system""#).text(if newer {
                    r#","sender_type":"System""#
                } else {
                    ""
                });
            }
        }
    }

    /// Writes the members that only entries of this type have.
    fn write_what(&self, pen: &mut Pen, entry: &Entry, newer: bool) {
        match entry.what {
            What::Join => self.write_join(pen, entry.by, newer),
            What::Leave(Some(reason)) if newer => _ = pen.text(r#","reason":""#).text(reason).text("\""),
            What::Line(_) | What::Picture | What::Menu => self.write_line(pen, entry, newer),
            What::Tags(before, after) => {
                pen.text(r#","tags":["#);
                write_tags(pen, &self.tags[..before]);
                pen.text(r#"],"new_tags":["#);
                write_tags(pen, &self.tags[..after]);
                pen.text("]");
            }
            What::Rating(before, after) => {
                pen.text(r#","rating":"#).quoted_or_null(before).text(r#","new_rating":""#).text(after).text("\"");
            }
            What::Comment(comment) => _ = pen.text(r#","comment":null,"new_comment":""#).text(comment).text("\""),
            What::Transfer => {
                self.write_department(pen, entry.at);
                let before = ["null", "5060", "\"5060\""];
                pen.text(r#","prev_department_id":"#).text(before[usize::from(entry.at / 1_000 % 3 == 0)]);
            }
            What::Skills => _ = pen.text(r#","skills_name":["english","français"]"#),
            What::Conversion => self.write_conversion(pen),
            What::Notice => _ = pen.text(r#","msg":"All agents are busy.""#),
            What::Queue => _ = pen.text(r#","msg":"You are number 3 in the queue.""#),
            What::Triggered => _ = pen.text(r#","trigger":"Greeting""#),
            What::File => self.write_attachment(pen, entry.at),
            What::Leave(_) | What::RatingRequest | What::Nothing => {}
        }
    }

    fn write_join(&self, pen: &mut Pen, by: By, newer: bool) {
        match by {
            By::Visitor => self.write_department(pen, self.number * 1_000),
            _ if newer && self.number % 3 == 0 => _ = pen.text(r#","source":"agent_workspace""#),
            _ => {}
        }
    }

    /// Writes a department, whose id has been seen as a number, as text and as `null`.
    fn write_department(&self, pen: &mut Pen, at: i64) {
        pen.text(r#","department_id":"#);
        match (self.department, at / 1_000 % 3) {
            (Some((id, _)), 0) => pen.integer(id),
            (Some((id, _)), 1) => pen.text("\"").integer(id).text("\""),
            _ => pen.text("null"),
        };
        pen.text(r#","department_name":"#).quoted_or_null(self.department.map(|(_, name)| name));
    }

    fn write_line(&self, pen: &mut Pen, entry: &Entry, newer: bool) {
        match entry.what {
            What::Line(text) => _ = pen.text(r#","msg":""#).text(text).text("\""),
            What::Picture => self.write_attachment(pen, entry.at),
            _ => _ = pen.text(r#","structured_msg":{"type":"BUTTON_TEMPLATE","msg":"Which one?","buttons":[]}"#),
        }
        if entry.by == By::Trigger {
            pen.text(r#","options":"Yes/No""#);
        } else if entry.by != By::System {
            pen.text(r#","options":"""#);
        }
        if entry.by == By::Visitor {
            let id = entry.at / 1_000;
            match self.message_ids(newer) {
                MessageIds::Text => pen.text(r#","msg_id":""#).integer(id).text("\""),
                MessageIds::Number => pen.text(r#","msg_id":"#).integer(id),
                MessageIds::Absent => pen,
            };
            if self.oddity == Some(Oddity::UnknownMember) {
                pen.text(r#","translation":{"language":"en","text":null}"#);
            }
        }
    }

    /// How message ids are written. The older form always has them, since only they distinguish a visitor's line from
    /// an agent's.
    fn message_ids(&self, newer: bool) -> MessageIds {
        match self.number % 7 {
            0 => MessageIds::Number,
            1 if newer => MessageIds::Absent,
            _ => MessageIds::Text,
        }
    }

    fn write_attachment(&self, pen: &mut Pen, at: i64) {
        pen.text(r#","attachment":{"name":"Bild \u0031.png","mime_type":"image/png","size":"#);
        pen.integer(1_000 + at / 1_000 % 4_000_000).text(r#","url":"https://files.example.com/"#);
        pen.ascii(&token(80, self.number)).text(r#".png"}"#);
    }

    fn write_conversion(&self, pen: &mut Pen) {
        let (goal, name) = GOAL_NAMES[self.goals[0]];
        pen.text(r#","conversion":{"id":""#).text(&self.id).text(r#".0","goal_id":"#).integer(goal);
        pen.text(r#","goal_name":""#).text(name).text(r#"","timestamp":""#).seconds(self.times.ended);
        pen.text(r#"","attribution":"#);
        self.write_attribution(pen);
        pen.text("}");
    }
}

impl What {
    /// The value of the entry's `type`.
    fn kind(self) -> &'static str {
        match self {
            Self::Join => "chat.memberjoin",
            Self::Leave(_) => "chat.memberleave",
            Self::Line(_) | Self::Picture | Self::Menu => "chat.msg",
            Self::Tags(..) => "chat.tag",
            Self::Rating(..) => "chat.rating",
            Self::Comment(_) => "chat.comment",
            Self::RatingRequest => "chat.request.rating",
            Self::Transfer => "chat.transfer",
            Self::Skills => "chat.skill",
            Self::Conversion => "chat.conversion",
            Self::Notice => "chat.event",
            Self::Queue => "chat.wait_queue",
            Self::Triggered => "chat.triggered",
            Self::File => "chat.file",
            Self::Nothing => "",
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
pub fn write_tags(pen: &mut Pen, tags: &[&str]) {
    for tag in tags {
        pen.comma().text("\"").text(tag).text("\"");
    }
}
