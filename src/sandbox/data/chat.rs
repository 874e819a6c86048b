//! One chat as the export tells it: every shape that real accounts show, oddities included.

use super::chance::{Dice, token};
use super::chats::{Chats, Standing, Times};
use super::pace::SECOND;
use super::pen::Pen;
use super::people::{Agent, DEPARTMENTS, People};
use super::phrases::{BROWSERS, COMMENTS, NOTES, PAGES, PLACES, REFERRERS, TAGS, VISITORS};
use super::settings::GOAL_NAMES;

/// Everything about one chat that more than one of its members tells.
pub struct Chat<'a> {
    /// The chat's number.
    pub number: i64,
    /// When it took place.
    pub times: Times,
    /// Its department: id and name.
    pub department: Option<(i64, &'static str)>,
    /// The agents who took part: none in a missed chat, two where it was handed over.
    pub agents: Vec<&'a Agent>,
    /// How many messages were written.
    pub messages: i64,
    /// Which of them an agent wrote, one bit each.
    pub by_agent: u64,
    /// Its rating.
    pub rating: Option<&'static str>,
    /// What the visitor said with the rating.
    pub comment: Option<&'static str>,
    /// Its labels.
    pub tags: Vec<&'static str>,
    /// Its further throws.
    pub dice: Dice,
    id: String,
    standing: Standing,
    offline: bool,
}

impl<'a> Chat<'a> {
    /// Chat `number` in the version that stands.
    pub fn draw(chats: &Chats, people: &'a People, number: i64, standing: Standing) -> Self {
        let mut dice = chats.dice(number);
        let times = chats.times(number);
        let offline = dice.percent(6);
        let missed = dice.percent(7);
        let mut agents = Vec::new();
        if !missed && !offline {
            agents.push(people.any_agent(&mut dice));
            if dice.percent(12) {
                agents.push(people.any_agent(&mut dice));
            }
        }
        let messages = if missed { 1 } else { talk(&mut dice) };
        let by_agent = if missed { 0 } else { dice.bits() & ((1 << messages) - 1) };
        let department = dice.percent(75).then(|| DEPARTMENTS[dice.pick_index(DEPARTMENTS.len())]);
        let mut tags: Vec<_> = (0..dice.below(4)).map(|_| dice.pick(TAGS)).collect();
        let rated = dice.percent(if standing.updated { 70 } else { 15 });
        let rating = rated.then(|| dice.pick(&["good", "bad"]));
        let comment = (rated && dice.percent(60)).then(|| dice.pick(COMMENTS));
        if standing.updated {
            tags.push("updated");
        }
        if standing.edited {
            tags.push("bulk-edit");
        }
        Self {
            number,
            times,
            department: department.map(|(id, name, _)| (id, name)),
            agents,
            messages,
            by_agent,
            rating,
            comment,
            tags,
            dice,
            id: chats.id_of(number, times.began),
            standing,
            offline,
        }
    }

    /// Writes the record.
    pub fn write(mut self, pen: &mut Pen) {
        pen.text(r#"{"id":""#).text(&self.id).text(r#"","timestamp":""#).seconds(self.times.began);
        pen.text(r#"","update_timestamp":""#).seconds(self.standing.moment).text("\"");
        if self.offline {
            self.write_offline(pen);
        } else {
            self.write_conversation(pen);
        }
        self.write_common(pen);
        pen.text("}");
    }

    /// Writes what only an offline message has.
    fn write_offline(&mut self, pen: &mut Pen) {
        pen.text(r#","type":"offline_msg","message":""#).text(self.dice.pick(NOTES)).text(r#"","webpath":["#);
        for step in 0..self.dice.below(3) {
            let (page, title) = PAGES[self.dice.pick_index(PAGES.len())];
            let seconds = self.times.began / SECOND - 60 + step * 15;
            pen.comma().text("[").integer(seconds).text(r#",""#).text(page);
            pen.text(r#"","https://www.example.org/",""#).text(title).text("\"]");
        }
        pen.text("]");
        // Offset and `Z` at once: the service wrote such stamps into sessions of offline messages.
        let zone = if self.dice.percent(50) { "+00:00Z" } else { "Z" };
        self.write_session(pen, zone);
    }

    /// Writes what only a conversation has.
    fn write_conversation(&mut self, pen: &mut Pen) {
        let started_by = self.dice.pick(&["visitor", "visitor", "visitor", "agent", "trigger"]);
        let triggered = started_by == "trigger";
        pen.text(r#","type":"chat","end_timestamp":""#).seconds(self.times.ended);
        pen.text(r#"","duration":"#).integer(self.times.lasted).text(r#","started_by":""#).text(started_by).text("\"");
        pen.text(r#","triggered":"#).boolean(triggered).text(r#","triggered_response":"#);
        if triggered {
            pen.boolean(!self.agents.is_empty())
        } else {
            pen.text("null")
        };
        pen.text(r#","missed":"#).boolean(self.agents.is_empty());
        pen.text(r#","dropped":"#).boolean(self.agents.is_empty() && self.dice.percent(30));
        pen.text(r#","proactive":"#).boolean(started_by == "agent");
        self.write_webpath(pen);
        self.write_session(pen, "Z");
        self.write_history(pen);
        self.write_engagements(pen);
        self.write_conversions(pen);
        pen.text(r#","count":"#);
        self.write_count(pen);
        pen.text(r#","response_time":"#);
        self.write_response_time(pen);
        self.write_agents(pen);
        self.write_skills(pen);
        pen.text(",").text(match self.dice.below(8) {
            number @ (0 | 1) => REFERRERS[usize::from(number == 1)],
            _ => r#""referrer_search_engine":null,"referrer_search_terms":null"#,
        });
        pen.text(r#","rating":"#).quoted_or_null(self.rating).text(r#","comment":"#).quoted_or_null(self.comment);
        // Nobody knows when a visitor gave up, unless nobody answered.
        if self.agents.is_empty() {
            pen.text(r#","abandon_time":"#).integer(self.times.lasted / 2);
        }
    }

    /// Writes what both have.
    fn write_common(&mut self, pen: &mut Pen) {
        pen.text(r#","visitor":{"id":"10414779-"#).ascii(&token(77, self.number / 3)).text("\",");
        pen.text(self.dice.pick(VISITORS)).text(r#"},"department_id":"#);
        pen.integer_or_null(self.department.map(|(id, _)| id)).text(r#","department_name":"#);
        pen.quoted_or_null(self.department.map(|(_, name)| name)).text(r#","tags":["#);
        for tag in &self.tags {
            pen.comma().text("\"").text(tag).text("\"");
        }
        pen.text(r#"],"unread":"#).text(self.dice.pick(&["false", "false", "false", "true", "0", "1"]));
        let deleted = self.dice.percent(if self.standing.updated { 8 } else { 0 }) || self.dice.below(1_000) == 0;
        pen.text(r#","deleted":"#).boolean(deleted).text(r#","zendesk_ticket_id":"#);
        let ticketed = self.standing.updated || self.dice.percent(20);
        pen.integer_or_null(ticketed.then_some(1_000 + self.number));
        if self.dice.percent(2) {
            pen.text(r#","sentiment":{"label":"neutral","score":0.5,"trend":[1,null,"up"]}"#);
        }
    }

    /// Writes the visit in which the chat took place; its stamps end in `zone`.
    fn write_session(&mut self, pen: &mut Pen, zone: &str) {
        let dice = &mut self.dice;
        pen.text(r#","session":{"id":""#)
            .year_and_month(self.times.began)
            .text(".10414779.")
            .ascii(&token(78, self.number));
        pen.text(r#"","ip":""#).integer(dice.between(1, 223)).text(".").integer(dice.below(256)).text(".");
        pen.integer(dice.below(256)).text(".").integer(dice.below(256)).text("\",");
        pen.text(dice.pick(PLACES)).text(",").text(dice.pick(BROWSERS)).text(r#","start_date":""#);
        pen.moment(self.times.began - dice.between(5, 900) * SECOND).text(zone);
        pen.text(r#"","end_date":""#);
        pen.moment(self.times.ended + dice.between(1, 300) * SECOND).text(zone);
        pen.text(r#"""#);
        if dice.percent(1) {
            pen.text(r#","webrtc":{"codec":"none"}"#);
        }
        pen.text("}");
    }

    /// Writes the pages that were visited, as objects.
    fn write_webpath(&mut self, pen: &mut Pen) {
        pen.text(r#","webpath":["#);
        let mut from = "";
        for step in 0..self.dice.below(3) {
            let (page, title) = PAGES[self.dice.pick_index(PAGES.len())];
            pen.comma().text(r#"{"from":""#).text(from).text(r#"","timestamp":""#);
            pen.seconds(self.times.began - (60 - step * 15) * SECOND);
            pen.text(r#"","to":""#).text(page).text(r#"","title":""#).text(title).text("\"}");
            from = page;
        }
        pen.text("]");
    }

    /// Writes one engagement an agent.
    fn write_engagements(&mut self, pen: &mut Pen) {
        pen.text(r#","engagements":["#);
        let share = self.times.lasted * SECOND / i64::try_from(self.agents.len()).unwrap_or(1).max(1);
        for place in 0..self.agents.len() {
            let agent = self.agents[place];
            let began = self.times.began + share * i64::from(place > 0);
            pen.comma().text(r#"{"id":""#).text(&self.id).text(".").integer(i64::from(place > 0));
            // The service writes these two ids as numbers or as text.
            let quote = if self.dice.percent(50) { "\"" } else { "" };
            pen.text(r#"","agent_id":"#).text(quote).integer(agent.id).text(quote);
            pen.text(r#","agent_name":""#).text(&agent.name).text(r#"","agent_full_name":""#).text(&agent.full_name);
            pen.text(r#"","department_id":"#);
            match self.department {
                Some((id, _)) => pen.text(quote).integer(id).text(quote),
                None => pen.text("null"),
            };
            pen.text(r#","timestamp":""#).seconds(began).text(r#"","duration":"#).fraction(share - 1_234_567);
            pen.text(r#","accepted":true,"assigned":"#).boolean(self.dice.percent(70));
            pen.text(r#","started_by":""#).text(if place > 0 { "transfer" } else { "visitor" });
            pen.text(r#"","rating":"#).quoted_or_null(self.rating).text(r#","comment":"#).quoted_or_null(self.comment);
            pen.text(r#","count":"#);
            self.write_count(pen);
            pen.text(r#","response_time":"#);
            self.write_response_time(pen);
            pen.text(r#","skills_requested":[],"skills_fulfilled":"#).boolean(self.dice.percent(40)).text("}");
        }
        pen.text("]");
    }

    /// Writes the goals that the visitor reached.
    fn write_conversions(&mut self, pen: &mut Pen) {
        pen.text(r#","conversions":["#);
        let conversions = if self.dice.percent(15) { self.dice.between(1, 2) } else { 0 };
        // The service tells at most the last twenty.
        let conversions = if self.number % 500 == 7 { 20 } else { conversions };
        for place in 0..conversions {
            let (goal, name) = GOAL_NAMES[self.dice.pick_index(GOAL_NAMES.len())];
            pen.comma()
                .text(r#"{"id":""#)
                .text(&self.id)
                .text(".")
                .integer(place)
                .text(r#"","goal_id":"#)
                .integer(goal);
            pen.text(r#","goal_name":""#)
                .text(name)
                .text(r#"","timestamp":""#)
                .seconds(self.times.ended - place * SECOND);
            pen.text(r#"","attribution":{"agent_id":"#).integer_or_null(self.agents.first().map(|agent| agent.id));
            pen.text(r#","agent_name":"#).quoted_or_null(self.agents.first().map(|agent| agent.name.as_str()));
            pen.text(r#","department_id":"#).integer_or_null(self.department.map(|(id, _)| id));
            pen.text(r#","department_name":"#).quoted_or_null(self.department.map(|(_, name)| name));
            pen.text(r#","chat_timestamp":""#).seconds(self.times.began).text("\"}}");
        }
        pen.text("]");
    }

    /// Writes how many messages there were.
    fn write_count(&self, pen: &mut Pen) {
        let by_agent = i64::from(self.by_agent.count_ones());
        pen.text(r#"{"total":"#).integer(self.messages).text(r#","agent":"#).integer(by_agent);
        pen.text(r#","visitor":"#).integer(self.messages - by_agent).text("}");
    }

    /// Writes how fast the agents answered.
    fn write_response_time(&mut self, pen: &mut Pen) {
        if self.by_agent == 0 {
            pen.text(r#"{"first":null,"avg":null,"max":null}"#);
            return;
        }
        let first = self.dice.between(1, 90);
        pen.text(r#"{"first":"#).integer(first).text(r#","avg":"#);
        if self.dice.percent(40) {
            pen.integer(first)
        } else {
            pen.fraction(first * SECOND + 685_714)
        };
        pen.text(r#","max":"#).integer(first * 2).text("}");
    }

    /// Writes who took part.
    fn write_agents(&self, pen: &mut Pen) {
        pen.text(r#","agent_ids":["#);
        for agent in &self.agents {
            pen.comma().text("\"").integer(agent.id).text("\"");
        }
        pen.text(r#"],"agent_names":["#);
        for agent in &self.agents {
            pen.comma().text("\"").text(&agent.name).text("\"");
        }
        pen.text("]");
    }

    /// Writes what was asked of the agents.
    fn write_skills(&mut self, pen: &mut Pen) {
        let asked = self.dice.percent(10);
        pen.text(r#","skills_requested":"#).text(if asked { "[1300601,1296081]" } else { "[]" });
        pen.text(r#","skills_fulfilled":"#).boolean(asked && !self.agents.is_empty());
    }
}

/// How many messages a chat has: mostly few, now and then many.
fn talk(dice: &mut Dice) -> i64 {
    if dice.percent(88) { dice.between(1, 4) } else { dice.between(5, 11) }
}
