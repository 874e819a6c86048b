//! Changes to a chat that the service delivers again: it may have grown, shrunk or stayed the same, or have been
//! redacted or deleted.

use super::chance::Dice;
use super::chat::Chat;
use super::oddity::Oddity;
use super::pace::SECOND;
use super::phrases::COMMENTS;
use super::story::{By, Entry, What};

/// The text that replaces redacted words.
pub const REDACTED: &str = "▇▇▇▇▇▇▇▇▇▇▇▇";

/// What changed in a chat that was updated individually, not by a bulk edit. Every change but `Nothing` also adds a
/// ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only the cursor.
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
    /// Draws a change at random.
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
    /// Applies the changes made after the first delivery, in the order of time.
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

    /// Adds an entry after all others, since every edit happens after the chat became visible. An empty history stays
    /// empty.
    fn add_entry(&mut self, moment: i64, by: By, what: What) {
        if !self.entries.is_empty() {
            let precision = if self.oddity == Some(Oddity::WholeSeconds) { SECOND } else { SECOND / 1_000 };
            self.entries.push(Entry { at: moment - moment.rem_euclid(precision), by, what });
        }
    }

    /// Tags the chat. The history records this only if an agent took part, since only agents tag.
    fn add_tag(&mut self, tag: &'static str, moment: i64) {
        self.tags.push(tag);
        if let Some(agent) = self.agents.len().checked_sub(1) {
            let by = By::Agent(u8::from(agent > 0));
            self.add_entry(moment, by, What::Tags(self.tags.len() - 1, self.tags.len()));
        }
    }

    /// May rate the chat, unless it already has a rating or a comment, or no agent took part.
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

    /// Removes the visitor's last line. If the visitor wrote fewer than two, removes an agent's leave at the end
    /// instead.
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

    /// Redacts the visitor's last text line; the entry stays.
    fn redact(&mut self) {
        let words = |entry: &&mut Entry| entry.by == By::Visitor && matches!(entry.what, What::Line(_));
        if let Some(entry) = self.entries.iter_mut().rev().find(words) {
            entry.what = What::Line(REDACTED);
        }
    }
}
