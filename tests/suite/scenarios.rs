//! Problems that users met with other connectors, one test each.

use std::collections::BTreeSet;

use chrono::Duration;
use serde_json::Value;
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::error::FailureType;
use source_zendesk_chat::sandbox::Options;
use source_zendesk_chat::sandbox::faults::{Fault, Rule};
use source_zendesk_chat::sandbox::options::{
    BansLimit, Bound, BulkEdit, FiveMinuteRule, Ids, Late, Refusal, TimelineOrder,
};

use source_zendesk_chat::source::streams;

use crate::account::{Account, CUTOFF, NOW, Reading, instant, key};

/// Enough chats for three full pages and a short one.
fn many_chats(options: &mut Options) {
    options.holdings.chats = 24_000;
}

fn set(reading: &Reading, stream: &str) -> BTreeSet<String> {
    reading.keys(stream).into_iter().collect()
}

/// Reads a stream from the start and compares it with the truth, each record once.
async fn complete(stream: &str, arrange: impl FnOnce(&mut Options)) -> Reading {
    let account = Account::open(arrange).await;
    let reading = account.read("incremental", &[stream], "").await;
    assert_eq!(reading.errors(), [], "{stream}");
    assert_eq!(set(&reading, stream), account.truth(stream, CUTOFF), "{stream} is complete");
    assert!(reading.counts(stream).values().all(|&count| count == 1), "{stream} has each record once");
    reading
}

#[tokio::test(start_paused = true)]
async fn more_than_a_thousand_chats_come_page_by_page() {
    let reading = complete("chats", many_chats).await;
    assert!(reading.records("chats").len() > 3_000 && reading.requests.len() > 3, "{:?}", reading.requests);
    for request in &reading.requests[1..] {
        assert!(request.contains("start_time=") && request.contains("start_id="), "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn thousands_of_chats_in_one_second_come_once_each() {
    let edit = BulkEdit { moment: instant("2025-02-15T12:00:00Z"), chats: 2_500 };
    for bound in [Bound::Exclusive, Bound::Inclusive] {
        let arrange = |options: &mut Options| {
            many_chats(options);
            options.holdings.bulk_edit = Some(edit);
            options.behaviour.bound_with_id = bound;
        };
        let reading = complete("chats", arrange).await;
        let tied =
            reading.records("chats").iter().filter(|chat| chat["update_timestamp"] == "2025-02-15T12:00:00Z").count();
        assert!(tied >= 2_500, "{tied}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_page_that_is_exactly_full_is_followed_by_an_empty_one() {
    let all = complete("chats", |_| ()).await.records("chats").len();
    for pages in [1, 2] {
        let reading = complete("chats", |options| options.behaviour.page_cap = Some(all.div_ceil(pages))).await;
        assert_eq!(reading.requests.len(), pages + 1, "{:?}", reading.requests);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_gives_less_than_was_asked_for_loses_nothing() {
    for cap in [500, 7] {
        for stream in ["chats", "agent_timeline", "agent_events", "conversions", "department_events"] {
            complete(stream, |options| options.behaviour.page_cap = Some(cap)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickle_of_one_record_a_request_ends_at_the_cutoff() {
    let arrange = |options: &mut Options| options.behaviour.trickle_since = Some(instant("2025-02-28T00:00:00Z"));
    for stream in ["chats", "agent_timeline"] {
        let reading = complete(stream, arrange).await;
        assert!(reading.requests.len() > 5, "{stream}: {:?}", reading.requests);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_or_state_of_the_last_minutes_or_the_future_asks_nothing_and_keeps_the_state() {
    let account = Account::open(|_| ()).await;
    for time in ["2025-03-01T11:58:00Z", "2025-03-01T12:00:00Z", "2099-01-01T00:00:00Z"] {
        let seconds = instant(time).timestamp().to_string();
        let state = format!(r#"{{"chats":{{"update_timestamp":"{seconds}"}}}}"#);
        let reading = account.read("incremental", &["chats"], &state).await;
        reading.result.as_ref().unwrap();
        assert_eq!(reading.requests, [] as [String; 0], "{time}");
        assert_eq!(reading.states("chats"), [&serde_json::json!({ "update_timestamp": seconds })], "{time}");
        assert_eq!(reading.statuses("chats"), ["STARTED", "RUNNING", "COMPLETE"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_clock_far_off_either_way_loses_nothing() {
    for minutes in [-10, 10] {
        let account = Account::open(|options| options.behaviour.five_minute_rule = FiveMinuteRule::Always).await;
        let own = instant(NOW) + Duration::minutes(minutes);
        let first = account.read_by(Clock::fixed(own), "incremental", &["chats"], "").await;
        first.result.as_ref().unwrap();
        let cutoff = (own.min(instant(NOW)) - Duration::seconds(360)).to_rfc3339();
        assert_eq!(set(&first, "chats"), account.truth("chats", &cutoff), "{minutes}");
        account.set_now("2025-03-02T12:00:00Z");
        let second = account
            .read_by(Clock::fixed(own + Duration::days(1)), "incremental", &["chats"], &first.state_file())
            .await;
        let cutoff = (own.min(instant(NOW)) + Duration::days(1) - Duration::seconds(360)).to_rfc3339();
        let both: BTreeSet<String> = set(&first, "chats").union(&set(&second, "chats")).cloned().collect();
        assert!(both.is_superset(&account.truth("chats", &cutoff)), "{minutes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_only_the_server_finds_too_recent_means_nothing_yet() {
    let account = Account::open(|_| ()).await;
    // The machine's clock runs half an hour fast, so only the server knows that the state is two minutes old.
    let fast = Clock::fixed(instant(NOW) + Duration::minutes(30));
    let state = format!(r#"{{"chats":{{"update_timestamp":"{}"}}}}"#, instant("2025-03-01T11:58:00Z").timestamp());
    let reading = account.read_by(fast, "incremental", &["chats"], &state).await;
    reading.result.as_ref().unwrap();
    assert!(reading.requests[0].ends_with(" 400"), "{:?}", reading.requests);
    assert_eq!((reading.keys("chats").len(), reading.errors().len(), reading.states("chats").len()), (0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_updated_chat_comes_again_and_a_late_one_is_not_missed() {
    let arrange = |options: &mut Options| options.holdings.late = Late { percent: 30, seconds: 299 };
    let account = Account::open(arrange).await;
    let mut reading = account.read("incremental", &["chats"], "").await;
    let mut chats = reading.keys("chats");
    for hour in 1..=60 {
        account.set_now(&(instant(NOW) + Duration::hours(hour)).to_rfc3339());
        reading = account.read("incremental", &["chats"], &reading.state_file()).await;
        chats.extend(reading.keys("chats"));
    }
    let cutoff = (instant(NOW) + Duration::hours(60) - Duration::minutes(6)).to_rfc3339();
    let every: BTreeSet<String> = chats.iter().cloned().collect();
    assert!(every.len() < chats.len(), "some chats were updated in between");
    assert_eq!(every, account.truth("chats", &cutoff));
}

#[tokio::test(start_paused = true)]
async fn spans_of_agents_come_once_whatever_the_bound_and_the_envelope() {
    for bound in [Bound::Inclusive, Bound::Exclusive] {
        for ids in [Ids::Untold, Ids::Told] {
            let arrange = |options: &mut Options| {
                options.behaviour.timeline_bound = bound;
                options.behaviour.timeline_ids = ids;
                options.behaviour.page_cap = Some(150);
            };
            let reading = complete("agent_timeline", arrange).await;
            let seconds: BTreeSet<String> =
                reading.keys("agent_timeline").iter().map(|key| key.split('.').next().unwrap().to_owned()).collect();
            assert!(
                seconds.len() < reading.keys("agent_timeline").len(),
                "two spans of one agent begin within one second"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_come_once_whatever_the_bound_and_the_envelope() {
    for (with_id, without_id) in [(Bound::Exclusive, Bound::Inclusive), (Bound::Inclusive, Bound::Exclusive)] {
        for ids in [Ids::Untold, Ids::Told] {
            let arrange = |options: &mut Options| {
                options.behaviour.bound_with_id = with_id;
                options.behaviour.bound_without_id = without_id;
                options.behaviour.agent_events_ids = ids;
                options.behaviour.page_cap = Some(150);
            };
            complete("agent_events", arrange).await;
        }
    }
}

/// An account in which more than a page of chats has the same timestamp.
fn with_a_full_moment(options: &mut Options) {
    many_chats(options);
    options.holdings.bulk_edit = Some(BulkEdit { moment: instant("2025-02-15T12:00:00Z"), chats: 2_000 });
}

const EXPORTS: [&str; 5] = ["chats", "agent_timeline", "agent_events", "conversions", "department_events"];

#[tokio::test(start_paused = true)]
async fn ids_on_full_pages_only_led_round_in_circles() {
    for (ids, null_next_page) in [(Ids::FullPages, false), (Ids::FullPages, true), (Ids::Told, true)] {
        for bound in [Bound::Exclusive, Bound::Inclusive] {
            for stream in EXPORTS {
                let arrange = |options: &mut Options| {
                    with_a_full_moment(options);
                    let behaviour = &mut options.behaviour;
                    (behaviour.chat_ids, behaviour.timeline_ids, behaviour.agent_events_ids) = (ids, ids, ids);
                    (behaviour.null_next_page, behaviour.bound_with_id) = (null_next_page, bound);
                };
                let reading = complete(stream, arrange).await;
                assert!(reading.requests.len() < 40, "{stream}: {:?}", reading.requests);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_of_an_export_with_ids_on_full_pages_only_goes_on() {
    let arrange = |options: &mut Options| {
        with_a_full_moment(options);
        (options.behaviour.chat_ids, options.behaviour.null_next_page) = (Ids::FullPages, true);
    };
    let account = Account::open(arrange).await;
    let first = account.read("incremental", &["chats"], "").await;
    let state = serde_json::json!({ "chats": first.states("chats").last().unwrap() }).to_string();
    let again = account.read("incremental", &["chats"], &state).await;
    again.result.as_ref().unwrap();
    assert!(again.requests.len() <= 2, "{:?}", again.requests);
    assert!(again.records("chats").len() < 10, "{}", again.records("chats").len());
    assert_eq!(again.states("chats").last(), first.states("chats").last());
}

#[tokio::test(start_paused = true)]
async fn an_end_in_another_unit_was_taken_for_the_end_of_all() {
    for stream in EXPORTS {
        let arrange = |options: &mut Options| {
            many_chats(options);
            (options.behaviour.foreign_times, options.behaviour.page_cap) = (true, Some(50));
        };
        let account = Account::open(arrange).await;
        let reading = account.read("incremental", &[stream], "").await;
        let error = reading.result.as_ref().unwrap_err();
        assert_eq!(error.failure_type(), FailureType::System, "{stream}: {error}");
        // The state lies before the records that were not read.
        let told = reading.states(stream).into_iter().flat_map(|state| state.as_object().unwrap().values());
        assert!(told.clone().all(|time| !time.is_string()), "{stream}: {:?}", told.collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_that_leads_on_ended_the_stream() {
    for (hours, ids) in [(6, Ids::Told), (36, Ids::Untold), (36, Ids::FullPages)] {
        for stream in EXPORTS {
            let arrange = |options: &mut Options| {
                options.holdings.chats = 100;
                options.behaviour.page_span = Some(std::time::Duration::from_hours(hours));
                options.behaviour.chat_ids = ids;
            };
            complete(stream, arrange).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_page_of_a_server_that_caps_without_ids_was_taken_for_the_last() {
    let arrange = |options: &mut Options| {
        options.holdings.chats = 3_000;
        options.holdings.bulk_edit = Some(BulkEdit { moment: instant("2025-02-15T12:00:00Z"), chats: 80 });
        options.behaviour.chat_ids = Ids::Untold;
        options.behaviour.page_cap = Some(60);
    };
    let account = Account::open(arrange).await;
    let reading = account.read("incremental", &["chats"], "").await;
    // Without ids, more than a page of records with the same second cannot be distinguished. That is an error, never a
    // silent gap.
    let error = reading.result.as_ref().unwrap_err();
    assert_eq!(error.failure_type(), FailureType::System, "{error}");
    let last = reading.states("chats").last().unwrap()["update_timestamp"].as_str().unwrap().parse::<i64>().unwrap();
    assert!(last <= instant("2025-02-15T12:00:00Z").timestamp(), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_long_span_that_appears_late_is_caught_by_the_look_back() {
    for growing in [false, true] {
        let arrange = |options: &mut Options| {
            options.holdings.spans = Some(20_000);
            options.holdings.growing_spans = growing;
        };
        let account = Account::open(arrange).await;
        let first = account.read("incremental", &["agent_timeline"], "").await;
        account.set_now("2025-03-02T09:00:00Z");
        let second = account.read("incremental", &["agent_timeline"], &first.state_file()).await;
        let both: BTreeSet<String> =
            set(&first, "agent_timeline").union(&set(&second, "agent_timeline")).cloned().collect();
        assert_eq!(both, account.truth("agent_timeline", "2025-03-02T08:54:00Z"));
    }
}

#[tokio::test(start_paused = true)]
async fn spans_in_the_order_of_their_ends_come_once_and_are_never_missed() {
    for timeline_bound in [Bound::Inclusive, Bound::Exclusive] {
        let arrange = |options: &mut Options| {
            options.holdings.spans = Some(20_000);
            options.behaviour.timeline_order = TimelineOrder::End;
            options.behaviour.timeline_bound = timeline_bound;
        };
        let account = Account::open(arrange).await;
        let first = account.read("incremental", &["agent_timeline"], "").await;
        assert!(first.counts("agent_timeline").values().all(|&count| count == 1));
        // Spans that ended before the first run's cutoff. Any span that may not have ended lies in the last nine hours.
        assert!(set(&first, "agent_timeline").is_superset(&account.truth("agent_timeline", "2025-03-01T02:54:00Z")));
        account.set_now("2025-03-02T09:00:00Z");
        let second = account.read("incremental", &["agent_timeline"], &first.state_file()).await;
        let both = &set(&first, "agent_timeline") | &set(&second, "agent_timeline");
        assert!(both.is_superset(&account.truth("agent_timeline", "2025-03-01T23:54:00Z")));
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_look_back_a_long_span_would_be_missed() {
    let mut account = Account::open(|options| options.holdings.spans = Some(20_000)).await;
    account.bounds.lookback = 0;
    let first = account.read("incremental", &["agent_timeline"], "").await;
    account.set_now("2025-03-02T09:00:00Z");
    let second = account.read("incremental", &["agent_timeline"], &first.state_file()).await;
    let both: BTreeSet<String> =
        set(&first, "agent_timeline").union(&set(&second, "agent_timeline")).cloned().collect();
    assert!(both.len() < account.truth("agent_timeline", "2025-03-02T08:54:00Z").len(), "the account has such spans");
}

#[tokio::test(start_paused = true)]
async fn bans_of_both_kinds_come_once_whatever_the_limit_means() {
    for bans_limit in [BansLimit::Shared, BansLimit::PerArray] {
        for omit_empty_bans in [false, true] {
            let arrange = |options: &mut Options| {
                options.holdings.bans = 2_500;
                options.behaviour.bans_limit = bans_limit;
                options.behaviour.omit_empty_bans = omit_empty_bans;
            };
            let reading = complete("bans", arrange).await;
            assert!(reading.records("bans").iter().any(|ban| ban["created_at"].is_null()), "old bans have no date");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn agents_are_read_in_full_unless_a_catalog_asks_for_new_ones_only() {
    let account = Account::open(|_| ()).await;
    let first = account.read("incremental", &["agents"], "").await;
    assert_eq!(set(&first, "agents"), account.truth("agents", CUTOFF));
    assert!(
        first.requests.iter().all(|request| request.contains("limit=100") && request.ends_with(" 200")),
        "{:?}",
        first.requests
    );
    account.set_now("2025-06-01T12:00:00Z");
    let incremental = account.read("incremental", &["agents"], &first.state_file()).await;
    assert!(!incremental.keys("agents").is_empty(), "some have joined");
    assert!(set(&incremental, "agents").is_disjoint(&set(&first, "agents")));
    let everything = account.read("incremental", &[], &first.state_file()).await;
    assert_eq!(set(&everything, "agents"), account.truth("agents", NOW));
}

#[tokio::test(start_paused = true)]
async fn every_odd_shape_passes_and_only_what_is_declared_otherwise_is_mended() {
    let account = Account::open(many_chats).await;
    let reading = account.read("incremental", &["chats", "agent_events", "department_events"], "").await;
    let truth: Vec<Value> = account
        .sandbox
        .account()
        .truth("chats", instant(NOW))
        .unwrap()
        .iter()
        .map(|chat| serde_json::from_str(chat).unwrap())
        .collect();
    let truth: std::collections::BTreeMap<String, Value> =
        truth.into_iter().map(|chat| (key("chats", &chat), chat)).collect();
    let (mut mended, mut arrays, mut malformed, mut drift) = (0, 0, 0, 0);
    for chat in reading.records("chats") {
        let mut expected = truth[&key("chats", chat)].clone();
        if let Some(unread) = expected["unread"].as_i64() {
            expected["unread"] = (unread == 1).into();
            mended += 1;
        }
        assert_eq!(*chat, expected);
        arrays += usize::from(chat["webpath"].as_array().is_some_and(|path| path.iter().any(Value::is_array)));
        malformed += usize::from(chat["session"]["start_date"].as_str().is_some_and(|date| date.ends_with("+00:00Z")));
        drift += usize::from(
            chat.as_object()
                .unwrap()
                .keys()
                .any(|member| !include_str!("../../schemas/chats.json").contains(member.as_str())),
        );
    }
    for (what, count) in [("mended", mended), ("arrays", arrays), ("malformed", malformed), ("drift", drift)] {
        assert!(count > 0, "no {what}");
    }
    let changes = reading
        .messages
        .iter()
        .filter(|message| message["record"]["stream"] == "chats" && !message["record"]["meta"].is_null())
        .count();
    assert_eq!(changes, mended);
    let values: Vec<&Value> = reading.records("agent_events").into_iter().map(|event| &event["value"]).collect();
    assert!(values.iter().all(|value| value.is_string() || value.is_null()), "numbers are written as text");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_integrated_accounts_do_not_show_is_passed_over_unless_it_was_named() {
    let open =
        || Account::open(|options| options.behaviour.refusal = Some(Refusal::Forbidden(vec!["account".to_owned()])));
    let unnamed = open().await.read("incremental", &[], "").await;
    unnamed.result.as_ref().unwrap();
    assert_eq!((unnamed.statuses("accounts"), unnamed.errors().len()), (vec!["STARTED", "INCOMPLETE"], 0));
    let named = open().await.read("full_refresh", &["accounts", "skills"], "").await;
    assert_eq!(named.result.unwrap_err().failure_type(), FailureType::Config);
    assert_eq!(
        named
            .messages
            .iter()
            .filter(|message| message["trace"]["error"]["stream_descriptor"]["name"] == "accounts")
            .count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_wrong_token_is_one_error_and_never_an_empty_success() {
    let mut account = Account::open(|_| ()).await;
    "another-token".clone_into(&mut account.token);
    let reading = account.read("incremental", &[], "").await;
    let error = reading.result.as_ref().unwrap_err();
    assert_eq!(error.failure_type(), FailureType::Config);
    assert!(error.to_string().starts_with("The account does not accept the access token"), "{error}");
    assert_eq!(reading.errors(), [], "it is told of the run, not of each stream");
    assert!(reading.messages.iter().all(|message| message["type"] != "STATE" && message["type"] != "RECORD"));
    for stream in streams::all() {
        assert_eq!(reading.statuses(stream.name), ["STARTED", "INCOMPLETE"]);
    }
    // Each stream may send its first request before one is refused. One more request finds out what the refusal means.
    assert!(reading.requests.len() <= 15 + 1, "{:?}", reading.requests);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_subdomain_is_an_error_even_if_nothing_was_named() {
    for refusal in
        [Refusal::WrongSubdomain, Refusal::NoChat, Refusal::NoChatObject, Refusal::UnknownHost, Refusal::MissingRole]
    {
        let mut account = Account::open(|options| options.behaviour.refusal = Some(refusal.clone())).await;
        account.skip_unavailable = true;
        let reading = account.read("incremental", &[], "").await;
        assert_eq!(reading.result.unwrap_err().failure_type(), FailureType::Config, "{refusal:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_404_on_page_two_is_an_error_and_the_state_stands_at_page_one() {
    for status in [404, 403] {
        let arrange = |options: &mut Options| {
            many_chats(options);
            options.faults = vec![Rule::of_path("incremental/chats", 2..=2, Fault::status(status))];
        };
        let mut account = Account::open(arrange).await;
        account.skip_unavailable = true;
        let reading = account.read("incremental", &["chats", "skills"], "").await;
        reading.result.as_ref().unwrap_err();
        assert_eq!((reading.keys("chats").len(), reading.states("chats").len()), (1_000, 1));
        assert_eq!(reading.statuses("chats"), ["STARTED", "RUNNING", "INCOMPLETE"]);
        assert_eq!(reading.statuses("skills"), ["STARTED", "RUNNING", "COMPLETE"]);
        assert_eq!(reading.errors()[0].0, "chats");
        let resumed = account.read("incremental", &["chats"], &reading.state_file()).await;
        let both: BTreeSet<String> = set(&reading, "chats").union(&set(&resumed, "chats")).cloned().collect();
        assert_eq!(both, account.truth("chats", CUTOFF));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_read_before_and_is_gone_is_an_error_though_nobody_named_it() {
    let account = Account::open(|options| {
        options.faults = vec![Rule::of_path("incremental/conversions", 1..=99, Fault::status(404))];
    })
    .await;
    let without_state = account.read("incremental", &[], "").await;
    without_state.result.as_ref().unwrap();
    let with_state = account.read("incremental", &[], r#"{"conversions":{"timestamp":"1735800000"}}"#).await;
    with_state.result.as_ref().unwrap_err();
    assert_eq!(with_state.errors()[0].0, "conversions");
}

#[tokio::test(start_paused = true)]
async fn a_next_page_on_another_host_is_never_asked() {
    let arrange = |options: &mut Options| {
        many_chats(options);
        options.behaviour.next_page_base = Some("https://www.zopim.com".to_owned());
    };
    complete("chats", arrange).await;
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_never_exceeded() {
    let account = Account::open(|options| options.behaviour.page_cap = Some(5)).await;
    let reading = account.read("incremental", &[], "").await;
    reading.result.as_ref().unwrap();
    assert!(reading.requests.len() > 400, "{}", reading.requests.len());
    assert!(reading.requests.iter().all(|request| request.ends_with(" 200")), "no request was refused");
    assert!(account.sandbox.peak_requests_per_minute() <= 200);
}

#[tokio::test(start_paused = true)]
async fn every_stream_that_waits_long_for_the_quota_says_so() {
    let mut account = Account::open(|_| ()).await;
    account.requests_per_minute = 6.0;
    let reading = account.read("incremental", &["skills", "roles", "goals", "triggers"], "").await;
    reading.result.as_ref().unwrap();
    let statuses = reading.messages.iter().map(|message| &message["trace"]["stream_status"]);
    let limited = statuses.filter(|status| status["reasons"][0]["type"] == "RATE_LIMITED");
    let waiting: BTreeSet<String> = limited.map(|status| status["stream_descriptor"]["name"].to_string()).collect();
    assert_eq!(waiting.len(), 3, "all but the first: {waiting:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_rests_for_minutes_slows_the_run_and_loses_nothing() {
    let mut account = Account::open(|options| {
        many_chats(options);
        options.behaviour.page_cap = Some(100);
        options.behaviour.requests_per_minute = None;
    })
    .await;
    account.requests_per_minute = 1_000_000.0;
    account.tap.close();
    let reading = account.read("incremental", &["chats"], "");
    tokio::pin!(reading);
    tokio::select! {
        _ = &mut reading => panic!("nothing was written"),
        () = tokio::time::sleep(std::time::Duration::from_mins(30)) => {}
    }
    let meanwhile = account.sandbox.requests().len();
    account.tap.open();
    let reading = reading.await;
    reading.result.as_ref().unwrap();
    assert_eq!(set(&reading, "chats"), account.truth("chats", CUTOFF));
    assert!(meanwhile < 15 && reading.requests.len() > 35, "{meanwhile} of {} requests", reading.requests.len());
}

#[tokio::test(start_paused = true)]
async fn states_of_airbytes_connector_go_on_here() {
    let account = Account::open(|_| ()).await;
    let start = "2025-02-20T00:00:00Z";
    let seconds = instant(start).timestamp();
    let wanted = &account.truth("chats", CUTOFF) - &account.truth("chats", start);
    for state in [format!(r#""{start}""#), format!(r#""{seconds}""#), seconds.to_string()] {
        let reading =
            account.read("incremental", &["chats"], &format!(r#"{{"chats":{{"update_timestamp":{state}}}}}"#)).await;
        assert_eq!(set(&reading, "chats"), wanted, "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bounded_backfill_ends_at_its_end_and_goes_on_from_there() {
    let mut account = Account::open(many_chats).await;
    account.bounds.end = Some(source_zendesk_chat::position::nanos_of(instant("2025-02-01T00:00:00Z")));
    let bounded = account.read("incremental", &["chats"], "").await;
    assert_eq!(set(&bounded, "chats"), account.truth("chats", "2025-02-01T00:00:00Z"));
    assert_eq!(
        bounded.states("chats").last().unwrap()["update_timestamp"],
        instant("2025-02-01T00:00:00Z").timestamp().to_string()
    );
    account.bounds.end = None;
    let rest = account.read("incremental", &["chats"], &bounded.state_file()).await;
    assert!(set(&rest, "chats").is_disjoint(&set(&bounded, "chats")));
    assert_eq!(set(&rest, "chats").len() + set(&bounded, "chats").len(), account.truth("chats", CUTOFF).len());
}

/// The README's claim about a run that finds nothing new.
#[tokio::test(start_paused = true)]
async fn a_run_that_finds_nothing_new_asks_no_more_than_it_must() {
    let names: Vec<&str> = streams::names();
    let account = Account::open(|_| ()).await;
    let first = account.read("incremental", &names, "").await;
    first.result.as_ref().unwrap();
    account.set_now("2025-03-01T12:10:00Z");
    let second = account.read("incremental", &names, &first.state_file()).await;
    second.result.as_ref().unwrap();
    for stream in streams::all() {
        let path = format!("/{}?", stream.endpoint().path);
        let requests = second.requests.iter().filter(|request| request.starts_with(&path)).count();
        // The last day of the time line is read again, and one more page shows that it has ended.
        let expected = if stream.name == "agent_timeline" { 2 } else { 1 };
        assert_eq!(requests, expected, "{}: {:?}", stream.name, second.requests);
    }
    assert_eq!(second.requests.len(), names.len() + 1);
}

/// While many chats of one moment were read, the state stayed at the first id of that moment: a killed run read all of it
/// again, and one that never lived long enough never got past it.
#[tokio::test(start_paused = true)]
async fn a_state_stayed_at_the_first_id_of_a_crowded_moment() {
    let moment = instant("2025-02-15T12:00:00Z").timestamp().to_string();
    let arrange = |options: &mut Options| {
        with_a_full_moment(options);
        options.behaviour.page_cap = Some(150);
    };
    let reading = complete("chats", arrange).await;
    let states = reading.states("chats");
    let of_moment: Vec<_> = states.iter().filter(|state| state["update_timestamp"] == moment.as_str()).collect();
    assert!(of_moment.len() >= 4, "{of_moment:?}");
    // The last state is written once more at the end.
    let moved = states[..states.len() - 1].windows(2).all(|pair| pair[0] != pair[1]);
    assert!(moved, "{states:?}");
}
