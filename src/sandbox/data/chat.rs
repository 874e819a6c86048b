//! One chat as the export delivers it, in every shape that real accounts show, oddities included.

use super::chance::{Dice, token};
use super::chats::{Chats, Standing, Times};
use super::engagements::Leg;
use super::figures::Figures;
use super::history::write_tags;
use super::later::{Change, REDACTED};
use super::oddity::Oddity;
use super::pace::SECOND;
use super::pen::Pen;
use super::people::{Agent, DEPARTMENTS, People};
use super::phrases::{BROWSERS, COMMENTS, NOTES, PAGES, PLACES, REFERRERS, TAGS, VISITORS, Visitor};
use super::settings::GOAL_NAMES;
use super::story::{Entry, Story};

/// The facts about one chat that more than one member of its record depends on.
pub struct Chat<'a> {
    /// The chat's number.
    pub number: i64,
    /// When it took place.
    pub times: Times,
    /// Its department: id and name.
    pub department: Option<(i64, &'static str)>,
    /// The agents who took part: none in a missed chat, two where it was handed over.
    pub agents: Vec<&'a Agent>,
    /// How many lines both sides write in turns.
    pub lines: i64,
    /// Who opened it: `visitor`, `agent` or `trigger`.
    pub started_by: &'static str,
    /// Its oddity, if any.
    pub oddity: Option<Oddity>,
    /// Its rating.
    pub rating: Option<&'static str>,
    /// The visitor's comment on the chat.
    pub comment: Option<&'static str>,
    /// Its tags.
    pub tags: Vec<&'static str>,
    /// The goals that the visitor reached, as indices into the list of goals.
    pub goals: Vec<usize>,
    /// Whether the history records that the first goal was reached.
    pub conversion_shown: bool,
    /// The visitor's name at the end of the chat.
    pub visitor_name: &'a str,
    /// The entries of its history.
    pub entries: Vec<Entry>,
    /// The random numbers for the rest of the record.
    pub dice: Dice,
    /// Its id.
    pub id: String,
    /// The version that is visible.
    pub standing: Standing,
    /// The change with which it was delivered again, if it was.
    pub changed: Option<Change>,
    visitor: &'static Visitor,
    /// The seed of its story.
    story_seed: u64,
    /// Its engagements.
    pub legs: Vec<Leg<'a>>,
    offline: bool,
}

impl<'a> Chat<'a> {
    /// Chat `number` in the version `standing`.
    pub fn draw(chats: &Chats, people: &'a People, number: i64, standing: Standing) -> Self {
        let mut odds = chats.odds(number);
        let mut chat = Self::throw(chats, people, number, standing, &mut odds);
        if !chat.offline {
            chat.twist(people, &mut odds);
            chat.entries = Story::of(&chat, Dice::new(chat.story_seed, number));
        }
        chat.change(&mut chats.changes(number));
        chat.legs = chat.legs(people, &mut odds);
        chat
    }

    /// Draws a chat at random. Its oddity is chosen but not yet applied, and its history has no entries yet.
    fn throw(chats: &Chats, people: &'a People, number: i64, standing: Standing, odds: &mut Dice) -> Self {
        let mut dice = chats.dice(number);
        let times = chats.times(number);
        let offline = dice.percent(6);
        let missed = dice.percent(7);
        let mut agents = Vec::new();
        if !missed && !offline {
            agents.push(people.any_agent(&mut dice));
            if dice.percent(12) {
                add_agent(&mut agents, people.any_agent(&mut dice));
            }
        }
        let lines = if missed { odds.between(1, 3) } else { talk(&mut dice).max(2) };
        let story_seed = if missed { odds.bits() } else { dice.bits() };
        let department = dice.percent(75).then(|| DEPARTMENTS[dice.pick_index(DEPARTMENTS.len())]);
        let tags = (0..dice.below(4)).map(|_| dice.pick(TAGS)).collect();
        let rated = dice.percent(15) && !agents.is_empty();
        let rating = rated.then(|| dice.pick(&["good", "bad"]));
        let comment = (rated && dice.percent(60)).then(|| dice.pick(COMMENTS));
        let started_by = dice.pick(&["visitor", "visitor", "visitor", "agent", "trigger"]);
        let started_by = if agents.is_empty() && started_by == "agent" { "visitor" } else { started_by };
        let visitor = &VISITORS[dice.pick_index(VISITORS.len())];
        let goals = draw_goals(&mut dice, number);
        let conversion_shown = !offline && !goals.is_empty() && dice.percent(30);
        Self {
            number,
            times,
            department: department.map(|(id, name, _)| (id, name)),
            agents,
            lines,
            story_seed,
            started_by,
            oddity: if offline { None } else { Oddity::thrown(odds) },
            rating,
            comment,
            tags,
            goals,
            conversion_shown,
            visitor_name: visitor.name,
            entries: Vec::new(),
            id: chats.id_of(number, times.began),
            standing,
            changed: None,
            visitor,
            legs: Vec::new(),
            offline,
            dice,
        }
    }

    /// Adapts the chat to its oddity.
    fn twist(&mut self, people: &'a People, odds: &mut Dice) {
        let served = !self.agents.is_empty();
        match self.oddity {
            Some(Oddity::NullHistory | Oddity::EmptyHistory) => {
                self.agents.clear();
                (self.lines, self.rating, self.comment, self.conversion_shown) = (0, None, None, false);
            }
            Some(Oddity::NamedLikeAnAgent) if served => self.visitor_name = &self.agents[0].name,
            Some(Oddity::AgentReturns) => self.agents.truncate(1),
            Some(Oddity::TwoAtOnce) if self.agents.len() == 1 => {
                add_agent(&mut self.agents, people.any_agent(odds));
            }
            Some(Oddity::VisitorSilent) if served && self.number % 2 == 0 => self.started_by = "agent",
            Some(Oddity::VisitorSilent) => {
                self.agents.clear();
                (self.lines, self.started_by, self.rating, self.comment) = (0, "trigger", None, None);
            }
            Some(Oddity::RatedTwice) if served => self.rating = self.rating.or(Some("good")),
            Some(Oddity::CommentAlone) if served => {
                (self.rating, self.comment) = (None, Some(odds.pick(COMMENTS)));
            }
            _ => {}
        }
    }

    /// Whether the chat was offered to agents who did not accept it.
    pub fn missed_assignments(&self) -> bool {
        self.oddity == Some(Oddity::MissedAssignments)
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

    /// Writes the members that only an offline message has.
    fn write_offline(&mut self, pen: &mut Pen) {
        let note = self.dice.pick(NOTES);
        let note = if self.changed == Some(Change::Redacted) { REDACTED } else { note };
        pen.text(r#","type":"offline_msg","message":""#).text(note).text(r#"","webpath":["#);
        for step in 0..self.dice.below(3) {
            let (page, title) = PAGES[self.dice.pick_index(PAGES.len())];
            let seconds = self.times.began / SECOND - 60 + step * 15;
            pen.comma().text("[").integer(seconds).text(r#",""#).text(page);
            pen.text(r#"","https://www.example.org/",""#).text(title).text("\"]");
        }
        pen.text("]");
        // An offset and a `Z` together: the service wrote such timestamps into sessions of offline messages.
        let zone = if self.dice.percent(50) { "+00:00Z" } else { "Z" };
        self.write_session(pen, zone);
    }

    /// Writes the members that only a conversation has.
    fn write_conversation(&mut self, pen: &mut Pen) {
        let figures = Figures::of(&self.entries);
        let (triggered, missed) = (self.started_by == "trigger", figures.missed());
        self.times.ended = figures.left().unwrap_or(self.times.ended);
        pen.text(r#","type":"chat","end_timestamp":""#).seconds(self.times.ended);
        pen.text(r#"","duration":"#).integer(figures.duration());
        pen.text(r#","started_by":""#).text(self.started_by).text("\"");
        pen.text(r#","triggered":"#).boolean(triggered).text(r#","triggered_response":"#);
        if triggered {
            pen.boolean(figures.by_visitor > 0)
        } else {
            pen.text("null")
        };
        pen.text(r#","missed":"#).boolean(missed).text(r#","dropped":"#).boolean(figures.dropped());
        pen.text(r#","proactive":"#).boolean(self.started_by == "agent");
        self.write_webpath(pen);
        self.write_session(pen, "Z");
        self.write_history(pen);
        self.write_engagements(pen);
        self.write_conversions(pen);
        pen.text(r#","count":"#);
        figures.write_count(pen);
        pen.text(r#","response_time":"#);
        figures.write_response_time(pen);
        self.write_agents(pen);
        self.write_skills(pen);
        pen.text(",").text(match self.dice.below(8) {
            number @ (0 | 1) => REFERRERS[usize::from(number == 1)],
            _ => r#""referrer_search_engine":null,"referrer_search_terms":null"#,
        });
        pen.text(r#","rating":"#).quoted_or_null(self.rating).text(r#","comment":"#).quoted_or_null(self.comment);
        if let Some(waited) = figures.abandon_time() {
            pen.text(r#","abandon_time":"#).integer(waited);
        }
    }

    /// Writes the members that offline messages and conversations share.
    fn write_common(&mut self, pen: &mut Pen) {
        pen.text(r#","visitor":{"id":"10414779-"#).ascii(&token(77, self.number / 3)).text("\",");
        pen.text(self.visitor.contact).text(r#","name":""#).text(self.visitor_name).text(r#"","email":""#);
        pen.text(self.visitor.email).text(r#""},"department_id":"#);
        pen.integer_or_null(self.department.map(|(id, _)| id)).text(r#","department_name":"#);
        pen.quoted_or_null(self.department.map(|(_, name)| name)).text(r#","tags":["#);
        write_tags(pen, &self.tags);
        pen.text(r#"],"unread":"#).text(self.dice.pick(&["false", "false", "false", "true", "0", "1"]));
        let deleted = self.dice.below(1_000) == 0 || self.changed == Some(Change::Deleted);
        pen.text(r#","deleted":"#).boolean(deleted).text(r#","zendesk_ticket_id":"#);
        let ticketed = self.dice.percent(20) || self.changed.is_some_and(|change| change != Change::Nothing);
        pen.integer_or_null(ticketed.then_some(1_000 + self.number));
        if self.dice.percent(2) {
            pen.text(r#","sentiment":{"label":"neutral","score":0.5,"trend":[1,null,"up"]}"#);
        }
    }

    /// Writes the visitor's session; its timestamps end in `zone`.
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
        pen.moment(self.times.ended).text(zone);
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

    /// Writes the goals that the visitor reached.
    fn write_conversions(&self, pen: &mut Pen) {
        pen.text(r#","conversions":["#);
        for (place, goal) in (0..).zip(&self.goals) {
            let (goal, name) = GOAL_NAMES[*goal];
            pen.comma()
                .text(r#"{"id":""#)
                .text(&self.id)
                .text(".")
                .integer(place)
                .text(r#"","goal_id":"#)
                .integer(goal);
            pen.text(r#","goal_name":""#).text(name).text(r#"","timestamp":""#);
            pen.seconds(self.times.ended - place * SECOND).text(r#"","attribution":"#);
            self.write_attribution(pen);
            pen.text("}");
        }
        pen.text("]");
    }

    /// Writes to whom a goal is credited.
    pub fn write_attribution(&self, pen: &mut Pen) {
        pen.text(r#"{"agent_id":"#).integer_or_null(self.agents.first().map(|agent| agent.id));
        pen.text(r#","agent_name":"#).quoted_or_null(self.agents.first().map(|agent| agent.name.as_str()));
        pen.text(r#","department_id":"#).integer_or_null(self.department.map(|(id, _)| id));
        pen.text(r#","department_name":"#).quoted_or_null(self.department.map(|(_, name)| name));
        pen.text(r#","chat_timestamp":""#).seconds(self.times.began).text("\"}");
    }

    /// Writes the agents who took part.
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

    /// Writes the skills that were requested.
    fn write_skills(&mut self, pen: &mut Pen) {
        let asked = self.dice.percent(10);
        pen.text(r#","skills_requested":"#).text(if asked { "[1300601,1296081]" } else { "[]" });
        pen.text(r#","skills_fulfilled":"#).boolean(asked && !self.agents.is_empty());
    }
}

/// Adds an agent who is not in the list yet.
fn add_agent<'a>(agents: &mut Vec<&'a Agent>, agent: &'a Agent) {
    if agents.iter().all(|present| present.id != agent.id) {
        agents.push(agent);
    }
}

/// The goals that a visitor reached, as indices; the service lists at most the last twenty.
fn draw_goals(dice: &mut Dice, number: i64) -> Vec<usize> {
    let goals = if dice.percent(15) { dice.between(1, 2) } else { 0 };
    let goals = if number % 500 == 7 { 20 } else { goals };
    (0..goals).map(|_| dice.pick_index(GOAL_NAMES.len())).collect()
}

/// How many lines a chat has: usually few, sometimes many.
fn talk(dice: &mut Dice) -> i64 {
    if dice.percent(92) { dice.between(1, 3) } else { dice.between(5, 11) }
}
