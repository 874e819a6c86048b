//! The events of a chat in order, before they are written as JSON: who joins, writes, changes something or leaves, and
//! when.

use super::chance::Dice;
use super::chat::Chat;
use super::oddity::Oddity;
use super::pace::SECOND;
use super::phrases::{ANSWERS, QUESTIONS};

/// Microseconds in a millisecond, the precision of timestamps in a history.
const MILLISECOND: i64 = SECOND / 1_000;

/// The author of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The visitor.
    Visitor,
    /// The agent at this index in the chat's list of agents.
    Agent(u8),
    /// A trigger, which writes to visitors automatically.
    Trigger,
    /// The service itself.
    System,
}

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Somebody joins.
    Join,
    /// Somebody leaves, with a reason or without.
    Leave(Option<&'static str>),
    /// Somebody writes this text.
    Line(&'static str),
    /// Somebody sends a picture as a line.
    Picture,
    /// An agent sends a menu as a line.
    Menu,
    /// The tags change: the first number says how many of the chat's tags were set before, the second how many are set
    /// after.
    Tags(usize, usize),
    /// The rating changes from the first value to the second.
    Rating(Option<&'static str>, &'static str),
    /// The visitor comments on the chat.
    Comment(&'static str),
    /// The visitor is asked for a rating.
    RatingRequest,
    /// The chat is transferred to another agent or department.
    Transfer,
    /// The service identifies the skills that the visitor needs.
    Skills,
    /// The visitor reaches the first goal of the chat.
    Conversion,
    /// The service shows the visitor a notice.
    Notice,
    /// The visitor waits in a queue.
    Queue,
    /// A trigger fires. The form of this entry is a guess: no real one has been seen.
    Triggered,
    /// The visitor sends a file. The form of this entry is a guess: no real one has been seen.
    File,
    /// An entry that is not an object.
    Nothing,
}

impl What {
    /// Whether the entry is of type `chat.msg`, the only type that the service counts.
    pub fn is_line(self) -> bool {
        matches!(self, Self::Line(_) | Self::Picture | Self::Menu)
    }
}

/// One entry of a history.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// When it happened, in microseconds, already cut to the written precision.
    pub at: i64,
    /// Its author.
    pub by: By,
    /// What it records.
    pub what: What,
}

/// The time between an entry and the one before it.
#[derive(Clone, Copy)]
enum Gap {
    /// This many milliseconds, or fewer in a short chat.
    Of(i64),
    /// A share of the remaining time, relative to the sum of all shares.
    Share(i64),
}

/// The entries under construction, each with the gap before it.
pub struct Story<'c> {
    chat: &'c Chat<'c>,
    dice: Dice,
    entries: Vec<Entry>,
    gaps: Vec<Gap>,
    /// The agents now in the chat, one bit each.
    present: u8,
    /// The number of entries before the visitor's last leave.
    until_end: usize,
}

impl<'c> Story<'c> {
    /// The entries of a chat up to its end, in order.
    pub fn of(chat: &'c Chat<'c>, dice: Dice) -> Vec<Entry> {
        if chat.oddity.is_some_and(Oddity::empties) {
            return Vec::new();
        }
        let (entries, gaps) = (Vec::with_capacity(24), Vec::with_capacity(24));
        let mut story = Self { chat, dice, entries, gaps, present: 0, until_end: 0 };
        story.arrive();
        story.talk();
        story.close();
        story.set_times();
        story.entries
    }

    fn is(&self, oddity: Oddity) -> bool {
        self.chat.oddity == Some(oddity)
    }

    fn add(&mut self, gap: Gap, by: By, what: What) {
        self.entries.push(Entry { at: 0, by, what });
        self.gaps.push(gap);
    }

    /// Adds an entry `low` to `high` milliseconds after the last one.
    fn soon(&mut self, low: i64, high: i64, by: By, what: What) {
        let gap = Gap::Of(self.dice.between(low, high));
        self.add(gap, by, what);
    }

    /// The visitor joins, and the service or a trigger may write before the visitor does.
    fn arrive(&mut self) {
        self.soon(0, 900, By::Visitor, What::Join);
        if self.dice.percent(3) {
            let what = if self.dice.percent(50) { What::Queue } else { What::Notice };
            self.soon(100, 900, By::System, what);
        }
        if self.chat.started_by == "trigger" {
            if self.dice.percent(20) {
                self.soon(100, 900, By::Trigger, What::Triggered);
            }
            self.soon(200, 1_500, By::Trigger, What::Line("Can we help you?"));
        }
    }

    /// Visitor and agents write, mostly in turns.
    fn talk(&mut self) {
        let lines = self.chat.lines;
        let (mut visitor_wrote, mut agent_wrote) = (false, false);
        let mut agent_next = self.chat.started_by == "agent";
        for place in 0..lines {
            if place == lines / 2 {
                self.interlude();
            }
            let left = lines - place;
            agent_next = match (self.chat.agents.is_empty(), self.is(Oddity::VisitorSilent)) {
                (true, _) => false,
                (_, true) => true,
                _ if place > 0 && left <= 2 && !visitor_wrote => false,
                _ if left == 1 && !agent_wrote => true,
                _ if place > 0 && left == 1 => agent_next || self.dice.percent(70),
                _ => agent_next,
            };
            if agent_next {
                agent_wrote = true;
                self.answer();
            } else {
                visitor_wrote = true;
                self.ask();
            }
            agent_next ^= self.dice.percent(75);
        }
    }

    fn ask(&mut self) {
        let text = self.dice.pick(QUESTIONS);
        let what = if self.present > 0 && self.dice.percent(2) { What::Picture } else { What::Line(text) };
        let share = self.dice.between(5, 120);
        self.add(Gap::Share(share), By::Visitor, what);
    }

    fn answer(&mut self) {
        let agent = self.speaker();
        self.enter(agent);
        let text = self.dice.pick(ANSWERS);
        let what = if self.dice.percent(1) { What::Menu } else { What::Line(text) };
        self.soon(3_000, 60_000, By::Agent(agent), what);
    }

    /// The agent who writes next.
    fn speaker(&mut self) -> u8 {
        match self.present {
            0b10 => 1,
            0b11 => u8::from(self.dice.percent(50)),
            _ => 0,
        }
    }

    fn enter(&mut self, agent: u8) {
        if self.present >> agent & 1 == 0 {
            self.present |= 1 << agent;
            // An agent who accepts a chat after others missed it joins later.
            let slow = if self.is(Oddity::MissedAssignments) { 60_000 } else { 0 };
            self.soon(slow + 2_000, slow + 30_000, By::Agent(agent), What::Join);
        }
    }

    fn leave(&mut self, agent: u8, low: i64, high: i64, reason: &'static str) {
        self.present &= !(1 << agent);
        self.soon(low, high, By::Agent(agent), What::Leave(Some(reason)));
    }

    /// What may happen in the middle of a chat, such as another agent, a file or a skill.
    fn interlude(&mut self) {
        if self.chat.agents.len() == 2 {
            self.enter(0);
            if self.is(Oddity::TwoAtOnce) {
                self.enter(1);
            } else {
                self.soon(5_000, 20_000, By::Agent(0), What::Transfer);
                self.enter(1);
                self.leave(0, 500, 3_000, "transfer");
            }
        } else if self.is(Oddity::AgentReturns) && !self.chat.agents.is_empty() {
            self.enter(0);
            self.leave(0, 3_000, 20_000, "disconnect_agent");
            self.enter(0);
        }
        if self.dice.percent(4) {
            self.soon(1_000, 9_000, By::Visitor, What::File);
        }
        if self.dice.percent(3) {
            self.soon(0, 900, By::System, What::Skills);
        }
        if self.is(Oddity::EntryOfNoObject) {
            self.soon(0, 0, By::System, What::Nothing);
        }
        if self.dice.percent(1) && !self.chat.agents.is_empty() {
            self.soon(500, 900, By::System, What::Line("The connection was lost for a moment."));
        }
    }

    /// What follows the last answer: tags, a rating, and both sides leave.
    fn close(&mut self) {
        let by = self.speaker();
        if self.present > 0 && !self.chat.tags.is_empty() {
            let tags = self.chat.tags.len();
            self.soon(300, 20_000, By::Agent(by), What::Tags(tags - 1, tags));
        }
        if self.present > 0 && self.chat.rating.is_some() && self.dice.percent(40) {
            self.soon(500, 5_000, By::Agent(by), What::RatingRequest);
        }
        let late_line = self.is(Oddity::WritesAfterService) && self.present > 0;
        if late_line || self.dice.percent(35) {
            self.agents_leave(2_000, 20_000, "agent_left");
        }
        self.judge();
        if late_line {
            self.ask();
        }
        if self.is(Oddity::VisitorReturns) {
            self.soon(500, 9_000, By::Visitor, What::Leave(Some("reload")));
            self.soon(500, 4_000, By::Visitor, What::Join);
        }
        if self.chat.conversion_shown {
            self.soon(0, 0, By::System, What::Conversion);
        }
        self.until_end = self.entries.len();
        let reason = self.dice.percent(50).then_some("user_left");
        self.add(Gap::Share(60), By::Visitor, What::Leave(reason));
        self.agents_leave(10, 200, "disconnect_user");
    }

    fn agents_leave(&mut self, low: i64, high: i64, reason: &'static str) {
        for agent in 0..2 {
            if self.present >> agent & 1 == 1 {
                self.leave(agent, low, high, reason);
            }
        }
    }

    /// The visitor's rating and comment, where the chat has them.
    fn judge(&mut self) {
        if let Some(rating) = self.chat.rating {
            let mut before = None;
            if self.is(Oddity::RatedTwice) {
                let other = if rating == "good" { "bad" } else { "good" };
                self.soon(1_000, 9_000, By::Visitor, What::Rating(None, other));
                before = Some(other);
            }
            self.soon(1_000, 9_000, By::Visitor, What::Rating(before, rating));
        }
        if let Some(comment) = self.chat.comment {
            self.soon(1_000, 9_000, By::Visitor, What::Comment(comment));
        }
    }

    /// Sets the time of every entry: the first line falls into the second in which the chat begins, and the visitor's
    /// last leave into the second in which it ends.
    fn set_times(&mut self) {
        let first = self.entries.iter().position(|entry| entry.what.is_line()).unwrap_or(0);
        let (began, ended) = self.bounds();
        self.set_times_before(first, began);
        let sum = |gaps: &[Gap], of: fn(Gap) -> i64| gaps.iter().map(|gap| of(*gap)).sum::<i64>();
        let inner = &self.gaps[first + 1..=self.until_end];
        let (fixed, shares) = (sum(inner, Gap::fixed), sum(inner, Gap::share));
        // In a short chat the fixed gaps are scaled down, so that at least a quarter of the time is left for the
        // visitor.
        let most = (ended - began) / MILLISECOND * 3 / 4;
        let (room, wanted) = if fixed > most { (most, fixed) } else { (1, 1) };
        let spare = (ended - began) / MILLISECOND - fixed * room / wanted;
        let mut at = began;
        self.entries[first].at = began;
        for place in first + 1..self.until_end {
            at += MILLISECOND
                * match self.gaps[place] {
                    Gap::Of(gap) => gap * room / wanted,
                    Gap::Share(part) => spare * part / shares.max(1),
                };
            self.entries[place].at = at;
        }
        if self.chat.conversion_shown {
            let conversion = &mut self.entries[self.until_end - 1];
            conversion.at = conversion.at.max(self.chat.times.ended);
        }
        at = ended;
        for place in self.until_end..self.entries.len() {
            at += if place == self.until_end { 0 } else { MILLISECOND * self.gaps[place].fixed() };
            self.entries[place].at = at;
        }
        self.spoil_times(first);
    }

    /// The moments of the first line and of the visitor's last leave.
    fn bounds(&mut self) -> (i64, i64) {
        let times = self.chat.times;
        (times.began + self.dice.below(1_000) * MILLISECOND, times.ended + self.dice.below(500) * MILLISECOND)
    }

    fn set_times_before(&mut self, first: usize, began: i64) {
        let mut at = began;
        for place in (0..first).rev() {
            at -= MILLISECOND
                * match self.gaps[place + 1] {
                    Gap::Of(gap) => gap,
                    Gap::Share(share) => share * 10,
                };
            self.entries[place].at = at;
        }
    }

    /// Makes timestamps equal or cuts them to seconds, where that is the chat's oddity.
    fn spoil_times(&mut self, first: usize) {
        if self.is(Oddity::EqualStamps) {
            for place in (first + 1..self.until_end).step_by(2) {
                self.entries[place].at = self.entries[place - 1].at;
            }
        }
        if self.is(Oddity::WholeSeconds) {
            for entry in &mut self.entries {
                entry.at -= entry.at.rem_euclid(SECOND);
            }
        }
    }
}

impl Gap {
    fn fixed(self) -> i64 {
        if let Self::Of(gap) = self { gap } else { 0 }
    }

    fn share(self) -> i64 {
        if let Self::Share(share) = self { share } else { 0 }
    }
}
