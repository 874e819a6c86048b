//! The engagements of a chat. Each is one leg: the part from an agent's assignment or join until the agent or the
//! visitor left.

use super::chance::Dice;
use super::chat::Chat;
use super::figures::{Figures, Span};
use super::pace::SECOND;
use super::pen::Pen;
use super::people::{Agent, People};
use super::story::{By, What};

/// One engagement.
pub struct Leg<'a> {
    agent: &'a Agent,
    span: Span,
    started_by: &'static str,
}

impl<'a> Chat<'a> {
    /// The legs that follow from the history, and those of agents who were offered the chat and did not accept it.
    pub fn legs(&self, people: &'a People, odds: &mut Dice) -> Vec<Leg<'a>> {
        let mut legs = self.missed_legs(people, odds);
        for (place, entry) in self.entries.iter().enumerate() {
            let (By::Agent(agent), What::Join) = (entry.by, entry.what) else { continue };
            let later = &self.entries[place..];
            let leaves = |who: By| matches!(who, By::Visitor) || who == entry.by;
            let left = later.iter().find(|later| matches!(later.what, What::Leave(_)) && leaves(later.by));
            let until = left.or(later.last()).map_or(entry.at, |last| last.at);
            let handed_over = place > 0 && self.entries[place - 1].what == What::Transfer;
            let first = !self.entries[..place].iter().any(|entry| matches!(entry.by, By::Agent(_)));
            let started_by = match (handed_over, first, self.started_by) {
                (true, ..) => "transfer",
                (_, true, "visitor" | "trigger") => "visitor",
                _ => "agent",
            };
            let assigned = started_by != "agent" && odds.percent(70);
            // The time of an offer is in whole seconds, and the agent accepts it in the same second or a few seconds
            // later.
            let from = match (assigned, handed_over) {
                (true, true) => entry.at - entry.at.rem_euclid(SECOND),
                (true, false) => self.offered(entry.at, odds),
                _ => entry.at,
            };
            let span = Span { agent: Some(agent), from, until, assigned };
            legs.push(Leg { agent: self.agents[usize::from(agent)], span, started_by });
        }
        legs
    }

    /// When the chat was offered to an agent who joined at `joined`.
    fn offered(&self, joined: i64, odds: &mut Dice) -> i64 {
        let offered = joined - odds.below(10) * SECOND;
        let offered = offered.max(self.times.began.min(joined));
        offered - offered.rem_euclid(SECOND)
    }

    /// The legs of up to three agents who were offered the chat one after the other and did not accept it.
    fn missed_legs(&self, people: &'a People, odds: &mut Dice) -> Vec<Leg<'a>> {
        if !self.missed_assignments() {
            return Vec::new();
        }
        let legs = if self.agents.is_empty() { 3 } else { odds.between(1, 3) };
        let lasted = (self.times.lasted / 8).min(20) * SECOND;
        let leg = |place| {
            let from = self.times.began + place * lasted;
            let span = Span { agent: None, from, until: from + lasted, assigned: true };
            Leg { agent: people.any_agent(odds), span, started_by: "visitor" }
        };
        (0..legs).map(leg).collect()
    }

    /// Writes the member `engagements`.
    pub fn write_engagements(&mut self, pen: &mut Pen) {
        pen.text(r#","engagements":["#);
        for (place, leg) in (0..).zip(&self.legs) {
            let (agent, span) = (leg.agent, &leg.span);
            let accepted = span.agent.is_some();
            pen.comma().text(r#"{"id":""#).text(&self.id).text(".").integer(place);
            // The service writes these two ids as numbers or as text.
            let quote = if self.dice.percent(50) { "\"" } else { "" };
            pen.text(r#"","agent_id":"#).text(quote).integer(agent.id).text(quote);
            pen.text(r#","agent_name":""#).text(&agent.name).text(r#"","agent_full_name":""#).text(&agent.full_name);
            pen.text(r#"","department_id":"#);
            match self.department {
                Some((id, _)) => pen.text(quote).integer(id).text(quote),
                None => pen.text("null"),
            };
            pen.text(r#","timestamp":""#).seconds(span.from).text(r#"","duration":"#).fraction(span.until - span.from);
            pen.text(r#","accepted":"#).boolean(accepted).text(r#","assigned":"#).boolean(span.assigned);
            pen.text(r#","started_by":""#).text(leg.started_by);
            pen.text(r#"","rating":"#).quoted_or_null(self.rating.filter(|_| accepted));
            pen.text(r#","comment":"#).quoted_or_null(self.comment.filter(|_| accepted));
            let figures = Figures::of_leg(&self.entries, span);
            pen.text(r#","count":"#);
            figures.write_count(pen);
            pen.text(r#","response_time":"#);
            figures.write_response_time(pen);
            pen.text(r#","skills_requested":[],"skills_fulfilled":"#).boolean(self.dice.percent(40)).text("}");
        }
        pen.text("]");
    }
}
