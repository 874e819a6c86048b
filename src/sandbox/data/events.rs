//! Three exports of small records: agent events, conversions and department events.

use std::sync::Arc;

use super::chance::{Dice, branch, token};
use super::chats::Chats;
use super::pace::{Lateness, Pace, SECOND};
use super::pen::Pen;
use super::people::{DEPARTMENTS, People};
use super::series::{Entry, Series};
use super::settings::GOAL_NAMES;

/// The kind of events in a series.
pub enum Kind {
    /// Agents change their status or the number of their chats.
    Agents(Arc<People>),
    /// Visitors reach a goal, in one chat of this many.
    Conversions(Arc<People>, Arc<Chats>, i64),
    /// Departments change.
    Departments,
}

/// All events of one kind.
pub struct Events {
    seed: u64,
    pace: Pace,
    late: Lateness,
    kind: Kind,
}

impl Events {
    /// A series with `per_year` events in each year.
    pub fn new(seed: u64, per_year: i64, late: Lateness, kind: Kind) -> Self {
        Self { seed, pace: Pace::new(seed, per_year), late, kind }
    }

    /// The id of an event, in the form of its kind.
    fn id(&self, event: i64) -> String {
        let token = token(self.seed, event);
        let mut pen = Pen::with_room(40);
        let (front, back) = token.split_at(7);
        match &self.kind {
            Kind::Agents(people) => {
                let agent = people.any_agent(&mut self.dice(event)).id;
                pen.ascii(front).text(".agent:").integer(agent).text(".").ascii(back)
            }
            Kind::Conversions(..) => pen.year_and_month(self.moment(event)).text(".10414779.").ascii(&token),
            Kind::Departments => pen.ascii(front).text(".department.").ascii(back),
        };
        pen.into_text()
    }

    /// The random numbers that decide an event.
    fn dice(&self, event: i64) -> Dice {
        Dice::new(branch(self.seed, 1), event)
    }

    /// Writes an agent event without its id.
    fn write_agent_event(&self, people: &People, event: i64, pen: &mut Pen) {
        let mut dice = self.dice(event);
        let agent = people.any_agent(&mut dice).id;
        pen.text(r#"{"account_id":10414779,"agent_id":"#).integer(agent).text(r#","field_name":"#);
        if dice.percent(60) {
            let value = dice.below(4);
            pen.text(r#""engagements","value":"#).integer(value + 1).text(r#","previous_value":"#).integer(value);
        } else {
            pen.text(r#""status","value":""#).text(dice.pick(&["online", "away", "invisible"]));
            pen.text(r#"","previous_value":""#).text(dice.pick(&["offline", "online"])).text("\"");
        }
        pen.text(r#","timestamp":""#).micros(self.moment(event)).text("\"");
    }

    /// Writes a conversion without its id.
    fn write_conversion(&self, people: &People, chats: &Chats, chat: i64, event: i64, pen: &mut Pen) {
        let mut dice = self.dice(event);
        let (goal, name) = GOAL_NAMES[dice.pick_index(GOAL_NAMES.len())];
        pen.text(r#"{"goal_id":"#).integer(goal).text(r#","goal_name":""#).text(name);
        pen.text(r#"","timestamp":""#).seconds(self.moment(event)).text(r#"","attribution":"#);
        if dice.percent(15) {
            pen.text("null");
            return;
        }
        let agent = dice.percent(80).then(|| people.any_agent(&mut dice).id);
        let department = dice.percent(60).then(|| DEPARTMENTS[dice.pick_index(DEPARTMENTS.len())].0);
        pen.text(r#"{"agent_id":"#).integer_or_null(agent).text(r#","department_id":"#).integer_or_null(department);
        pen.text(r#","chat_id":""#)
            .text(&chats.id(chat))
            .text(r#"","chat_timestamp":""#)
            .seconds(chats.times(chat).began);
        pen.text("\"}");
    }

    /// Writes a department event without its id.
    fn write_department_event(&self, event: i64, pen: &mut Pen) {
        let mut dice = self.dice(event);
        let (id, name, _) = DEPARTMENTS[dice.pick_index(DEPARTMENTS.len())];
        pen.text(r#"{"department_id":"#).integer_or_null((!dice.percent(3)).then_some(id));
        pen.text(r#","timestamp":""#).seconds(self.moment(event)).text(r#"","field_name":"#);
        match dice.below(3) {
            0 => pen.text(r#""status","value":"online","previous_value":"offline""#),
            1 => pen.text(r#""name","value":""#).text(name).text(r#"","previous_value":null"#),
            _ => {
                let online = dice.below(9);
                pen.text(r#""agents","value":{"online":"#).integer(online + 1);
                pen.text(r#","away":0},"previous_value":{"online":"#).integer(online).text(r#","away":1}"#)
            }
        };
    }
}

impl Series for Events {
    fn resolution(&self) -> i64 {
        if matches!(self.kind, Kind::Agents(_)) { 1 } else { SECOND }
    }

    fn moment(&self, slot: i64) -> i64 {
        self.pace.moment(slot)
    }

    fn slot_near(&self, moment: i64) -> i64 {
        self.pace.slot_near(moment)
    }

    fn entry(&self, slot: i64, now: i64) -> Option<Entry> {
        let moment = self.moment(slot);
        let stamp = moment - moment.rem_euclid(self.resolution());
        self.stands(slot, now).then(|| Entry { stamp, id: self.id(slot), record: slot })
    }

    fn born(&self, record: i64) -> i64 {
        self.moment(record)
    }

    fn longest_wait(&self) -> i64 {
        self.late.longest()
    }

    fn stands(&self, record: i64, now: i64) -> bool {
        self.moment(record).saturating_add(self.late.of(record)) <= now
    }

    fn write(&self, record: i64, _now: i64, pen: &mut Pen) {
        match &self.kind {
            Kind::Agents(people) => self.write_agent_event(people, record, pen),
            Kind::Conversions(people, chats, each) => {
                // A chat slightly earlier than the event, so that the chat exists when the event becomes visible.
                self.write_conversion(people, chats, (record - 1).max(0) * each, record, pen);
            }
            Kind::Departments => self.write_department_event(record, pen),
        }
        pen.text(r#","id":""#).text(&self.id(record)).text("\"}");
    }
}
