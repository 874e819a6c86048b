//! Faults of the service at every request of a run. Each fault ends, in time, in the complete set of records or in its
//! expected error, with the state up to there kept.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::TimeDelta;
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::sandbox::faults::{Fault, Rule};
use tokio::time::Instant;

use crate::account::{Account, CUTOFF, NOW, Reading, instant};

/// One stream for each way of paging, with several pages each.
const STREAMS: [&str; 3] = ["agents", "chats", "agent_timeline"];

/// Longer than a run waits for a silent service.
const SILENCE: Duration = Duration::from_secs(90);

/// The maximum delay that a single fault adds to its own duration: one back-off.
const BACK_OFF: Duration = Duration::from_secs(3);

/// The longest that a run keeps retrying: ten minutes of patience and the last attempt.
const PATIENCE: Duration = Duration::from_mins(12);

/// A run that met a fault.
struct Trial {
    account: Account,
    reading: Reading,
    took: Duration,
    place: String,
}

async fn account(rules: Vec<Rule>) -> Account {
    let mut account = Account::open(|options| {
        options.holdings.spans = Some(1_500);
        options.behaviour.page_cap = Some(100);
        options.behaviour.requests_per_minute = None;
        options.faults = rules;
    })
    .await;
    account.requests_per_minute = 1_000_000.0;
    account
}

/// Reads all streams while some requests meet a fault.
async fn trial(requests: RangeInclusive<u64>, fault: &Fault) -> Trial {
    let account = account(vec![Rule::of_all(requests.clone(), fault.clone())]).await;
    let began = Instant::now();
    let reading = account.read("incremental", &STREAMS, "").await;
    let place = format!("{fault:.200?} at {requests:?}");
    Trial { account, reading, took: began.elapsed(), place }
}

/// The request numbers of a run without faults.
async fn numbers() -> RangeInclusive<u64> {
    let reading = account(Vec::new()).await.read("incremental", &STREAMS, "").await;
    assert!(reading.requests.len() > 8, "{:?}", reading.requests);
    1..=reading.requests.len() as u64
}

impl Trial {
    /// Asserts that the complete set came within this time, each record once.
    fn is_whole(&self, within: Duration) {
        self.misses_nothing(within);
        for stream in STREAMS {
            let counts = self.reading.counts(stream);
            assert!(counts.values().all(|&count| count == 1), "{}: {stream} has records twice", self.place);
        }
    }

    /// Asserts that the complete set came within this time. If a page changed its form, some records came twice.
    fn misses_nothing(&self, within: Duration) {
        let Self { account, reading, took, place } = self;
        assert!(reading.result.is_ok(), "{place}: {:?}", reading.result);
        for stream in STREAMS {
            let keys: BTreeSet<String> = reading.keys(stream).into_iter().collect();
            assert_eq!(keys, account.truth(stream, CUTOFF), "{place}: {stream}");
        }
        assert!(*took <= within, "{place}: took {took:?}");
    }

    /// Asserts that at least one stream failed in this way, that the others are complete, and that a second run without
    /// faults brings the missing records.
    async fn fails(self, failure_type: &str, within: Duration) {
        let Self { account, reading, took, place } = self;
        assert!(reading.result.is_err(), "{place}");
        assert!(took <= within, "{place}: took {took:?}");
        let errors: Vec<_> = reading.messages.iter().map(|message| &message["trace"]["error"]).collect();
        assert!(
            errors.iter().all(|error| error.is_null() || error["failure_type"] == failure_type),
            "{place}: {errors:?}"
        );
        account.sandbox.heal();
        let second = account.read("incremental", &STREAMS, &reading.state_file()).await;
        assert!(second.result.is_ok(), "{place}: {:?}", second.result);
        for stream in STREAMS {
            let failed = reading.statuses(stream).last() == Some(&"INCOMPLETE");
            let (first, rest) = (reading.keys(stream), second.keys(stream));
            let all: BTreeSet<String> = first.iter().chain(&rest).cloned().collect();
            let truth = account.truth(stream, CUTOFF);
            assert_eq!(all, truth, "{place}: {stream}");
            assert!(failed || first.len() == truth.len(), "{place}: {stream} is not whole and says that it is");
            let kept = !reading.states(stream).is_empty();
            assert!(!kept || rest.len() < truth.len() || stream == "agent_timeline", "{place}: {stream} begins anew");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_costs_seconds_at_any_request_and_nothing_is_lost_or_doubled() {
    for fault in Fault::passing() {
        for number in numbers().await {
            trial(number..=number, &fault).await.is_whole(Duration::from_secs(2) + BACK_OFF);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_faults_in_a_row_pass_too() {
    for fault in Fault::passing() {
        for number in numbers().await.step_by(3) {
            trial(number..=number + 1, &fault).await.is_whole(Duration::from_secs(12));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_lasts_as_long_as_was_asked_for() {
    let forms = [("1", 1.0), ("7", 7.0), ("0", 0.0), ("Sat, 01 Mar 2025 12:00:03 GMT", 3.0)];
    for status in [429, 503] {
        for (pause, seconds) in forms {
            let fault =
                Fault::refusal(status, ("Retry-After", pause), "Number of allowed API requests per minute exceeded");
            for number in numbers().await {
                let trial = trial(number..=number, &fault).await;
                trial.is_whole(Duration::from_secs_f64(seconds + 0.5));
                assert!(trial.took >= Duration::from_secs_f64(seconds), "{}: {:?}", trial.place, trial.took);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_is_asked_again_after_a_minute() {
    for fault in [Fault::Stall(SILENCE), Fault::StallInBody(SILENCE)] {
        for number in numbers().await {
            trial(number..=number, &fault).await.is_whole(Duration::from_mins(1) + BACK_OFF);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn odd_bodies_are_read_like_any_other() {
    let deep = format!("\"odd\":{}1{},", "[".repeat(100), "]".repeat(100));
    let members: [&[u8]; 5] = [
        deep.as_bytes(),
        br#""id":"another","odd":1,"odd":2,"#,
        br#""odd":"\ud800 and \udc00\ud800","#,
        b"\"odd\":\"\xff\xfe\",",
        br#""odd":[123456789012345678901234567890,{"a":-9223372036854775809}],"#,
    ];
    let odd = members.map(|members| Fault::Extra(members.to_vec()));
    for fault in [Fault::Pretty].iter().chain(&odd) {
        for number in numbers().await {
            trial(number..=number, fault).await.misses_nothing(Duration::ZERO);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_passed_on_is_mended_and_told() {
    let met = async |members: &[u8]| {
        let rule = Rule::of_path("incremental/chats", 2..=2, Fault::Extra(members.to_vec()));
        let reading = account(vec![rule]).await.read("incremental", &["chats"], "").await;
        let record = reading.messages.iter().find(|message| message["record"]["data"].get("odd").is_some()).unwrap();
        // The record itself may hold what is mended, too.
        let changes = record["record"]["meta"]["changes"].as_array().cloned().unwrap_or_default();
        let of_odd: Vec<_> = changes.into_iter().filter(|change| change["field"] == "odd").collect();
        (record["record"]["data"]["odd"].clone(), of_odd)
    };
    let (value, changes) = met(br#""odd":[1,123456789012345678901234567890],"#).await;
    assert_eq!(value, serde_json::json!([1, null]));
    assert_eq!(changes.len(), 1);
    let (value, changes) = met(br#""odd":"\ud800!","#).await;
    assert_eq!(value, "\u{fffd}!");
    assert_eq!(changes.len(), 1);
    assert_eq!(met(b"\"odd\":\"\xff!\",").await, ("\u{fffd}!".into(), Vec::new()));
    assert_eq!(met(br#""odd":1,"odd":2,"#).await, (2.into(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_chat_of_fifty_megabytes_passes() {
    let members = format!("\"odd\":\"{}\",", "x".repeat(50_000_000));
    for number in 1..=2 {
        let rule = Rule::of_path("incremental/chats", number..=number, Fault::Extra(members.clone().into_bytes()));
        let account = account(vec![rule]).await;
        let reading = account.read("incremental", &["chats"], "").await;
        reading.result.as_ref().unwrap();
        assert_eq!(reading.keys("chats").len(), account.truth("chats", CUTOFF).len());
        let longest = reading.records("chats").iter().filter_map(|chat| chat["odd"].as_str()).map(str::len).max();
        assert_eq!(longest, Some(50_000_000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_grows_beyond_all_bounds_is_asked_for_in_smaller_pieces() {
    let bomb = Fault::GzipBomb(140_000_000);
    let once = Rule::of_path("incremental/chats", 2..=2, bomb.clone());
    let account_once = account(vec![once]).await;
    let reading = account_once.read("incremental", &["chats"], "").await;
    reading.result.as_ref().unwrap();
    assert!(reading.requests[2].contains("limit=500"), "{:?}", reading.requests);
    assert_eq!(reading.keys("chats").len(), account_once.truth("chats", CUTOFF).len());

    let always = account(vec![Rule::of_all(1..=u64::MAX, bomb)]).await;
    let reading = always.read("incremental", &["chats"], "").await;
    let limits: Vec<&str> = reading.requests.iter().filter_map(|request| request.split("limit=").nth(1)).collect();
    let limits: Vec<&str> = limits.iter().filter_map(|limit| limit.split(['&', ' ']).next()).collect();
    assert_eq!(limits[..10], ["1000", "500", "250", "125", "62", "31", "15", "7", "3", "1"]);
    assert!(limits[10..].iter().all(|&limit| limit == "1") && limits.len() == 16, "{limits:?}");
    let (stream, message) = reading.errors()[0];
    assert_eq!(stream, "chats");
    assert!(message.contains("larger than"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_ends_in_its_error_and_the_next_run_goes_on() {
    let long = ("Retry-After", "901");
    let elsewhere = ("Location", "https://elsewhere.example/");
    let at_once = [
        (Fault::status(401), "config_error"),
        (Fault::status(403), "config_error"),
        (Fault::status(404), "config_error"),
        (Fault::Html(404), "config_error"),
        (Fault::status(400), "system_error"),
        (Fault::refusal(302, elsewhere, ""), "system_error"),
        (Fault::refusal(308, elsewhere, ""), "system_error"),
        (Fault::refusal(429, long, ""), "transient_error"),
        (Fault::refusal(503, long, ""), "transient_error"),
    ];
    for (fault, failure_type) in at_once {
        for number in numbers().await {
            trial(number..=number, &fault).await.fails(failure_type, Duration::ZERO).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_lasts_ends_in_time_and_the_next_run_goes_on() {
    let lasting = [
        Fault::status(429),
        Fault::refusal(429, ("Retry-After", "1"), "too many"),
        Fault::status(503),
        Fault::Reset,
        Fault::ResetInHead,
        Fault::TruncatedBody,
        Fault::CorruptGzip,
        Fault::EmptyBody,
        Fault::Html(200),
        Fault::Stall(SILENCE),
        Fault::StallInBody(SILENCE),
    ];
    for fault in lasting {
        for number in numbers().await {
            trial(number..=u64::MAX, &fault).await.fails("transient_error", PATIENCE).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_for_good_is_one_error_of_the_run() {
    for number in numbers().await {
        let trial = trial(number..=u64::MAX, &Fault::status(401)).await;
        assert_eq!(trial.reading.errors(), [], "{}", trial.place);
        assert_eq!(trial.reading.result.as_ref().unwrap_err().to_string().matches("401").count(), 1, "{}", trial.place);
        trial.fails("config_error", Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn six_failures_of_a_request_pass_and_seven_do_not() {
    for number in 1..=4 {
        let failing = |times| Rule::of_path("incremental/chats", number..=number + times - 1, Fault::status(502));
        for (times, passes) in [(6, true), (7, false)] {
            let account = account(vec![failing(times)]).await;
            let reading = account.read("incremental", &["chats"], "").await;
            assert_eq!(reading.result.is_ok(), passes, "{times} at {number}");
            let whole = reading.keys("chats").len() == account.truth("chats", CUTOFF).len();
            assert!(whole || !passes, "{times} at {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_moves_backwards_is_an_error_and_nothing_is_lost() {
    for number in numbers().await {
        let trial = trial(number..=number, &Fault::Backwards).await;
        // The responses for agents contain no position.
        if trial.reading.result.is_ok() {
            trial.is_whole(Duration::ZERO);
        } else {
            trial.fails("system_error", Duration::ZERO).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_comes_again_is_an_error_or_the_end_and_nothing_is_lost() {
    for number in numbers().await {
        let trial = trial(number..=number, &Fault::Repeat).await;
        if trial.reading.result.is_ok() {
            trial.misses_nothing(Duration::ZERO);
        } else {
            trial.fails("system_error", Duration::ZERO).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_in_the_wrong_order_are_never_taken_for_the_whole() {
    for stream in ["chats", "agent_timeline"] {
        let path = format!("incremental/{stream}");
        for number in 1..=2 {
            let ahead = Rule::of_path(&path, number..=number, Fault::Ahead);
            let behind = Rule::of_path(&path, number + 1..=number + 1, Fault::Repeat);
            let account = account(vec![ahead, behind]).await;
            let reading = account.read("incremental", &[stream], "").await;
            let (failed, message) = reading.errors()[0];
            assert_eq!(failed, stream);
            assert!(
                message.contains("before what was asked for") && message.contains("state from before this run"),
                "{message}"
            );
            assert_eq!(reading.statuses(stream).last(), Some(&"INCOMPLETE"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_host_is_never_spoken_to() {
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    foreign.set_nonblocking(true).unwrap();
    let base = format!("http://{}", foreign.local_addr().unwrap());
    for number in numbers().await {
        trial(number..=number, &Fault::NextPageOn(base.clone())).await.is_whole(Duration::ZERO);
        for status in [301, 302, 303, 307, 308] {
            let redirect = Fault::refusal(status, ("Location", &format!("{base}/api/v2/chat/agents")), "");
            trial(number..=number, &redirect).await.fails("system_error", Duration::ZERO).await;
        }
    }
    assert_eq!(foreign.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_do_no_harm_to_a_run_through_faults() {
    for minutes in [-10, 10] {
        let own = instant(NOW) + TimeDelta::minutes(minutes);
        let cutoff = (own.min(instant(NOW)) - TimeDelta::seconds(360)).to_rfc3339();
        for number in numbers().await {
            for fault in [Fault::status(503), Fault::TruncatedBody] {
                let account = account(vec![Rule::of_all(number..=number, fault)]).await;
                let reading = account.read_by(Clock::fixed(own), "incremental", &STREAMS, "").await;
                assert!(reading.result.is_ok(), "{minutes} at {number}: {:?}", reading.result);
                for stream in STREAMS {
                    let keys: BTreeSet<String> = reading.keys(stream).into_iter().collect();
                    assert_eq!(keys, account.truth(stream, &cutoff), "{minutes} at {number}: {stream}");
                }
            }
        }
    }
}
