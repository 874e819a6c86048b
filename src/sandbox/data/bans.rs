//! Banned addresses and visitors: two kinds of records whose ids come from one sequence.

use super::chance::{Dice, branch, token};
use super::pace::{OPENING, SECOND};
use super::pen::Pen;

/// The interval between bans once the account is open.
const BANNING: i64 = 86_400 * SECOND;

/// The first ban's id.
const FIRST: i64 = 70_519_881;

/// Reasons as JSON text.
const REASONS: &[&str] = &["Spammer", "Abusive language", "", "Werbung f\\u00fcr \\ud83d\\udc8a", "荒らし", "Bot?"];

/// What is banned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Banned {
    /// An address.
    Address,
    /// A visitor.
    Visitor,
}

/// One ban.
pub struct Ban {
    /// The ban's id.
    pub id: i64,
    /// What it bans.
    pub banned: Banned,
    /// The record.
    pub record: String,
}

/// Every ban at `now`, in the order of ids; `opening` of them date from before the account opened.
pub fn bans(seed: u64, opening: i64, now: i64) -> Vec<Ban> {
    let since = (now - OPENING).max(0) / BANNING;
    (0..opening + since).map(|place| ban(seed, place, opening)).collect()
}

/// Ban number `place` of the sequence.
fn ban(seed: u64, place: i64, opening: i64) -> Ban {
    let mut dice = Dice::new(seed, place);
    let id = FIRST + place * 37 + dice.below(37);
    // Bans come in runs of mostly one kind, so that the highest ids of a page's two arrays lie far apart.
    let mostly_visitors = place / 400 % 2 == 1;
    let banned = if dice.percent(if mostly_visitors { 92 } else { 30 }) { Banned::Visitor } else { Banned::Address };
    let mut pen = Pen::default();
    pen.text("{");
    // Old bans have no creation time: the member is null, and the oldest bans lack even the member.
    if place >= opening / 4 {
        pen.text(r#""created_at":""#).seconds(created(&mut dice, place, opening)).text(r#"","#);
    } else if place >= opening / 20 {
        pen.text(r#""created_at":null,"#);
    }
    pen.text(r#""reason":""#).text(dice.pick(REASONS)).text(r#"","id":"#).integer(id);
    match banned {
        Banned::Address => {
            pen.text(r#","type":"ip_address","ip_address":"192."#).integer(dice.below(256)).text(".");
            pen.integer(dice.below(256)).text(".").integer(dice.below(256)).text("\"}");
        }
        Banned::Visitor => {
            pen.text(r#","type":"visitor","visitor_id":"10414779-"#).ascii(&token(branch(seed, 1), place));
            pen.text(r#"","visitor_name":"Visitor "#).integer(dice.between(10_000, 99_999_999)).text("\"}");
        }
    }
    Ban { id, banned, record: pen.into_text() }
}

/// The creation time. Before the account opened, it does not follow the order of ids: imported bans have the time of
/// their import.
fn created(dice: &mut Dice, place: i64, opening: i64) -> i64 {
    if place < opening {
        OPENING - dice.below(1_000 * 86_400) * SECOND
    } else {
        OPENING + (place - opening + 1) * BANNING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_kinds_come_from_one_sequence() {
        let bans = bans(1, 2_000, OPENING + 10 * BANNING);
        assert_eq!(bans.len(), 2_010);
        assert!(bans.is_sorted_by(|one, next| one.id < next.id));
        let kinds = |kind| bans.iter().filter(move |ban| ban.banned == kind).count();
        assert!(kinds(Banned::Address) > 700 && kinds(Banned::Visitor) > 700);
    }

    #[test]
    fn only_old_bans_lack_their_time() {
        let bans = bans(1, 400, OPENING);
        let nulls = bans.iter().filter(|ban| ban.record.starts_with(r#"{"created_at":null"#)).count();
        let absent = bans.iter().filter(|ban| !ban.record.contains("created_at")).count();
        assert_eq!((absent, nulls), (20, 80));
    }
}
