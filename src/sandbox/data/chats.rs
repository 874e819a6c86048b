//! Which chats exist and when each becomes visible. Chats come in blocks: ten new chats, then one update of one of the
//! ten.

use std::sync::Arc;

use super::chance::{Dice, branch, token};
use super::chat::Chat;
use super::pace::{Lateness, Pace, SECOND};
use super::pen::Pen;
use super::people::People;
use super::series::{Entry, Series, born_until};

/// The number of new chats before one of them is updated.
const BLOCK: i64 = 10;

/// The middle part of every chat's id.
const ACCOUNT_NUMBER: &str = "10414779";

/// All chats of an account.
pub struct Chats {
    seed: u64,
    per_year: i64,
    pace: Pace,
    late: Lateness,
    edit: Option<Edit>,
    people: Arc<People>,
}

/// Chats that were all edited in one second.
struct Edit {
    moment: i64,
    first: i64,
    beyond: i64,
}

/// When a chat took place.
#[derive(Clone, Copy)]
pub struct Times {
    /// When it began.
    pub began: i64,
    /// When it ended.
    pub ended: i64,
    /// How many seconds it lasted.
    pub lasted: i64,
}

/// The version of a chat that is visible.
#[derive(Clone, Copy)]
pub struct Standing {
    /// When this version came into being.
    pub moment: i64,
    /// The slot it occupies; `None` if its latest change is the bulk edit.
    slot: Option<i64>,
    /// When it was updated individually, if it was.
    pub updated: Option<i64>,
    /// When it was edited in bulk, if it was.
    pub edited: Option<i64>,
}

impl Chats {
    /// An account with `per_year` new chats in each year.
    pub fn new(seed: u64, per_year: i64, late: Lateness, people: Arc<People>) -> Self {
        let blocks = (per_year + BLOCK - 1) / BLOCK;
        Self { seed, per_year, pace: Pace::new(seed, per_year + blocks), late, edit: None, people }
    }

    /// The same chats, but nine of ten are created in a tenth of each year.
    pub fn crowded(self) -> Self {
        Self { pace: self.pace.crowded(), ..self }
    }

    /// The same chats, but the last `count` that were created before `moment` are all edited in that second.
    pub fn edited_in_bulk(mut self, moment: i64, count: i64) -> Self {
        let moment = moment - moment.rem_euclid(SECOND);
        let beyond = born_until(&self, moment - 1);
        self.edit = Some(Edit { moment, first: (beyond - count).max(0), beyond });
        self
    }

    /// The id of chat `number`.
    pub fn id(&self, number: i64) -> String {
        self.id_of(number, self.times(number).began)
    }

    /// The id of chat `number`, which began at `began`.
    pub fn id_of(&self, number: i64, began: i64) -> String {
        let mut pen = Pen::with_room(28);
        pen.year_and_month(began).text(".").text(ACCOUNT_NUMBER).text(".").ascii(&token(self.seed, number));
        pen.into_text()
    }

    /// When chat `number` began and ended. It becomes visible some seconds after its end.
    pub fn times(&self, number: i64) -> Times {
        let mut dice = Dice::new(branch(self.seed, 1), number);
        let seen = self.born(number);
        let ended = seen - seen.rem_euclid(SECOND) - dice.between(1, 20) * SECOND;
        let lasted = dice.between(45, 1_500);
        Times { began: ended - lasted * SECOND, ended, lasted }
    }

    /// The random numbers that decide the content of chat `number`.
    pub fn dice(&self, number: i64) -> Dice {
        Dice::new(branch(self.seed, 4), number)
    }

    /// The random numbers that decide the oddity of chat `number`.
    pub fn odds(&self, number: i64) -> Dice {
        Dice::new(branch(self.seed, 5), number)
    }

    /// The random numbers that decide the changes in a later delivery of chat `number`.
    pub fn changes(&self, number: i64) -> Dice {
        Dice::new(branch(self.seed, 6), number)
    }

    /// The version of chat `number` that is visible at `now`, if any.
    fn standing(&self, number: i64, now: i64) -> Option<Standing> {
        let (created, updated) = self.slots(number);
        let appeared = |slot: i64| {
            let moment = self.pace.moment(slot);
            (moment + self.late.of(slot) <= now).then_some(moment)
        };
        let mut standing = Standing { moment: appeared(created)?, slot: Some(created), updated: None, edited: None };
        if let Some((slot, moment)) = updated.and_then(|slot| Some((slot, appeared(slot)?))) {
            standing = Standing { moment, slot: Some(slot), updated: Some(moment), edited: None };
        }
        if let Some(edit) = &self.edit
            && (edit.first..edit.beyond).contains(&number)
            && edit.moment <= now
        {
            standing.edited = Some(edit.moment);
            if edit.moment >= standing.moment {
                standing.moment = edit.moment;
                standing.slot = None;
            }
        }
        Some(standing)
    }

    /// The slots in which chat `number` appears and is updated.
    fn slots(&self, number: i64) -> (i64, Option<i64>) {
        let (year, within) = (number / self.per_year, number % self.per_year);
        let (block, place) = (within / BLOCK, within % BLOCK);
        let first = year * self.slots_per_year() + block * (BLOCK + 1);
        let updated = self.chosen(year, block) == place;
        (first + place, updated.then(|| first + self.block_size(block)))
    }

    /// The chat that appears or is updated in `slot`.
    fn chat_in(&self, slot: i64) -> i64 {
        let (year, within) = (slot / self.slots_per_year(), slot % self.slots_per_year());
        let (block, place) = (within / (BLOCK + 1), within % (BLOCK + 1));
        let place = if place == self.block_size(block) { self.chosen(year, block) } else { place };
        year * self.per_year + block * BLOCK + place
    }

    /// The number of slots in a year: one for each new chat and one for the update of each block.
    fn slots_per_year(&self) -> i64 {
        self.per_year + (self.per_year + BLOCK - 1) / BLOCK
    }

    /// The number of new chats in a block; the last block of a year may be shorter.
    fn block_size(&self, block: i64) -> i64 {
        BLOCK.min(self.per_year - block * BLOCK)
    }

    /// The place within its block of the chat that is updated.
    fn chosen(&self, year: i64, block: i64) -> i64 {
        Dice::new(branch(self.seed, 3), year * self.slots_per_year() + block).below(self.block_size(block))
    }
}

impl Series for Chats {
    fn resolution(&self) -> i64 {
        SECOND
    }

    fn moment(&self, slot: i64) -> i64 {
        self.pace.moment(slot)
    }

    fn slot_near(&self, moment: i64) -> i64 {
        self.pace.slot_near(moment)
    }

    fn entry(&self, slot: i64, now: i64) -> Option<Entry> {
        let record = self.chat_in(slot);
        let standing = self.standing(record, now)?;
        let stamp = standing.moment - standing.moment.rem_euclid(SECOND);
        (standing.slot == Some(slot)).then(|| Entry { stamp, id: self.id(record), record })
    }

    fn gathering(&self, now: i64) -> Option<i64> {
        self.edit.as_ref().map(|edit| edit.moment).filter(|moment| *moment <= now)
    }

    fn gathered(&self, now: i64) -> Vec<Entry> {
        let Some(edit) = &self.edit else { return Vec::new() };
        let gathered = |record: &i64| self.standing(*record, now).is_some_and(|standing| standing.slot.is_none());
        let entry = |record| Entry { stamp: edit.moment, id: self.id(record), record };
        (edit.first..edit.beyond).filter(gathered).map(entry).collect()
    }

    fn born(&self, record: i64) -> i64 {
        if self.per_year == 0 {
            return i64::MAX;
        }
        self.pace.moment(self.slots(record).0)
    }

    fn longest_wait(&self) -> i64 {
        self.late.longest()
    }

    fn stands(&self, record: i64, now: i64) -> bool {
        self.standing(record, now).is_some()
    }

    fn write(&self, record: i64, now: i64, pen: &mut Pen) {
        if let Some(standing) = self.standing(record, now) {
            Chat::draw(self, &self.people, record, standing).write(pen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::{OPENING, YEAR};
    use super::*;

    fn chats(per_year: i64) -> Chats {
        let people = Arc::new(People::new(1, 20));
        Chats::new(1, per_year, Lateness::new(1, 0, 0), people)
    }

    #[test]
    fn every_slot_belongs_to_a_chat_of_its_block() {
        for per_year in [1, 9, 10, 25, 111] {
            let chats = chats(per_year);
            for slot in 0..chats.slots_per_year() * 2 {
                let (created, updated) = chats.slots(chats.chat_in(slot));
                assert!(created == slot || updated == Some(slot), "{slot} of {per_year}");
            }
        }
    }

    #[test]
    fn the_first_year_holds_exactly_its_number_of_chats() {
        for per_year in [0, 1, 25, 3_000] {
            let chats = chats(per_year);
            let later = OPENING + 3 * YEAR;
            let in_first_year = (0..born_until(&chats, later))
                .filter(|number| chats.standing(*number, later).unwrap().moment < OPENING + YEAR);
            assert_eq!(i64::try_from(in_first_year.count()).unwrap(), per_year);
        }
    }

    #[test]
    fn an_updated_chat_moves_to_the_later_place() {
        let chats = chats(25);
        let number = (0..10).find(|number| chats.slots(*number).1.is_some()).unwrap();
        let updated = chats.moment(chats.slots(number).1.unwrap());
        assert!(chats.standing(number, updated - 1).unwrap().updated.is_none());
        assert!(chats.standing(number, updated).unwrap().updated.is_some());
        assert!(chats.entry(chats.slots(number).0, updated - 1).is_some());
        assert!(chats.entry(chats.slots(number).0, updated).is_none());
    }
}
