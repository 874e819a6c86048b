//! FAMILY: decides which streams of one endpoint are read together in a walk, and where that walk begins and ends. No
//! I/O.

use crate::position::{Frontier, Nanos, Position, Span};
use crate::source::walk::Bounds;

/// Streams that lie further behind than this are read first, without the others. Otherwise the pages that the others
/// already have would be skipped for them at length.
const BEHIND: Nanos = 24 * 3_600 * 1_000_000_000;

/// How far a stream of the family has been read.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it begins and ends.
    pub bounds: Bounds,
    /// How far it is delivered; `None` if it has no state.
    pub delivered: Option<Frontier>,
}

/// One walk of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The streams that walk.
    pub members: Vec<usize>,
    /// Where the walk begins if there is no frontier, and where it ends.
    pub bounds: Bounds,
    /// The frontier from which the walk goes on: what every member has.
    pub delivered: Option<Frontier>,
    /// For each member, its own place, if that lies ahead of the walk's beginning.
    pub ahead: Vec<Option<Nanos>>,
    /// Whether the walk reads its members to their end. Otherwise it ends where the next stream is.
    pub is_last: bool,
}

impl Place {
    /// The moment from which the stream continues.
    fn at(&self) -> Nanos {
        match &self.delivered {
            Some(Frontier::Position(position, _)) => position.nanos(),
            Some(Frontier::Id(_)) | None => self.bounds.start,
        }
    }

    /// Whether every record of a span was delivered to the stream.
    fn covers(&self, span: &Span) -> bool {
        let Some(Frontier::Position(position, spans)) = &self.delivered else { return false };
        let ends_before = |end: &Position| !span.end.is_beyond(end);
        ends_before(position)
            || spans.iter().any(|own| own.start.nanos() <= span.start.nanos() && ends_before(&own.end))
    }
}

/// The next walk of a family. Streams far behind walk alone until they are level, unless all are to walk `together`.
/// `places` is not empty.
pub fn next_stage(places: &[Place], together: bool) -> Stage {
    let least = places.iter().map(Place::at).min().unwrap_or_default();
    let walks = |place: &Place| together || place.at() - least <= BEHIND;
    let members: Vec<usize> = (0..places.len()).filter(|&index| walks(&places[index])).collect();
    let walking: Vec<&Place> = members.iter().map(|&index| &places[index]).collect();
    // Of streams at the same moment, one without an id is the least.
    let rank = |place: &&&Place| match &place.delivered {
        Some(Frontier::Position(position, _)) => (position.nanos(), position.id().is_some()),
        Some(Frontier::Id(_)) | None => (place.at(), false),
    };
    let first = walking.iter().min_by_key(rank).copied().unwrap_or(&places[0]);
    let end = first.bounds.end;
    // A stream that lies at the end or beyond it does not shorten the walk of others.
    let next = places.iter().filter(|place| !walks(place)).map(Place::at).min();
    let next = next.filter(|&next| end.is_none_or(|end| next < end));
    Stage {
        bounds: Bounds { end: next.or(end), ..first.bounds },
        delivered: first.delivered.as_ref().map(|frontier| shared(frontier, &walking)),
        ahead: walking.iter().map(|place| Some(place.at()).filter(|&at| at > least)).collect(),
        is_last: next.is_none(),
        members,
    }
}

/// The frontier that all streams have in common: the position of the least advanced one, and those of its spans that
/// every stream has. A span that one stream lacks is read again for all.
fn shared(least: &Frontier, places: &[&Place]) -> Frontier {
    let Frontier::Position(position, spans) = least else { return least.clone() };
    let differs = |place: &Place| {
        let Some(Frontier::Position(other, _)) = &place.delivered else { return false };
        other.nanos() == position.nanos() && other != position
    };
    // If two streams have different ids at the same moment, only the service knows which one comes first.
    let position = if places.iter().any(|place| differs(place)) { position.without_id() } else { position.clone() };
    let covered = |span: &&Span| places.iter().all(|place| place.covers(span));
    Frontier::Position(position, spans.iter().filter(covered).cloned().collect())
}

/// How far a member is delivered once the walk is delivered up to `walked`. The member began at `own`, the walk at `start`.
/// A member that began ahead keeps its place until the walk is behind it. Of two ids at the same moment nobody but the
/// service knows which comes first, so that a named place is kept until the walk is later, or `is_whole`: read to its end.
pub fn advanced(own: Option<&Frontier>, start: Option<&Frontier>, walked: &Frontier, is_whole: bool) -> Frontier {
    match (own, walked) {
        (Some(ahead @ Frontier::Position(place, _)), Frontier::Position(position, _))
            if own != start
                && (place.nanos() > position.nanos()
                    || (place.nanos() == position.nanos() && place.id().is_some() && !is_whole)) =>
        {
            ahead.clone()
        }
        _ => walked.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::position::Unit;

    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> Position {
        Position::at(Nanos::from(seconds) * 1_000_000_000, Unit::Seconds)
    }

    fn place(delivered: Option<(i64, &[(i64, i64)])>) -> Place {
        let span = |&(start, end): &(i64, i64)| Span { start: at(start), end: at(end) };
        let frontier =
            |(seconds, spans): (i64, &[(i64, i64)])| Frontier::Position(at(seconds), spans.iter().map(span).collect());
        let bounds = Bounds { start: 0, end: None, lookback: 0, chats_lookback: 0 };
        Place { bounds, delivered: delivered.map(frontier) }
    }

    fn members(places: &[Place]) -> (Vec<usize>, bool) {
        let stage = next_stage(places, false);
        (stage.members, stage.is_last)
    }

    #[test]
    fn family_streams_within_a_day_walk_together_and_those_behind_walk_first() {
        let table = [
            (vec![None], vec![0], true),
            (vec![Some(5 * DAY), Some(5 * DAY)], vec![0, 1], true),
            (vec![Some(5 * DAY), Some(5 * DAY - 60)], vec![0, 1], true),
            (vec![Some(5 * DAY), None, Some(60)], vec![1, 2], false),
            (vec![None, Some(DAY + 1)], vec![0], false),
        ];
        for (reached, expected, is_last) in table {
            let places: Vec<Place> = reached.iter().map(|at| place(at.map(|at| (at, &[][..])))).collect();
            assert_eq!(members(&places), (expected, is_last), "{reached:?}");
        }
    }

    #[test]
    fn family_a_walk_of_those_behind_ends_where_the_next_one_is() {
        let stage = next_stage(&[place(Some((9 * DAY, &[]))), place(Some((5 * DAY, &[]))), place(None)], false);
        assert_eq!((stage.members, stage.bounds.end), (vec![2], Some(at(5 * DAY).nanos())));
    }

    #[test]
    fn family_a_stream_that_is_ahead_takes_nothing_that_it_has() {
        let stage = next_stage(&[place(Some((100, &[]))), place(Some((40, &[])))], false);
        assert_eq!(stage.ahead, [Some(at(100).nanos()), None]);
        assert_eq!(stage.delivered, place(Some((40, &[]))).delivered);
    }

    #[test]
    fn family_of_two_ids_at_one_moment_neither_is_trusted() {
        let named = |id: &str| {
            let position = Position::received("40", Some(id), Unit::Seconds).unwrap();
            Place { delivered: Some(Frontier::Position(position, Vec::new())), ..place(None) }
        };
        assert_eq!(next_stage(&[named("a"), named("b")], false).delivered, place(Some((40, &[]))).delivered);
        assert_eq!(next_stage(&[named("a"), named("a")], false).delivered, named("a").delivered);
    }

    /// The state of a stream stayed at the first id that was named in a moment, however many pages that moment filled.
    #[test]
    fn family_a_stream_follows_its_walk_through_one_moment() {
        let named =
            |id: &str| Frontier::Position(Position::received("40", Some(id), Unit::Seconds).unwrap(), Vec::new());
        let later = Frontier::Position(at(41), Vec::new());
        let earlier = Frontier::Position(at(30), Vec::new());
        // A stream that the walk began at has what the walk has, at every page.
        for own in [Some(named("a")), Some(at(40)).map(|at| Frontier::Position(at, Vec::new())), None] {
            assert_eq!(advanced(own.as_ref(), own.as_ref(), &named("b"), false), named("b"), "{own:?}");
        }
        // One that was ahead keeps its place until the walk is later.
        let own = named("a");
        assert_eq!(advanced(Some(&own), Some(&earlier), &named("b"), false), own);
        assert_eq!(advanced(Some(&own), Some(&earlier), &named("b"), true), named("b"));
        assert_eq!(advanced(Some(&own), Some(&earlier), &later, false), later);
    }

    #[test]
    fn family_an_end_before_the_stream_ahead_is_the_end() {
        let bounds = Bounds { end: Some(at(3 * DAY).nanos()), ..place(None).bounds };
        let places = [(Some(9 * DAY)), None].map(|seconds| Place { bounds, ..place(seconds.map(|at| (at, &[][..]))) });
        let stage = next_stage(&places, false);
        assert_eq!((stage.members, stage.bounds.end, stage.is_last), (vec![1], bounds.end, true));
    }

    #[test]
    fn family_streams_that_cannot_catch_up_walk_with_the_others() {
        let places = [place(Some((9 * DAY, &[]))), place(Some((DAY, &[])))];
        let stage = next_stage(&places, true);
        assert_eq!((stage.members, stage.is_last), (vec![0, 1], true));
        assert_eq!(stage.delivered, places[1].delivered);
    }

    /// A stream at any position, with spans beyond it that do not touch.
    fn anywhere() -> impl Strategy<Value = Place> {
        let spans = prop::collection::vec((1..9_i64, 1..9_i64), 0..3);
        prop::option::of((0..30_i64, spans)).prop_map(|delivered| {
            let Some((position, gaps)) = delivered else { return place(None) };
            let mut end = position;
            let mut spans = Vec::new();
            for (gap, length) in gaps {
                spans.push((end + gap, end + gap + length));
                end += gap + length;
            }
            place(Some((position, &spans)))
        })
    }

    fn has(delivered: Option<&Frontier>, second: i64) -> bool {
        let Some(Frontier::Position(position, spans)) = delivered else { return false };
        let moment = at(second).nanos();
        moment < position.nanos() || spans.iter().any(|span| span.start.nanos() <= moment && moment < span.end.nanos())
    }

    proptest! {
        /// No moment that a stream lacks is skipped, neither by the walk nor by the stream's own `from`.
        #[test]
        fn family_every_stream_gets_what_it_lacks(places in prop::collection::vec(anywhere(), 1..5), second in 0..60_i64) {
            let stage = next_stage(&places, false);
            for (&index, ahead) in stage.members.iter().zip(&stage.ahead) {
                let own = places[index].delivered.as_ref();
                if has(own, second) {
                    continue;
                }
                prop_assert!(!has(stage.delivered.as_ref(), second), "the walk passes over {second}");
                prop_assert!(ahead.is_none_or(|place| at(second).nanos() >= place), "{second} is left out");
                // Once the walk is as far as that, the stream says no more than it has.
                let start = stage.delivered.as_ref();
                let now = advanced(own, start, start.unwrap_or(&Frontier::Position(at(0), Vec::new())), false);
                prop_assert!(!has(Some(&now), second), "a state claims {second}");
            }
        }
    }
}
