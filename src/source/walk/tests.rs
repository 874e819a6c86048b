//! Each rule by its ID, against a model of the server. The model shares only the shape of its responses with the code
//! under test.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::position::{self, Position, Unit};
use crate::source::streams;

const SECOND: Nanos = 1_000_000_000;

/// A model of a server with one export: records in the order of (time, id).
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a behaviour of its own")]
struct Server {
    stream: &'static str,
    records: Vec<(i64, String)>,
    page_size: usize,
    with_ids: bool,
    pair_inclusive: bool,
    time_inclusive: bool,
    /// Whether only full pages name ids.
    ids_when_full: bool,
    /// Whether the last page has a null `next_page` and no `end_id`.
    ends_with_null: bool,
    /// The longest time without records that a page with records may begin with. If it is longer, an empty page leads
    /// over this much of it.
    quiet: i64,
    /// The most by which a record's own time precedes its place in the export.
    lag: i64,
}

impl Server {
    fn new(stream: &'static str, records: impl IntoIterator<Item = (i64, &'static str)>) -> Self {
        let mut records: Vec<_> = records.into_iter().map(|(time, id)| (time, id.to_owned())).collect();
        records.sort();
        Self {
            stream,
            records,
            page_size: 1_000,
            with_ids: true,
            pair_inclusive: false,
            time_inclusive: true,
            ids_when_full: false,
            ends_with_null: false,
            quiet: i64::MAX / 2,
            lag: 0,
        }
    }

    fn answer(&self, request: &Request) -> Page {
        let value = |name: &str| request.query.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
        let time: i64 = value("start_time").unwrap().parse().unwrap();
        let id = value("start_id");
        let after = |record: &&(i64, String)| match &id {
            Some(id) if self.pair_inclusive => (record.0, &record.1) >= (time, id),
            Some(id) => (record.0, &record.1) > (time, id),
            None if self.time_inclusive => record.0 >= time,
            None => record.0 > time,
        };
        let size = self.page_size.min(request.limit.unwrap() as usize);
        let page: Vec<_> = self.records.iter().filter(after).take(size).collect();
        if page.first().is_some_and(|(first, _)| *first > time + self.quiet) {
            return envelope(self.stream, &[], &format!(r#""end_time":{}"#, time + self.quiet));
        }
        let full = page.len() == size;
        let named = self.with_ids && (full || !self.ids_when_full);
        let (end, end_id) = page.last().map_or((time, id.unwrap_or_default()), |(time, id)| (*time, id.clone()));
        let records: Vec<String> = page.iter().map(|(time, id)| self.record(*time, id)).collect();
        if self.ends_with_null && !full {
            return envelope(self.stream, &records, &format!(r#""next_page":null,"end_time":{end}"#));
        }
        let end_id = if named { format!("&start_id={end_id}") } else { String::new() };
        let next = format!("https://www.zopim.com/api/v2/elsewhere?limit=5&start_time={end}{end_id}");
        envelope(self.stream, &records, &format!(r#""next_page":"{next}","end_time":{end}"#))
    }

    fn record(&self, time: i64, id: &str) -> String {
        if self.stream == "chats" {
            let changed = position::readable(Nanos::from(time) * SECOND);
            return format!(r#"{{"id":"{id}","update_timestamp":"{changed}"}}"#);
        }
        let began = position::written(Nanos::from(time - self.lag_of(id)) * 1_000).unwrap();
        format!(r#"{{"agent_id":"{id}","start_time":"{began}"}}"#)
    }

    fn lag_of(&self, id: &str) -> i64 {
        id.bytes().map(i64::from).sum::<i64>() * 37 % (self.lag + 1)
    }
}

fn envelope(stream: &str, records: &[String], rest: &str) -> Page {
    let body = format!(r#"{{"{stream}":[{}],"count":{},{rest}}}"#, records.join(","), records.len());
    Page::parse(streams::named(stream).unwrap().endpoint().shape, body.into_bytes()).unwrap()
}

fn chat(id: &str, seconds: i64) -> String {
    Server::new("chats", []).record(seconds, id)
}

fn bounds(start: i64, end: Option<i64>) -> Bounds {
    Bounds {
        start: Nanos::from(start) * SECOND,
        end: end.map(|end| Nanos::from(end) * SECOND),
        lookback: 24 * 3_600 * SECOND,
        chats_lookback: 0,
    }
}

fn chats(start: i64, delivered: Option<&Frontier>) -> Walk {
    Walk::new(streams::named("chats").unwrap(), &bounds(start, None), delivered)
}

fn timeline(bounds: &Bounds, delivered: Option<&Frontier>) -> Walk {
    Walk::new(streams::named("agent_timeline").unwrap(), bounds, delivered)
}

fn at(seconds: i64, id: Option<&str>) -> Frontier {
    Frontier::Position(Position::received(&seconds.to_string(), id, Unit::Seconds).unwrap(), Vec::new())
}

/// The values of each delivered record's members, joined by `@`.
fn delivered_keys(delivery: &Delivery) -> Vec<String> {
    delivery
        .page
        .records()
        .map(|record| record.members().map(|(_, value)| value).collect::<Vec<_>>().join("@"))
        .collect()
}

/// Reads a walk to its end. Returns all that it delivered, each page's frontier, and the number of requests.
fn drive(walk: &mut Walk, server: &Server) -> Result<(Vec<String>, Vec<Frontier>, usize), Error> {
    let (mut all, mut frontiers, mut requests) = (Vec::new(), Vec::new(), 0);
    while let Some(asked) = walk.next() {
        requests += 1;
        assert!(requests < 10_000, "the walk does not end");
        let delivery = walk.accept(&asked, asked.request.limit, server.answer(&asked.request))?;
        all.extend(delivered_keys(&delivery));
        if let (Some(Frontier::Position(before, _)), Some(Frontier::Position(now, _))) =
            (frontiers.last(), &delivery.frontier)
        {
            assert!(now.is_beyond(before), "the frontier went from {before:?} to {now:?}");
        }
        assert!(delivery.frontier.is_none() || !frontiers.contains(delivery.frontier.as_ref().unwrap()));
        frontiers.extend(delivery.frontier);
    }
    Ok((all, frontiers, requests))
}

fn query(walk: &mut Walk) -> Vec<(&'static str, String)> {
    peek(walk).unwrap().query
}

/// The next request, without taking it from the walk.
fn peek(walk: &mut Walk) -> Option<Request> {
    let asked = walk.next()?;
    match &mut walk.pagination {
        Pagination::Once(asked) => *asked = false,
        Pagination::Numbered(numbered) => numbered.ready = true,
        Pagination::Export(export) => export.windows.iter_mut().for_each(|window| window.stage = window::Stage::Ready),
    }
    Some(asked.request)
}

/// Takes the walk's next request and answers it with this page.
fn accept(walk: &mut Walk, limit: Option<u32>, page: Page) -> Result<Delivery, Error> {
    let asked = walk.next().expect("the walk has not ended");
    walk.accept(&asked, limit, page)
}

#[test]
fn cutoff_a_start_at_or_after_it_asks_nothing() {
    for start in [1_000, 1_001, 4_000_000_000] {
        let mut walk = chats(start, None);
        walk.cut_at(1_000 * SECOND);
        assert_eq!(walk.next(), None, "{start}");
    }
    let mut state_of_2099 = chats(0, Some(&at(4_070_908_800, Some("x"))));
    state_of_2099.cut_at(1_000 * SECOND);
    assert_eq!(state_of_2099.next(), None);
}

#[test]
fn cutoff_learned_with_the_first_answer_delivers_nothing_beyond_it() {
    let mut walk = chats(900, None);
    walk.cut_at(1_000 * SECOND);
    let asked = walk.next().unwrap();
    walk.cut_at(500 * SECOND);
    let delivery =
        walk.accept(&asked, asked.request.limit, envelope("chats", &[chat("a", 950)], r#""end_time":950"#)).unwrap();
    assert!(delivery.page.is_empty());
    assert_eq!(delivery.frontier, None);
    assert_eq!(walk.next(), None);
}

#[test]
fn cutoff_a_400_to_a_first_request_for_the_last_five_minutes_means_nothing_yet() {
    let mut walk = chats(1_000, None);
    let asked = walk.next().unwrap();
    assert!(!walk.excuses(&asked, 400, 1_400 * SECOND));
    assert!(!walk.excuses(&asked, 404, 1_200 * SECOND));
    assert!(walk.excuses(&asked, 400, 1_200 * SECOND));
    assert_eq!(walk.next(), None);
}

#[test]
fn cutoff_a_400_to_a_later_request_is_no_excuse() {
    let mut walk = chats(1_000, None);
    accept(&mut walk, Some(1_000), envelope("chats", &[chat("a", 1_001)], r#""end_time":1001,"end_id":"a""#)).unwrap();
    let asked = walk.next().unwrap();
    assert!(!walk.excuses(&asked, 400, 1_200 * SECOND));
}

#[test]
fn window_leaves_records_at_its_end_to_the_next_walk() {
    let server = Server::new("chats", [(10, "a"), (19, "b"), (20, "c"), (21, "d")]);
    let mut walk = Walk::new(streams::named("chats").unwrap(), &bounds(10, Some(20)), None);
    let (all, frontiers, requests) = drive(&mut walk, &server).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(frontiers, [at(20, None)]);
    assert_eq!(requests, 1);
    let mut next = chats(10, frontiers.last());
    let (rest, ..) = drive(&mut next, &server).unwrap();
    assert_eq!(rest.len(), 3, "the two that were left, and the one before them again");
}

#[test]
fn window_begins_at_its_start_though_it_is_asked_earlier() {
    let server = Server::new("chats", [(9, "before"), (10, "a")]);
    let (all, ..) = drive(&mut chats(10, None), &server).unwrap();
    assert_eq!(all, ["\"a\"@\"1970-01-01T00:00:10Z\""]);
}

#[test]
fn window_behind_a_saved_position_passes_on_what_the_unit_before_it_holds() {
    // It is not known that the earlier run had this record: the export may not be ordered by the record's own time.
    let mut walk = chats(0, Some(&at(100, None)));
    let delivery =
        accept(&mut walk, Some(1_000), envelope("chats", &[chat("a", 99)], r#""end_time":100,"end_id":"a""#)).unwrap();
    assert_eq!(delivery.page.len(), 1);
}

#[test]
fn seam_takes_only_the_position_from_next_page() {
    let mut walk = chats(0, None);
    let body = r#""next_page":"http://evil.example/x?start_id=a%7Cb&fields=none&start_time=7&limit=1","end_time":9,"end_id":"z""#;
    accept(&mut walk, Some(1_000), envelope("chats", &[chat("a", 7)], body)).unwrap();
    let request = peek(&mut walk).unwrap();
    assert_eq!(request.path, "api/v2/chat/incremental/chats");
    assert_eq!(
        request.query,
        [("start_time", "7".to_owned()), ("start_id", "a|b".to_owned()), ("fields", "chats(*)".to_owned())]
    );
    assert_eq!(request.limit, Some(1_000));
}

#[test]
fn seam_without_next_page_takes_the_end() {
    for (rest, id) in [(r#""end_time":7,"end_id":"z""#, "z"), (r#""next_page":null,"end_time":"7","end_id":12"#, "12")]
    {
        let mut walk = chats(0, None);
        accept(&mut walk, Some(1_000), envelope("chats", &[chat("a", 7)], rest)).unwrap();
        assert_eq!(query(&mut walk)[..2], [("start_time", "7".to_owned()), ("start_id", id.to_owned())]);
    }
}

#[test]
fn seam_keeps_a_float_as_it_was_received() {
    let mut walk = Walk::new(streams::named("agent_events").unwrap(), &bounds(0, None), None);
    let event = r#"{"id":"e","timestamp":"2023-10-20T09:44:12.123456Z"}"#.to_owned();
    let delivery = accept(
        &mut walk,
        Some(1_000),
        envelope("agent_events", &[event], r#""end_time":1697795052.123456,"end_id":"e""#),
    )
    .unwrap();
    assert_eq!(query(&mut walk), [("start_time", "1697795052.123456".to_owned()), ("start_id", "e".to_owned())]);
    let Some(Frontier::Position(position, _)) = delivery.frontier else { panic!("no frontier") };
    assert_eq!(position.time(), "1697795052.123456");
}

#[test]
fn seam_without_an_id_is_asked_one_unit_earlier() {
    assert_eq!(query(&mut chats(10, None))[0], ("start_time", "9".to_owned()));
    assert_eq!(query(&mut timeline(&bounds(10, None), None))[0], ("start_time", "9999999".to_owned()));
    assert_eq!(query(&mut chats(0, None))[0], ("start_time", "0".to_owned()));
}

#[test]
fn seam_refuses_a_position_before_the_one_asked() {
    let mut walk = chats(0, Some(&at(100, Some("x"))));
    let error = accept(&mut walk, Some(1_000), envelope("chats", &[chat("a", 50)], r#""end_time":50,"end_id":"a""#))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Disorder);
    assert!(error.to_string().contains("chats"), "{error}");
}

#[test]
fn progress_none_on_a_full_page_is_an_error_and_never_a_loop() {
    let spans: Vec<String> =
        (0..100).map(|agent| format!(r#"{{"agent_id":{agent},"start_time":"1970-01-01T00:00:05.000001Z"}}"#)).collect();
    let mut walk = timeline(&bounds(0, None), None);
    let page = || envelope("agent_timeline", &spans, r#""end_time":5000001"#);
    assert_eq!(accept(&mut walk, Some(1_000), page()).unwrap().page.len(), 100);
    let error = accept(&mut walk, Some(1_000), page()).unwrap_err();
    assert_eq!(error.kind(), Kind::Paging);
    assert!(error.to_string().contains("agent_timeline") && error.to_string().contains("5000001"), "{error}");
}

#[test]
fn progress_none_on_a_short_page_is_the_end() {
    let span = r#"{"agent_id":1,"start_time":"1970-01-01T00:00:05.000001Z"}"#.to_owned();
    let mut walk = timeline(&bounds(0, None), None);
    let page = || envelope("agent_timeline", std::slice::from_ref(&span), r#""end_time":5000001"#);
    assert_eq!(accept(&mut walk, Some(1_000), page()).unwrap().page.len(), 1);
    assert_eq!(accept(&mut walk, Some(1_000), page()).unwrap().page.len(), 0);
    assert_eq!(walk.next(), None);
}

#[test]
fn progress_is_not_faked_by_a_repeated_record_that_changes() {
    let mut walk = timeline(&bounds(0, None), None);
    for duration in 1..=2 {
        let span = format!(r#"{{"agent_id":1,"start_time":"1970-01-01T00:00:05.000001Z","duration":{duration}}}"#);
        let delivery =
            accept(&mut walk, Some(1_000), envelope("agent_timeline", &[span], r#""end_time":5000001"#)).unwrap();
        assert_eq!(delivery.page.len(), 1, "a record that came again changed is passed on");
    }
    assert_eq!(walk.next(), None);
}

#[test]
fn progress_is_not_faked_by_a_repeated_span_that_began_before_what_was_asked() {
    // An export may be ordered by the spans' ends: the last span comes again, although its own start lies far back.
    let span = |agent: u32| format!(r#"{{"agent_id":{agent},"start_time":"1970-01-01T00:00:01.000000Z"}}"#);
    let mut walk = timeline(&bounds(0, None), None);
    let page = |agents: &[u32]| {
        let spans: Vec<String> = agents.iter().map(|&agent| span(agent)).collect();
        envelope("agent_timeline", &spans, r#""end_time":9000000"#)
    };
    assert_eq!(accept(&mut walk, Some(1_000), page(&[1, 2])).unwrap().page.len(), 2);
    assert_eq!(accept(&mut walk, Some(1_000), page(&[2])).unwrap().page.len(), 0);
    assert_eq!(walk.next(), None);
}

#[test]
fn progress_is_not_faked_by_a_repeated_chat_whose_position_is_later_than_its_cursor() {
    let mut walk = chats(0, None);
    let page = || envelope("chats", &[chat("a", 7)], r#""end_time":9,"end_id":"a""#);
    assert_eq!(accept(&mut walk, Some(1_000), page()).unwrap().page.len(), 1);
    assert_eq!(accept(&mut walk, Some(1_000), page()).unwrap().page.len(), 0);
    assert_eq!(walk.next(), None);
}

#[test]
fn progress_between_two_pages_that_take_turns_is_none() {
    let page = |ids: std::ops::Range<u32>| {
        let chats: Vec<String> = ids.map(|id| chat(&format!("{id:03}"), 7)).collect();
        envelope("chats", &chats, r#""end_time":7,"end_id":"x""#)
    };
    let mut walk = chats(7, None);
    accept(&mut walk, Some(1_000), page(0..100)).unwrap();
    accept(&mut walk, Some(1_000), page(100..200)).unwrap();
    assert_eq!(accept(&mut walk, Some(1_000), page(0..100)).unwrap_err().kind(), Kind::Paging);
}

#[test]
fn progress_within_the_second_asked_early_is_made_by_id() {
    let mut server = Server::new("chats", [(99, "a"), (99, "b"), (99, "c"), (99, "d"), (100, "e")]);
    server.page_size = 2;
    let (all, frontiers, _) = drive(&mut chats(0, Some(&at(100, None))), &server).unwrap();
    assert!(all.contains(&"\"e\"@\"1970-01-01T00:01:40Z\"".to_owned()));
    assert_eq!(frontiers, [at(100, Some("e"))]);
}

#[test]
fn stop_only_on_an_empty_page_and_never_for_a_short_one() {
    let mut server = Server::new("chats", [(1, "a"), (2, "b"), (3, "c")]);
    server.page_size = 1;
    let (all, _, requests) = drive(&mut chats(0, None), &server).unwrap();
    assert_eq!((all.len(), requests), (3, 4));
}

#[test]
fn stop_an_empty_page_that_leads_on_is_followed_and_never_moves_the_frontier() {
    let mut walk = chats(0, Some(&at(100, Some("x"))));
    let empty = || envelope("chats", &[], r#""end_time":900,"next_page":"https://h/p?start_time=900""#);
    let delivery = accept(&mut walk, Some(1_000), empty()).unwrap();
    assert_eq!((delivery.frontier, delivery.nothing_after), (None, Some(100 * SECOND)));
    assert_eq!(query(&mut walk)[0], ("start_time", "899".to_owned()));
    let page = envelope("chats", &[chat("a", 950)], r#""end_time":950,"end_id":"a""#);
    assert_eq!(accept(&mut walk, Some(1_000), page).unwrap().frontier, Some(at(950, Some("a"))));
    let delivery = accept(&mut walk, Some(1_000), empty()).unwrap();
    assert_eq!((delivery.frontier, delivery.nothing_after), (None, None));
    assert_eq!(walk.next(), None, "an end that was reached before leads nowhere");
}

#[test]
fn stop_an_empty_page_that_leads_to_the_end_is_the_end() {
    let mut walk = Walk::new(streams::named("chats").unwrap(), &bounds(10, Some(20)), None);
    let delivery = accept(&mut walk, Some(1_000), envelope("chats", &[], r#""end_time":20"#)).unwrap();
    assert_eq!((delivery.frontier, delivery.nothing_after), (None, None));
    assert_eq!(walk.next(), None);
}

#[test]
fn stop_empty_pages_that_lead_on_second_by_second_are_an_error_and_never_a_loop() {
    let mut walk = chats(0, None);
    let mut requests = 0;
    let error = loop {
        requests += 1;
        assert!(requests < 2_000, "the walk does not end");
        let page = envelope("chats", &[], &format!(r#""end_time":{requests}"#));
        match accept(&mut walk, Some(1_000), page) {
            Ok(delivery) => assert_eq!(delivery.frontier, None),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), Kind::Paging);
    assert!(error.to_string().contains("chats") && error.to_string().contains("start_time 1000"), "{error}");
}

#[test]
fn window_a_page_that_ends_later_than_the_clock_of_the_service_reached_nothing() {
    // An end in microseconds, in an export that counts in seconds.
    let page = |end: &str| envelope("chats", &[chat("a", 15)], &format!(r#""end_time":{end},"end_id":"a""#));
    let mut walk = Walk::new(streams::named("chats").unwrap(), &bounds(10, Some(20)), None);
    walk.set_latest(400 * SECOND);
    let error = accept(&mut walk, Some(1_000), page("15000000")).unwrap_err();
    assert_eq!(error.kind(), Kind::Paging);
    assert!(error.to_string().contains("chats") && error.to_string().contains("start_time 10"), "{error}");
    let mut walk = Walk::new(streams::named("chats").unwrap(), &bounds(10, Some(20)), None);
    walk.set_latest(400 * SECOND);
    let delivery = accept(&mut walk, Some(1_000), page("400")).unwrap();
    assert_eq!((delivery.page.len(), delivery.frontier), (1, Some(at(20, None))));
}

#[test]
fn seam_ids_on_full_pages_only_lead_nowhere_twice() {
    // A full page in one second, and a short one in the next. The ends are (7, id), then 8 without an id, so second 7
    // is requested again.
    let records = (0..12).map(|id| (7, format!("{id:02}"))).chain([(8, "x".to_owned()), (8, "y".to_owned())]);
    for ends_with_null in [false, true] {
        let mut server = Server { page_size: 5, ids_when_full: true, ends_with_null, ..Server::new("chats", []) };
        server.records = records.clone().collect();
        let (all, frontiers, requests) = drive(&mut chats(0, None), &server).unwrap();
        assert_eq!(all.len(), 14, "each exactly once");
        assert!(requests <= 8, "{requests}");
        assert_eq!(frontiers.last(), Some(&at(8, None)));
    }
}

#[test]
fn seam_a_position_that_was_visited_before_is_no_progress() {
    let mut walk = chats(7, None);
    let page = |id: &str, end: &str| envelope("chats", &[chat(id, 7)], &format!(r#""end_time":7,"end_id":"{end}""#));
    assert_eq!(accept(&mut walk, Some(1_000), page("a", "a")).unwrap().frontier, Some(at(7, Some("a"))));
    assert_eq!(accept(&mut walk, Some(1_000), page("b", "b")).unwrap().frontier, Some(at(7, Some("b"))));
    let delivery = accept(&mut walk, Some(1_000), page("c", "a")).unwrap();
    assert_eq!((delivery.page.len(), delivery.frontier), (1, None), "what is new is passed on");
    assert_eq!(query(&mut walk)[1], ("start_id", "b".to_owned()));
}

#[test]
fn progress_none_on_a_page_as_large_as_one_that_others_followed_is_an_error() {
    // The server caps pages at seven records. Three pages pass; then more than seven records share one moment.
    let early = (1..=20).map(|second| (second * 1_000_000, "a".to_owned()));
    let records: Vec<_> = early.chain((0..20).map(|tie| (30_000_000, format!("{tie:02}")))).collect();
    let mut server = Server { page_size: 7, with_ids: false, ..Server::new("agent_timeline", []) };
    server.records = records;
    let error = drive(&mut timeline(&bounds(0, None), None), &server).unwrap_err();
    assert_eq!(error.kind(), Kind::Paging);
    assert!(error.to_string().contains("agent_timeline") && error.to_string().contains("30000000"), "{error}");
}

#[test]
fn progress_none_on_the_only_page_of_a_small_account_is_the_end() {
    for count in 1..=7 {
        for page_size in [99, 1_000] {
            let mut server = Server { page_size, with_ids: false, ..Server::new("agent_timeline", []) };
            server.records = (0..count).map(|agent| (5_000_000, agent.to_string())).collect();
            let (all, ..) = drive(&mut timeline(&bounds(0, None), None), &server).unwrap();
            assert_eq!(all.len(), count);
        }
    }
}

#[test]
fn progress_pages_of_a_smaller_limit_are_no_measure_of_what_the_server_gives() {
    let mut walk = timeline(&bounds(0, None), None);
    let page = |seconds: &[i64]| {
        let span = |second: &i64| format!(r#"{{"agent_id":1,"start_time":"1970-01-01T00:00:0{second}Z"}}"#);
        let spans: Vec<String> = seconds.iter().map(span).collect();
        envelope("agent_timeline", &spans, &format!(r#""end_time":{}"#, seconds.last().unwrap() * 1_000_000))
    };
    accept(&mut walk, Some(1), page(&[1])).unwrap();
    accept(&mut walk, Some(2), page(&[1, 2])).unwrap();
    accept(&mut walk, Some(4), page(&[2, 3])).unwrap();
    assert_eq!(accept(&mut walk, Some(8), page(&[3])).unwrap().page.len(), 0);
    assert_eq!(walk.next(), None);
}

#[test]
fn order_the_frontier_never_moves_backwards() {
    let mut walk = chats(0, Some(&at(100, None)));
    let delivery =
        accept(&mut walk, Some(1_000), envelope("chats", &[chat("a", 99)], r#""end_time":99,"end_id":"a""#)).unwrap();
    assert_eq!(delivery.frontier, None);
}

#[test]
fn loud_a_record_without_its_key_is_an_error() {
    for (stream, record) in [
        ("chats", r#"{"id":null,"update_timestamp":"1970-01-01T00:00:07Z"}"#),
        ("agent_timeline", r#"{"start_time":"1970-01-01T00:00:07Z"}"#),
        ("agent_timeline", r#"{"agent_id":{"id":7},"start_time":"1970-01-01T00:00:07Z"}"#),
        ("chats", r#"{"id":["a"],"update_timestamp":"1970-01-01T00:00:07Z"}"#),
    ] {
        let mut walk = Walk::new(streams::named(stream).unwrap(), &bounds(0, None), None);
        let error =
            accept(&mut walk, Some(1_000), envelope(stream, &[record.to_owned()], r#""end_time":7"#)).unwrap_err();
        assert_eq!(error.kind(), Kind::Record);
        assert!(error.to_string().contains(stream) && error.to_string().contains("page 1"), "{error}");
    }
}

#[test]
fn loud_a_record_without_its_cursor_is_passed_on_and_counted() {
    let mut walk = chats(0, None);
    let delivery = accept(
        &mut walk,
        Some(1_000),
        envelope("chats", &[r#"{"id":"a"}"#.to_owned()], r#""end_time":7,"end_id":"a""#),
    )
    .unwrap();
    assert_eq!((delivery.page.len(), delivery.without_cursor), (1, 1));
    assert_eq!(delivery.frontier, Some(at(7, Some("a"))));
}

#[test]
fn loud_a_page_without_any_position_takes_its_last_cursor_or_fails() {
    let mut walk = chats(0, None);
    let delivery =
        accept(&mut walk, Some(1_000), envelope("chats", &[chat("a", 7), chat("b", 9)], r#""count":2"#)).unwrap();
    assert_eq!(delivery.frontier, Some(at(9, None)));
    let mut walk = chats(0, None);
    let error =
        accept(&mut walk, Some(1_000), envelope("chats", &[r#"{"id":"a"}"#.to_owned()], r#""count":1"#)).unwrap_err();
    assert_eq!(error.kind(), Kind::Paging);
}

#[test]
fn lookback_reads_again_before_the_frontier_and_keeps_it() {
    let day = 86_400_i64;
    let delivered =
        Frontier::Position(Position::received("200000000000", None, Unit::Microseconds).unwrap(), Vec::new());
    let mut walk = timeline(&bounds(0, None), Some(&delivered));
    assert_eq!(query(&mut walk)[0].1, format!("{}", (200_000 - day) * 1_000_000 - 1));
    let late = r#"{"agent_id":7,"start_time":"1970-01-02T08:00:00.000000Z"}"#.to_owned();
    let delivery =
        accept(&mut walk, Some(1_000), envelope("agent_timeline", &[late], r#""end_time":115200000000"#)).unwrap();
    assert_eq!(delivery.page.len(), 1);
    assert_eq!(delivery.frontier, None);
}

#[test]
fn lookback_never_goes_before_the_start() {
    let delivered =
        Frontier::Position(Position::received("200000000000", None, Unit::Microseconds).unwrap(), Vec::new());
    let mut walk = timeline(&bounds(190_000, None), Some(&delivered));
    assert_eq!(query(&mut walk)[0].1, "189999999999");
}

#[test]
fn a_smaller_limit_grows_again() {
    let mut walk = chats(0, None);
    let page = |seconds| envelope("chats", &[chat("a", seconds)], &format!(r#""end_time":{seconds},"end_id":"a""#));
    for (asked, next) in [(250, 500), (500, 1_000), (1_000, 1_000)] {
        accept(&mut walk, Some(asked), page(i64::from(asked))).unwrap();
        assert_eq!(peek(&mut walk).unwrap().limit, Some(next));
    }
}

fn numbered(stream: &str, delivered: Option<&Frontier>) -> Walk {
    Walk::new(streams::named(stream).unwrap(), &bounds(0, None), delivered)
}

#[test]
fn agents_are_asked_from_the_number_after_the_last() {
    let mut walk = numbered("agents", Some(&Frontier::Id(41)));
    assert_eq!(query(&mut walk), [("since_id", "42".to_owned())]);
    assert_eq!(peek(&mut walk).unwrap().limit, Some(100));
    let shape = streams::named("agents").unwrap().endpoint().shape;
    let delivery =
        accept(&mut walk, Some(100), Page::parse(shape, br#"[{"id":50},{"id":"77"}]"#.to_vec()).unwrap()).unwrap();
    assert_eq!(delivery.frontier, Some(Frontier::Id(77)));
    assert_eq!(query(&mut walk), [("since_id", "78".to_owned())]);
    accept(&mut walk, Some(100), Page::parse(shape, b"[]".to_vec()).unwrap()).unwrap();
    assert_eq!(walk.next(), None);
}

#[test]
fn a_numbered_page_that_leads_backwards_is_an_error() {
    let mut walk = numbered("agents", Some(&Frontier::Id(41)));
    let shape = streams::named("agents").unwrap().endpoint().shape;
    let error = accept(&mut walk, Some(100), Page::parse(shape, br#"[{"id":3}]"#.to_vec()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), Kind::Disorder);
    assert!(error.to_string().starts_with("agents: "), "{error}");
}

#[test]
fn a_list_is_read_with_one_request() {
    let mut walk = numbered("skills", None);
    let shape = streams::named("skills").unwrap().endpoint().shape;
    assert_eq!(peek(&mut walk).unwrap().limit, None);
    assert_eq!(
        accept(&mut walk, None, Page::parse(shape, br#"[{"id":1},{"id":2}]"#.to_vec()).unwrap()).unwrap().page.len(),
        2
    );
    assert_eq!(walk.next(), None);
}

/// A model of a server's bans: both kinds are numbered in one sequence.
fn bans_page(bans: &BTreeSet<(i64, bool)>, since: i64, limit: usize, shared: bool, leave_out_empty: bool) -> Page {
    let from: Vec<_> = bans.iter().filter(|(id, _)| *id >= since).collect();
    let within: Vec<_> = if shared { from.into_iter().take(limit).collect() } else { from };
    let array = |kind: bool| -> Vec<String> {
        let mine = within.iter().filter(|(_, visitor)| *visitor == kind);
        mine.take(limit).map(|(id, _)| format!(r#"{{"id":{id},"created_at":null}}"#)).collect()
    };
    let (visitor, ip) = (array(true), array(false));
    let mut members = Vec::new();
    if !(leave_out_empty && visitor.is_empty() && !ip.is_empty()) {
        members.push(format!(r#""visitor":[{}]"#, visitor.join(",")));
    }
    if !(leave_out_empty && ip.is_empty()) {
        members.push(format!(r#""ip_address":[{}]"#, ip.join(",")));
    }
    Page::parse(streams::named("bans").unwrap().endpoint().shape, format!("{{{}}}", members.join(",")).into_bytes())
        .unwrap()
}

proptest! {
    /// With any bounds, page size and ties, a walk delivers everything in the window and nothing outside it, and it
    /// ends.
    #[test]
    fn every_record_of_the_window_is_delivered(
        records in prop::collection::btree_set((0_i64..60, "[a-f]{1,3}"), 0..80),
        page_size in 1_usize..20, pair_inclusive: bool, time_inclusive: bool, start in 0_i64..40, length in 0_i64..40,
    ) {
        let page_size = if pair_inclusive { page_size.max(2) } else { page_size };
        let server = Server { records: records.iter().cloned().collect(), page_size, pair_inclusive, time_inclusive, ..Server::new("chats", []) };
        let mut walk = Walk::new(streams::named("chats").unwrap(), &bounds(start, Some(start + length)), None);
        walk.cut_at(50 * SECOND);
        let (all, ..) = drive(&mut walk, &server).unwrap();
        let to = (start + length).min(50);
        let wanted: Vec<String> = records.iter().filter(|(time, _)| (start..to).contains(time) && (*time > 0 || time_inclusive))
            .map(|(time, id)| format!("\"{id}\"@\"{}\"", position::readable(Nanos::from(*time) * SECOND))).collect();
        prop_assert_eq!(all.len(), wanted.len(), "each exactly once");
        prop_assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), wanted.into_iter().collect::<BTreeSet<_>>());
    }

    /// A run that is interrupted after any page and resumed from its state misses nothing.
    #[test]
    fn a_run_cut_off_anywhere_goes_on_without_loss(
        records in prop::collection::btree_set((1_i64..60, "[a-f]{1,3}"), 1..80),
        page_size in 2_usize..9, pair_inclusive: bool, time_inclusive: bool, cut in 0_usize..10,
    ) {
        let server = Server { records: records.iter().cloned().collect(), page_size, pair_inclusive, time_inclusive, ..Server::new("chats", []) };
        let mut walk = chats(1, None);
        let mut all = BTreeSet::new();
        let mut frontier = None;
        for _ in 0..cut {
            let Some(asked) = walk.next() else { break };
            let delivery = walk.accept(&asked, asked.request.limit, server.answer(&asked.request)).unwrap();
            all.extend(delivered_keys(&delivery));
            frontier = delivery.frontier.or(frontier);
        }
        let stream = streams::named("chats").unwrap();
        let mut saved = crate::source::state_format::Saved::default();
        saved.keep("chats", crate::source::state_format::of(stream, frontier.as_ref()));
        let resumed = saved.delivered(stream).unwrap();
        prop_assert_eq!(&resumed, &frontier);
        all.extend(drive(&mut chats(1, resumed.as_ref()), &server).unwrap().0);
        prop_assert_eq!(all.len(), records.len());
    }

    /// Without ids, every record comes once, or the walk fails with an error. This holds for any page size, and whether
    /// or not empty pages lead over quiet times.
    #[test]
    fn an_export_without_ids_is_complete_or_loud(
        records in prop::collection::btree_set((1_i64..40, "[a-c]{1,2}"), 0..60), page_size in prop_oneof![1_usize..30, 95_usize..110],
        ties in 0_usize..130, time_inclusive: bool, ends_with_null: bool, quiet in prop_oneof![3_i64..20, Just(1_000)],
    ) {
        let mut server = Server { records: records.iter().cloned().collect(), page_size, with_ids: false, time_inclusive, ends_with_null, quiet, ..Server::new("agent_timeline", []) };
        server.records.extend((0..ties).map(|tie| (50, format!("{tie:03}"))));
        server.records.push((99, "last".to_owned()));
        let mut walk = timeline(&Bounds { start: 1_000, end: None, lookback: 0, chats_lookback: 0 }, None);
        // The records of a moment and of the moment before it must fit on one page, or they cannot be read.
        let crowd = server.records.iter().map(|(at, _)| server.records.iter().filter(|(other, _)| (at - 1..=*at).contains(other)).count());
        let crowded = crowd.max().unwrap() >= page_size;
        match drive(&mut walk, &server) {
            Ok((all, ..)) => {
                prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "each once");
                // A first page that comes again whole looks exactly like one that holds all records.
                let stuck = crowded && page_size < 100 && all.len() == page_size;
                prop_assert!(stuck || all.len() == server.records.len(), "{} of {}", all.len(), server.records.len());
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), Kind::Paging);
                prop_assert!(crowded, "only a tie of a whole page stops it");
            }
        }
    }

    /// With ids on full pages only, a last page that leads nowhere, quiet times, any cap, and a run resumed from any
    /// state, each record comes once in a run, and none is missed.
    #[test]
    fn an_export_whose_ids_come_and_go_is_complete(
        records in prop::collection::btree_set((1_i64..30, "[a-c]{1,2}"), 0..60), page_size in 2_usize..100, ties in 0_usize..130, tail in 0_usize..4,
        pair_inclusive: bool, time_inclusive: bool, ends_with_null: bool, quiet in prop_oneof![3_i64..20, Just(1_000)], cut in 0_usize..30,
    ) {
        let mut server = Server {
            records: records.into_iter().collect(), page_size, pair_inclusive, time_inclusive, ids_when_full: true, ends_with_null, quiet,
            ..Server::new("chats", [])
        };
        server.records.extend((0..ties).map(|tie| (50, format!("{tie:03}"))));
        server.records.extend((0..tail).map(|tie| (51, format!("{tie:03}"))));
        let (all, frontiers, _) = drive(&mut chats(1, None), &server).unwrap();
        prop_assert_eq!(all.len(), server.records.len(), "each exactly once");
        let all: BTreeSet<String> = all.into_iter().collect();
        prop_assert_eq!(all.len(), server.records.len());
        let mut walk = chats(1, None);
        let mut delivered = BTreeSet::new();
        let mut frontier = None;
        for _ in 0..cut {
            let Some(asked) = walk.next() else { break };
            let delivery = walk.accept(&asked, asked.request.limit, server.answer(&asked.request)).unwrap();
            delivered.extend(delivered_keys(&delivery));
            frontier = delivery.frontier.or(frontier);
        }
        prop_assert!(frontier.is_none() || frontiers.contains(frontier.as_ref().unwrap()));
        delivered.extend(drive(&mut chats(1, frontier.as_ref()), &server).unwrap().0);
        prop_assert_eq!(delivered, all);
    }

    /// Bans: whether the limit counts both arrays together or each, and whichever array is missing, each ban comes
    /// exactly once.
    #[test]
    fn bans_of_both_kinds_come_once(
        bans in prop::collection::btree_map(1_i64..200, any::<bool>(), 0..60), limit in 1_usize..12, shared: bool, leave_out_empty: bool, cut in 0_usize..6,
    ) {
        let bans: BTreeSet<(i64, bool)> = bans.into_iter().collect();
        let mut all = Vec::new();
        let mut delivered = None;
        for pages in [cut, usize::MAX] {
            let mut walk = numbered("bans", delivered.as_ref());
            for _ in 0..pages {
                let Some(asked) = walk.next() else { break };
                let since = asked.request.query[0].1.parse().unwrap();
                let delivery = walk.accept(&asked, asked.request.limit, bans_page(&bans, since, limit, shared, leave_out_empty)).unwrap();
                all.extend(delivery.page.records().map(|record| number(record, "id").unwrap()));
                delivered = delivery.frontier.or(delivered);
            }
        }
        // After an interruption, the bans that one array held beyond the other's end come again.
        let unique: BTreeSet<i64> = all.iter().copied().collect();
        prop_assert_eq!(unique.len(), bans.len());
        if cut == 0 {
            prop_assert_eq!(all.len(), bans.len());
        }
    }

    #[test]
    fn any_page_is_accepted_or_refused_without_panic(body in r#"\{"chats":\[(\{"id":("a"|1|null|\{\})(,"update_timestamp":("[0-9T:Z-]{0,22}"|[0-9]{1,25}))?\},?){0,3}\](,"end_time":[-0-9.e]{1,30})?\}"#) {
        let shape = streams::named("chats").unwrap().endpoint().shape;
        if let Ok(page) = Page::parse(shape, body.into_bytes()) {
            let _ = accept(&mut chats(0, None), Some(1_000), page);
        }
    }
}

mod windows;
