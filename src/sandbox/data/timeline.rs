//! The agents' timeline: spans with one status each, visible once they end.

use std::sync::Arc;

use super::chance::{Dice, branch};
use super::pace::{Lateness, Pace, SECOND};
use super::pen::Pen;
use super::people::{Agent, People};
use super::series::{Entry, Series};

/// The longest span: nine hours.
const LONGEST: i64 = 9 * 3_600 * SECOND;

/// One span in this many starts in the same second as the span before it and belongs to the same agent.
const TWIN_EVERY: i64 = 16;

/// All spans of an account.
pub struct Timeline {
    seed: u64,
    pace: Pace,
    late: Lateness,
    growing: bool,
    people: Arc<People>,
}

impl Timeline {
    /// A timeline with `per_year` spans in each year. If `growing`, spans are visible from their start and grow until
    /// they end.
    pub fn new(seed: u64, per_year: i64, late: Lateness, growing: bool, people: Arc<People>) -> Self {
        Self { seed, pace: Pace::new(seed, per_year), late, growing, people }
    }

    /// Whether a span starts in the same second as the one before it.
    fn is_twin(&self, span: i64) -> bool {
        self.pace.within_year(span) % TWIN_EVERY == 1
    }

    /// The agent whose span it is.
    fn agent(&self, span: i64) -> &Agent {
        let span = if self.is_twin(span) { span - 1 } else { span };
        self.people.any_agent(&mut Dice::new(branch(self.seed, 1), span))
    }

    /// The final duration of a span, in microseconds.
    fn duration(&self, span: i64) -> i64 {
        if self.is_twin(span + 1) {
            return self.moment(span + 1) - self.moment(span);
        }
        let mut dice = Dice::new(branch(self.seed, 2), span);
        if dice.percent(6) { dice.between(2 * 3_600 * SECOND, LONGEST) } else { dice.between(SECOND, 1_800 * SECOND) }
    }
}

impl Series for Timeline {
    fn resolution(&self) -> i64 {
        1
    }

    fn moment(&self, slot: i64) -> i64 {
        let moment = self.pace.moment(slot);
        if !self.is_twin(slot) || moment == i64::MAX {
            return moment;
        }
        let first = self.pace.moment(slot - 1);
        let rest_of_second = SECOND - first.rem_euclid(SECOND);
        first + 1 + Dice::new(branch(self.seed, 3), slot).below(rest_of_second.min(self.pace.width(slot)) - 1)
    }

    fn slot_near(&self, moment: i64) -> i64 {
        self.pace.slot_near(moment)
    }

    fn entry(&self, slot: i64, now: i64) -> Option<Entry> {
        let id = || self.agent(slot).id.to_string();
        self.stands(slot, now).then(|| Entry { stamp: self.moment(slot), id: id(), record: slot })
    }

    fn ended(&self, record: i64, now: i64) -> i64 {
        (self.moment(record) + self.duration(record)).min(now)
    }

    fn born(&self, record: i64) -> i64 {
        self.moment(record)
    }

    fn longest_wait(&self) -> i64 {
        LONGEST + self.late.longest()
    }

    fn stands(&self, record: i64, now: i64) -> bool {
        let hidden = if self.growing { 0 } else { self.duration(record) };
        self.moment(record) + hidden + self.late.of(record) <= now
    }

    fn write(&self, record: i64, now: i64, pen: &mut Pen) {
        let start = self.moment(record);
        let mut dice = Dice::new(branch(self.seed, 4), record);
        let status = dice.pick(&["online", "online", "online", "away", "invisible"]);
        let engagements = if status == "online" { dice.below(4) } else { 0 };
        pen.text(r#"{"agent_id":"#).integer(self.agent(record).id);
        pen.text(r#","engagement_count":"#).integer(engagements).text(r#","start_time":""#).micros(start);
        pen.text(r#"","status":""#).text(status).text(r#"","duration":"#);
        pen.fraction(self.duration(record).min(now - start)).text("}");
    }
}
