//! Windows that are read side by side, with responses in any order, interruptions at any moment, and records that move
//! meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::position::Span;
use crate::source::state_format::{self, Saved};

/// The times where an account's history begins and where the first run ends.
const FROM: i64 = 1_000;
const CUTOFF: i64 = 100_000;

/// Records around several moments: (moment, spread, count).
fn records(crowds: &[(i64, i64, i64)]) -> BTreeMap<String, i64> {
    let mut records = BTreeMap::new();
    for (crowd, &(moment, spread, count)) in crowds.iter().enumerate() {
        for number in 0..count {
            records.insert(format!("{crowd}.{number:05}"), moment + number * spread / count.max(1));
        }
    }
    records
}

fn crowds() -> impl Strategy<Value = Vec<(i64, i64, i64)>> {
    let moment = prop_oneof![FROM..CUTOFF, Just(50_500), Just(CUTOFF - 1)];
    let spread = prop_oneof![Just(0_i64), 1..500_i64, 1_000..90_000_i64];
    prop::collection::vec((moment, spread, 0..900_i64), 1..5)
}

/// A run in progress: its requests in flight, in the order of sending, and the records that it has delivered.
struct Run<'a> {
    walk: Walk,
    server: &'a mut Server,
    under_way: VecDeque<Asked>,
    most: usize,
    delivered: Vec<String>,
    frontier: Option<Frontier>,
    requests: usize,
}

impl<'a> Run<'a> {
    fn new(server: &'a mut Server, most: usize, cutoff: i64, delivered: Option<&Frontier>) -> Self {
        let mut walk = Walk::new(streams::named("chats").unwrap(), &bounds(FROM, None), delivered);
        walk.cut_at(Nanos::from(cutoff) * SECOND);
        let (under_way, frontier) = (VecDeque::new(), delivered.cloned());
        Self { walk, server, under_way, most, delivered: Vec::new(), frontier, requests: 0 }
    }

    /// Sends all requests that can be sent. Returns false if none is in flight afterwards.
    fn ask(&mut self) -> bool {
        self.under_way.extend(std::iter::from_fn(|| self.walk.next()));
        while self.under_way.len() < self.most && self.walk.can_ask_beside() {
            self.under_way.push_back(self.walk.beside().expect("there is more to ask"));
        }
        assert!(self.under_way.len() <= self.most);
        !self.under_way.is_empty()
    }

    /// Answers one of the requests in flight.
    fn answer(&mut self, pick: usize) {
        self.requests += 1;
        assert!(self.requests < 10_000, "the walk does not end");
        let asked = self.under_way.remove(pick % self.under_way.len()).unwrap();
        let page = self.server.answer(&asked.request);
        let delivery = self.walk.accept(&asked, asked.request.limit, page).unwrap();
        self.delivered.extend(delivered_keys(&delivery));
        if let Some(next) = delivery.frontier {
            self.frontier = Some(next);
        }
    }

    /// Reads to the end.
    fn finish(&mut self, picks: &[usize]) {
        let mut picks = picks.iter().cycle();
        while self.ask() {
            self.answer(*picks.next().unwrap());
        }
    }

    fn distinct(&self) -> BTreeSet<&String> {
        self.delivered.iter().collect()
    }
}

fn server(records: &BTreeMap<String, i64>) -> Server {
    let mut server = Server::new("chats", []);
    server.records = records.iter().map(|(id, time)| (*time, id.clone())).collect();
    server.records.sort();
    server.page_size = 100;
    server
}

/// A record as a run delivers it.
fn line(id: &str, time: i64) -> String {
    format!("\"{id}\"@\"{}\"", position::readable(Nanos::from(time) * SECOND))
}

/// The records that a run up to a cutoff must deliver.
fn wanted(records: &BTreeMap<String, i64>, cutoff: i64) -> BTreeSet<String> {
    records.iter().filter(|(_, time)| (FROM..cutoff).contains(*time)).map(|(id, time)| line(id, *time)).collect()
}

/// The frontier after it was written to a state and read from it.
fn kept(frontier: Option<&Frontier>) -> Option<Frontier> {
    let stream = streams::named("chats").unwrap();
    let mut saved = Saved::default();
    saved.keep("chats", state_format::of(stream, frontier));
    Saved::parse(&saved.text()).unwrap().delivered(stream).unwrap()
}

/// Whether a frontier covers a record with this time and id.
fn covers(frontier: &Frontier, time: i64, id: &str) -> bool {
    let Frontier::Position(position, beyond) = frontier else { panic!("no position") };
    let at = Nanos::from(time) * SECOND;
    let before = |end: &Position| at < end.nanos() || (at == end.nanos() && end.id().is_some_and(|end| id <= end));
    before(position) || beyond.iter().any(|span| at >= span.start.nanos() && before(&span.end))
}

/// The moments whose records may come again in a run that is resumed after this one: the moments where it begins, and
/// the seconds before borders, which both sides may have read.
fn repeatable(run: &Run<'_>) -> BTreeSet<Nanos> {
    let Some(Frontier::Position(position, beyond)) = &run.frontier else { return BTreeSet::new() };
    let Pagination::Export(export) = &run.walk.pagination else { panic!("no export") };
    let ends = beyond.iter().map(|span| &span.end).chain([position]);
    let seams = ends.map(|end| if end.id().is_some() { end.nanos() } else { end.nanos() - SECOND });
    seams.chain(export.borders.keys().map(|border| border - SECOND)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// With any order of responses, any bounds and any ties, each record comes once, the frontier is the same as for a
    /// single window, and few requests are wasted.
    #[test]
    fn side_by_side_every_record_comes_once(
        crowds in crowds(), picks in prop::collection::vec(0_usize..8, 1..40), most in 1_usize..9,
        pair_inclusive: bool, time_inclusive: bool,
    ) {
        let records = records(&crowds);
        let mut server = Server { pair_inclusive, time_inclusive, ..server(&records) };
        let mut alone = Run::new(&mut server, 1, CUTOFF, None);
        alone.finish(&[0]);
        let (requests, frontier) = (alone.requests, alone.frontier.clone());
        prop_assert_eq!(alone.walk.windows(), 1);
        let mut run = Run::new(&mut server, most, CUTOFF, None);
        run.finish(&picks);
        prop_assert_eq!(run.walk.gap(), None, "the service left out nothing");
        prop_assert_eq!(run.delivered.len(), run.distinct().len(), "each exactly once");
        prop_assert_eq!(run.delivered.iter().cloned().collect::<BTreeSet<_>>(), wanted(&records, CUTOFF));
        prop_assert_eq!(&run.frontier, &frontier);
        if let Some(Frontier::Position(_, beyond)) = &run.frontier {
            prop_assert!(beyond.is_empty());
        }
        // Each border costs at most one request more, plus those for the second before it, which both sides read.
        let ties = crowds.iter().filter(|(_, spread, _)| *spread == 0).map(|(.., count)| count / 100 + 1).sum::<i64>();
        let borders = run.walk.windows() as usize - 1;
        prop_assert!(run.requests <= requests + borders * (1 + usize::try_from(ties).unwrap()));
    }

    /// Runs are ended at any moment, and in between records are changed, which moves them to the end. None is missed,
    /// and delivered records come again only where it is not known whether a bound is inclusive.
    #[test]
    fn side_by_side_nothing_is_missed_by_runs_that_are_cut_off(
        crowds in crowds(), picks in prop::collection::vec(0_usize..8, 1..40), most in 2_usize..9,
        pair_inclusive: bool, time_inclusive: bool,
        runs in prop::collection::vec((0_usize..30, prop::collection::vec(0_usize..3_000, 0..20)), 1..5),
    ) {
        let mut records = records(&crowds);
        let mut frontier: Option<Frontier> = None;
        let mut seams: BTreeSet<Nanos> = BTreeSet::new();
        let mut all: BTreeSet<String> = BTreeSet::new();
        let mut cutoff = CUTOFF;
        for (answers, changes) in runs.into_iter().chain([(usize::MAX, Vec::new())]) {
            let mut server = Server { pair_inclusive, time_inclusive, ..server(&records) };
            let mut run = Run::new(&mut server, most, cutoff, frontier.as_ref());
            let mut changes = changes.into_iter();
            for answer in 0..answers {
                if !run.ask() {
                    break;
                }
                run.answer(picks[answer % picks.len()]);
                // A record is changed: it moves to or after the cutoff, where this run does not read.
                if let Some(id) = changes.next().and_then(|nth| records.keys().nth(nth).cloned()) {
                    records.insert(id.clone(), cutoff + i64::try_from(answer).unwrap());
                    run.server.records.retain(|(_, other)| *other != id);
                    run.server.records.push((records[&id], id));
                    run.server.records.sort();
                }
            }
            let before = seams.clone();
            seams.extend(repeatable(&run));
            frontier = run.frontier.clone();
            prop_assert_eq!(&kept(frontier.as_ref()), &frontier, "a state is read as it was written");
            let delivered = run.distinct().into_iter().cloned().collect::<BTreeSet<_>>();
            let again: BTreeSet<String> = all.intersection(&delivered).cloned().collect();
            let repeatable: Vec<String> =
                before.into_iter().map(|at| format!("@\"{}\"", position::readable(at))).collect();
            prop_assert!(again.iter().all(|line| repeatable.iter().any(|moment| line.ends_with(moment))), "{again:?}");
            all.extend(delivered);
            if let Some(frontier) = &frontier {
                for (id, &time) in records.iter().filter(|(_, time)| **time >= FROM) {
                    let delivered = all.contains(&line(id, time));
                    prop_assert!(delivered || !covers(frontier, time, id), "{frontier:?} claims {id} at {time}");
                }
            }
            cutoff += 1_000;
        }
        for (id, &time) in records.iter().filter(|(_, time)| (FROM..cutoff - 1_000).contains(*time)) {
            prop_assert!(all.contains(&line(id, time)), "{id} at {time} was missed");
        }
    }

    /// If one window cannot be read, the others that have begun are read to their end and their records are kept. The
    /// next run brings the rest.
    #[test]
    fn side_by_side_the_work_of_others_is_kept(
        crowds in crowds(), picks in prop::collection::vec(0_usize..8, 1..40), most in 2_usize..9, after in 0_usize..20,
    ) {
        let records = records(&crowds);
        let mut server = server(&records);
        let mut run = Run::new(&mut server, most, CUTOFF, None);
        for answer in 0..after {
            if run.ask() {
                run.answer(picks[answer % picks.len()]);
            }
        }
        let mut lost = 0;
        if run.ask() {
            let asked = run.under_way.remove(picks[0] % run.under_way.len()).unwrap();
            run.walk.give_up(&asked);
            let windows = run.walk.windows();
            run.finish(&picks);
            prop_assert_eq!(run.walk.windows(), windows, "no other is begun");
            lost = wanted(&records, CUTOFF).len() - run.distinct().len();
        }
        let (frontier, first) = (run.frontier.clone(), run.delivered.len());
        let before: BTreeSet<String> = run.delivered.iter().cloned().collect();
        let mut next = Run::new(&mut server, most, CUTOFF, frontier.as_ref());
        next.finish(&picks);
        let all: BTreeSet<String> = before.into_iter().chain(next.delivered.clone()).collect();
        prop_assert_eq!(all, wanted(&records, CUTOFF));
        prop_assert!(next.delivered.len() >= lost && first + next.delivered.len() >= lost);
    }

    /// The timeline names no ids, and may be ordered by something later than a record's own time.
    #[test]
    fn side_by_side_an_export_without_ids_is_complete(
        crowds in crowds(), picks in prop::collection::vec(0_usize..8, 1..40), most in 1_usize..9, lag in prop_oneof![Just(0_i64), 1..2_000_i64],
    ) {
        // Without ids, one moment cannot have more records than a page holds.
        let crowds: Vec<_> = crowds.into_iter().map(|(moment, spread, count)| (moment, spread, if spread == 0 { count.min(20) } else { count.min(spread * 15) })).collect();
        let records = records(&crowds);
        let mut server = Server { stream: "agent_timeline", with_ids: false, lag, ..server(&records) };
        let mut run = Run::new(&mut server, most, CUTOFF, None);
        run.walk = timeline(&Bounds { start: Nanos::from(FROM) * 1_000, end: None, lookback: 0, chats_lookback: 0 }, None);
        run.walk.cut_at(Nanos::from(CUTOFF) * 1_000);
        run.finish(&picks);
        let delivered: BTreeSet<String> = run.distinct().into_iter().cloned().collect();
        prop_assert!(lag > 0 || delivered.len() == run.delivered.len(), "each exactly once");
        for (id, &time) in records.iter().filter(|(_, time)| (FROM..CUTOFF).contains(*time)) {
            let began = position::written(Nanos::from(time - run.server.lag_of(id)) * 1_000).unwrap();
            let line = format!("\"{id}\"@\"{began}\"");
            prop_assert!(delivered.contains(&line), "{line} of {time} was missed");
        }
    }

    /// Ids on full pages only, an end without a position, and empty pages over quiet times, in windows side by side and
    /// in runs that are ended at any moment. The frontier never moves backwards, and nothing is missed.
    #[test]
    fn side_by_side_ids_that_come_and_go_and_empty_pages_lose_nothing(
        crowds in crowds(), picks in prop::collection::vec(0_usize..8, 1..40), most in 1_usize..9,
        pair_inclusive: bool, time_inclusive: bool, ends_with_null: bool,
        quiet in prop_oneof![1_000_i64..20_000, Just(1_000_000)], page_size in prop_oneof![20_usize..100, Just(100)],
        runs in prop::collection::vec(0_usize..30, 0..4),
    ) {
        let records = records(&crowds);
        let mut frontier: Option<Frontier> = None;
        let mut all: BTreeSet<String> = BTreeSet::new();
        for answers in runs.into_iter().chain([usize::MAX]) {
            let mut server = Server { pair_inclusive, time_inclusive, ids_when_full: true, ends_with_null, quiet, page_size, ..server(&records) };
            let mut run = Run::new(&mut server, most, CUTOFF, frontier.as_ref());
            for answer in 0..answers {
                if !run.ask() {
                    break;
                }
                let before = run.frontier.clone();
                run.answer(picks[answer % picks.len()]);
                if let (Some(Frontier::Position(before, _)), Some(Frontier::Position(now, _))) = (&before, &run.frontier) {
                    prop_assert!(before == now || now.is_beyond(before), "{before:?} {now:?}");
                }
            }
            frontier = run.frontier.clone();
            all.extend(run.distinct().into_iter().cloned());
            if let Some(frontier) = &frontier {
                for (id, &time) in records.iter().filter(|(_, time)| **time >= FROM) {
                    prop_assert!(all.contains(&line(id, time)) || !covers(frontier, time, id), "{frontier:?} claims {id} at {time}");
                }
            }
        }
        prop_assert_eq!(all, wanted(&records, CUTOFF));
    }

    /// A run that finds at most two pages costs no additional request, wherever on the time axis they lie.
    #[test]
    fn side_by_side_a_short_run_costs_no_request_more(crowds in crowds(), most in 2_usize..9, start in FROM..CUTOFF) {
        let mut records: Vec<(String, i64)> = records(&crowds).into_iter().collect();
        records.sort_by_key(|(_, time)| *time);
        let records: BTreeMap<String, i64> = records.into_iter().filter(|(_, time)| *time >= start).take(200).collect();
        let mut server = server(&records);
        let state = at(start, None);
        let mut alone = Run::new(&mut server, 1, CUTOFF, Some(&state));
        alone.finish(&[0]);
        let requests = alone.requests;
        let mut run = Run::new(&mut server, most, CUTOFF, Some(&state));
        run.finish(&[0]);
        prop_assert_eq!(run.requests, requests);
    }
}

#[test]
fn lookback_begins_before_where_the_last_window_was_read() {
    let at = |seconds: i64| Position::at(Nanos::from(seconds) * SECOND, Unit::Microseconds);
    let read = Span { start: at(200_000), end: at(300_000) };
    let delivered = Frontier::Position(at(100_000), vec![read.clone()]);
    let mut walk = timeline(&bounds(0, None), Some(&delivered));
    walk.cut_at(400_000 * SECOND);
    let first = walk.next().unwrap();
    assert_eq!(first.request.query[0].1, "13599999999", "a day before the cursor");
    let span = r#"{"agent_id":7,"start_time":"1970-01-01T04:00:00.000000Z"}"#.to_owned();
    let page = envelope("agent_timeline", &[span], r#""end_time":14400000000"#);
    let delivery = walk.accept(&first, Some(1_000), page).unwrap();
    assert_eq!((delivery.page.len(), delivery.frontier), (1, None), "what was read stays read");
    assert_eq!(walk.next().unwrap().request.query[0].1, "14399999999");
    let second = walk.beside().unwrap();
    assert_eq!(second.request.query[0].1, "213599999999", "a day before the end of what was read last");
    let span = r#"{"agent_id":7,"start_time":"1970-01-04T18:00:00.000000Z"}"#.to_owned();
    let page = envelope("agent_timeline", &[span], r#""end_time":324000000000"#);
    let Some(Frontier::Position(position, beyond)) = walk.accept(&second, Some(1_000), page).unwrap().frontier else {
        panic!("no frontier")
    };
    assert_eq!(position, at(100_000));
    assert_eq!(beyond, [Span { end: at(324_000), ..read }]);
}

/// Records that are read again are recorded only as the position of one window. If that window were divided, spans
/// before the border would seem to be read again although they were not.
#[test]
fn lookback_is_not_divided_where_it_reads_again() {
    let at = |seconds: i64| Position::at(Nanos::from(seconds) * SECOND, Unit::Microseconds);
    let read = Span { start: at(100_000), end: at(300_000) };
    let mut walk = timeline(&bounds(0, None), Some(&Frontier::Position(at(100_000), vec![read])));
    walk.cut_at(10_000_000 * SECOND);
    let page = |from: i64| {
        let span = |number: i64| {
            let began = position::written(Nanos::from(from + number) * SECOND).unwrap();
            format!(r#"{{"agent_id":7,"start_time":"{began}"}}"#)
        };
        let spans: Vec<String> = (0..1_000).map(span).collect();
        envelope("agent_timeline", &spans, &format!(r#""end_time":{}"#, (from + 999) * 1_000_000))
    };
    let mut first = walk.next().unwrap();
    walk.accept(&first, Some(1_000), page(14_000)).unwrap();
    first = walk.next().unwrap();
    let mut second = walk.beside().unwrap();
    for from in [214_000, 230_000, 290_000] {
        walk.accept(&second, Some(1_000), page(from)).unwrap();
        second = walk.next().unwrap();
        assert!(!walk.can_ask_beside(), "{first:?} and {second:?} both read again");
    }
    walk.accept(&second, Some(1_000), page(300_000)).unwrap();
    walk.next().unwrap();
    assert!(walk.can_ask_beside(), "what was never read is divided");
}

/// How long a run takes and how many requests it sends, if each request takes `latency` and the quota allows one
/// request in each `period`, after a first `burst`.
fn timed(run: &mut Run<'_>, latency: u64, period: u64, burst: u64) -> (u64, usize) {
    let mut now = 0;
    let mut sent: VecDeque<u64> = VecDeque::new();
    let mut quota_from = 0;
    loop {
        run.ask();
        while sent.len() < run.under_way.len() {
            // A token bucket: `quota_from` is when the next request would be due if no quota had been saved up.
            let at = now.max(quota_from.max(burst * period) - burst * period);
            quota_from = quota_from.max(now) + period;
            sent.push_back(at + latency);
        }
        let Some(answered) = sent.pop_front() else { return (now, run.requests) };
        now = now.max(answered);
        run.answer(0);
    }
}

/// Records at pseudo-random moments. Of every ten records, `crowded` lie in one tenth of the time.
fn scattered(count: i64, crowded: i64, place: i64) -> BTreeMap<String, i64> {
    let tenth = (CUTOFF - FROM) / 10;
    let mut seed = 7_u64;
    let mut chance = move |below: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(seed >> 33).unwrap() % below
    };
    let mut moment = |number: i64| {
        if number % 10 < crowded { FROM + place * tenth + chance(tenth) } else { FROM + chance(10 * tenth) }
    };
    (0..count).map(|number| (format!("{number:06}"), moment(number))).collect()
}

/// A tenth of the benchmark's size: pages of 100 records instead of 1,000.
#[test]
fn side_by_side_an_even_account_is_read_nearly_three_times_as_fast() {
    let records = scattered(6_000, 0, 0);
    let time = |most| timed(&mut Run::new(&mut server(&records), most, CUTOFF, None), 1_000, 307, 4);
    let ((alone, pages), (side_by_side, requests)) = (time(1), time(5));
    assert!(alone * 10 >= side_by_side * 27, "{alone} {side_by_side}");
    assert!(requests <= pages + 4, "{requests}");
}

#[test]
fn side_by_side_a_crowded_account_uses_the_quota_wherever_the_crowd_is() {
    for place in [0, 4, 9] {
        let records = scattered(60_000, 9, place);
        let time = |most| timed(&mut Run::new(&mut server(&records), most, CUTOFF, None), 200, 31, 40);
        let ((alone, pages), (side_by_side, requests)) = (time(1), time(9));
        assert!(alone >= side_by_side * 5, "{alone} {side_by_side}");
        // 600 pages at 2,000 requests a minute take 30 ms each. At least 90 % of the quota is used.
        assert!(600 * 30 * 100 >= side_by_side * 90, "{side_by_side}");
        assert!(requests <= pages + pages / 20, "{requests}");
    }
}
