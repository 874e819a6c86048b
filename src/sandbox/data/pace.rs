//! When events happen: every year has the same number of slots, with one event in each slot.

use super::chance::{Dice, hash};

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;

/// The moment the account opened, 2025-01-01T00:00:00Z, in microseconds since 1970.
pub const OPENING: i64 = 1_735_689_600 * SECOND;

/// The account's year: 365 days, so that the first one ends with 2025.
pub const YEAR: i64 = 365 * 86_400 * SECOND;

/// The most events in a year: every slot is then still some thousand microseconds wide.
const MOST_A_YEAR: i64 = 1_000_000_000;

/// Points of a crowded year in hundredths, as (share of its events, share of its time): 90 of 100 events happen in a
/// tenth of the year.
const CROWDED: [(i64, i64); 4] = [(0, 0), (4, 40), (94, 50), (100, 100)];

/// How densely events of one kind happen.
#[derive(Clone, Copy)]
pub struct Pace {
    seed: u64,
    per_year: i64,
    crowded: bool,
    /// The width of a slot in whole microseconds.
    whole: i64,
    /// The microseconds of the year that are left over when each slot has its whole microseconds.
    rest: i64,
}

impl Pace {
    /// `per_year` events in each year, at moments that `seed` decides.
    pub fn new(seed: u64, per_year: i64) -> Self {
        let per_year = per_year.clamp(0, MOST_A_YEAR);
        Self { seed, per_year, crowded: false, whole: YEAR / per_year.max(1), rest: YEAR % per_year.max(1) }
    }

    /// The same, but nine of ten events happen in a tenth of each year.
    pub fn crowded(self) -> Self {
        Self { crowded: true, ..self }
    }

    /// When the event of `slot` happens, never before the event of the previous slot; `i64::MAX` if there are no events
    /// at all.
    pub fn moment(&self, slot: i64) -> i64 {
        if self.per_year == 0 {
            return i64::MAX;
        }
        let (start, width) = self.slot(slot);
        start + Dice::new(self.seed, slot).below(width)
    }

    /// The width of `slot` in microseconds.
    pub fn width(&self, slot: i64) -> i64 {
        self.slot(slot).1
    }

    /// A slot at most two before the first slot that lies entirely at or after `moment`.
    pub fn slot_near(&self, moment: i64) -> i64 {
        if moment <= OPENING || self.per_year == 0 {
            return 0;
        }
        let (year, within) = ((moment - OPENING) / YEAR, (moment - OPENING) % YEAR);
        let within = if self.crowded { stretched(within, |(things, time)| (time, things)) } else { within };
        let slot = i128::from(within) * i128::from(self.per_year) / i128::from(YEAR);
        (year * self.per_year + i64::try_from(slot).unwrap_or(0) - 1).max(0)
    }

    /// The place of `slot` within its year.
    pub fn within_year(&self, slot: i64) -> i64 {
        slot % self.per_year.max(1)
    }

    /// The start of `slot` and its width.
    fn slot(&self, slot: i64) -> (i64, i64) {
        let (year, within) = (slot / self.per_year, slot % self.per_year);
        let extra = within * self.rest / self.per_year;
        let next_extra = (within + 1) * self.rest / self.per_year;
        let (mut start, mut end) = (within * self.whole + extra, (within + 1) * self.whole + next_extra);
        if self.crowded {
            (start, end) = (stretched(start, |point| point), stretched(end, |point| point));
        }
        (OPENING + year * YEAR + start, end - start)
    }
}

/// Maps a moment within a year by interpolating between the points of `CROWDED`. `turn` makes each point a (from, to)
/// pair, so that the mapping works in both directions.
fn stretched(at: i64, turn: impl Fn((i64, i64)) -> (i64, i64)) -> i64 {
    let points = CROWDED.map(turn).map(|(from, to)| (from * (YEAR / 100), to * (YEAR / 100)));
    let next = (1..points.len() - 1).find(|&next| at < points[next].0).unwrap_or(points.len() - 1);
    let ((from, to), (from_end, to_end)) = (points[next - 1], points[next]);
    let along = i128::from(at - from) * i128::from(to_end - to) / i128::from(from_end - from);
    to + i64::try_from(along).unwrap_or(0)
}

/// How long after its own moment a record becomes visible.
#[derive(Clone, Copy)]
pub struct Lateness {
    seed: u64,
    percent: i64,
    longest: i64,
}

impl Lateness {
    /// `percent` of a hundred records are late, by less than `seconds`.
    pub fn new(seed: u64, percent: i64, seconds: i64) -> Self {
        Self { seed, percent, longest: if percent > 0 { seconds * SECOND } else { 0 } }
    }

    /// The upper bound of the lateness, in microseconds.
    pub fn longest(&self) -> i64 {
        self.longest
    }

    /// How late the record of `slot` is, in microseconds.
    pub fn of(&self, slot: i64) -> i64 {
        if self.longest == 0 {
            return 0;
        }
        let mut dice = Dice::new(hash(self.seed, 1), slot);
        if dice.percent(self.percent) { dice.below(self.longest) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_holds_exactly_its_number_of_things_in_order() {
        for per_year in [1, 7, 25, 1_100, 86_400] {
            let pace = Pace::new(3, per_year);
            let moments: Vec<_> = (0..per_year * 2).map(|slot| pace.moment(slot)).collect();
            assert!(moments.is_sorted());
            let first_year = moments.iter().filter(|moment| **moment < OPENING + YEAR).count();
            assert_eq!(i64::try_from(first_year).unwrap(), per_year);
            assert!(moments[0] >= OPENING);
        }
    }

    #[test]
    fn a_slot_is_found_from_its_moment() {
        let pace = Pace::new(3, 1_100);
        for slot in (0..3_000).step_by(7) {
            let near = pace.slot_near(pace.moment(slot));
            assert!(near <= slot && slot - near <= 2, "{near} {slot}");
        }
        assert_eq!(pace.slot_near(0), 0);
    }

    #[test]
    fn a_crowded_year_holds_as_many_and_nine_tenths_of_them_in_a_tenth_of_it() {
        for per_year in [1, 7, 1_100, 86_400] {
            let pace = Pace::new(3, per_year).crowded();
            let moments: Vec<_> = (0..per_year * 2).map(|slot| pace.moment(slot)).collect();
            assert!(moments.is_sorted() && moments[0] >= OPENING);
            let until = |hundredths: i64| {
                let end = OPENING + YEAR / 100 * hundredths;
                i64::try_from(moments.iter().filter(|moment| **moment < end).count()).unwrap()
            };
            assert_eq!(until(100), per_year);
            assert!((until(50) - until(40) - per_year * 9 / 10).abs() <= 1, "{per_year}");
            for slot in (0..per_year * 2).step_by(7) {
                let near = pace.slot_near(pace.moment(slot));
                assert!(near <= slot && slot - near <= 2, "{near} {slot}");
            }
        }
    }

    #[test]
    fn nothing_happens_at_no_pace() {
        let pace = Pace::new(3, 0);
        assert_eq!(pace.moment(0), i64::MAX);
        assert_eq!(pace.slot_near(OPENING + YEAR), 0);
    }
}
