//! What a later delivery of a chat brings: more, less, the same, or the same without its words.

use super::chance::Dice;
use super::chat::Chat;
use super::oddity::Oddity;
use super::pace::SECOND;
use super::phrases::COMMENTS;
use super::story::{By, Entry, What};

/// The service puts these in place of what is redacted.
pub const REDACTED: &str = "▇▇▇▇▇▇▇▇▇▇▇▇";

/// What changed when a chat was delivered again by itself. All but the first also tell of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing but the cursor.
    Nothing,
    /// The history lost an entry.
    Shrunk,
    /// The visitor's last words were redacted.
    Redacted,
    /// The chat was deleted.
    Deleted,
    /// The chat was tagged, and maybe rated.
    Grown,
}

impl Change {
    /// What a throw says has changed.
    pub fn thrown(dice: &mut Dice) -> Self {
        match dice.below(100) {
            0..6 => Self::Nothing,
            6..16 => Self::Shrunk,
            16..22 => Self::Redacted,
            22..30 => Self::Deleted,
            _ => Self::Grown,
        }
    }
}

impl Chat<'_> {
    /// Changes what was told first into what was delivered later.
    pub fn change(&mut self, dice: &mut Dice) {
        let updated = self.standing.updated.map(|moment| (moment, "updated"));
        let edited = self.standing.edited.map(|moment| (moment, "bulk-edit"));
        let mut edits = [updated, edited];
        edits.sort_unstable();
        for (moment, tag) in edits.into_iter().flatten() {
            if tag == "bulk-edit" {
                self.add_tag(tag, moment);
                continue;
            }
            let change = Change::thrown(dice);
            self.changed = Some(change);
            match change {
                Change::Nothing | Change::Deleted => {}
                Change::Shrunk => self.shrink(),
                Change::Redacted => self.redact(),
                Change::Grown => {
                    self.rate(dice, moment);
                    self.add_tag(tag, moment);
                }
            }
        }
    }

    /// Adds an entry behind all others, since no edit comes before a chat can be seen.
    fn add_entry(&mut self, moment: i64, by: By, what: What) {
        if !self.entries.is_empty() {
            let precision = if self.oddity == Some(Oddity::WholeSeconds) { SECOND } else { SECOND / 1_000 };
            self.entries.push(Entry { at: moment - moment.rem_euclid(precision), by, what });
        }
    }

    /// Tags the chat; the history tells of it where an agent took part who can have done it.
    fn add_tag(&mut self, tag: &'static str, moment: i64) {
        self.tags.push(tag);
        if let Some(agent) = self.agents.len().checked_sub(1) {
            let by = By::Agent(u8::from(agent > 0));
            self.add_entry(moment, by, What::Tags(self.tags.len() - 1, self.tags.len()));
        }
    }

    /// Rates the chat, unless it is rated, or commented on without a rating.
    fn rate(&mut self, dice: &mut Dice, moment: i64) {
        if self.rating.is_some() || self.comment.is_some() || self.agents.is_empty() || !dice.percent(65) {
            return;
        }
        let rating = dice.pick(&["good", "bad"]);
        self.rating = Some(rating);
        self.add_entry(moment, By::Visitor, What::Rating(None, rating));
        if dice.percent(60) {
            let comment = dice.pick(COMMENTS);
            self.comment = Some(comment);
            self.add_entry(moment, By::Visitor, What::Comment(comment));
        }
    }

    /// Takes the visitor's last line away, or what followed the end where there was only one.
    fn shrink(&mut self) {
        let of_visitor = |entry: &Entry| entry.by == By::Visitor && entry.what.is_line();
        let mut lines = self.entries.iter().enumerate().filter(|(_, entry)| of_visitor(entry));
        let (first, last) = (lines.next(), lines.next_back());
        if let (Some(_), Some((place, _))) = (first, last) {
            self.entries.remove(place);
        } else if let Some(Entry { by: By::Agent(_), what: What::Leave(_), .. }) = self.entries.last() {
            self.entries.pop();
        }
    }

    /// Takes the visitor's last words away and leaves the entry.
    fn redact(&mut self) {
        let words = |entry: &&mut Entry| entry.by == By::Visitor && matches!(entry.what, What::Line(_));
        if let Some(entry) = self.entries.iter_mut().rev().find(words) {
            entry.what = What::Line(REDACTED);
        }
    }
}
