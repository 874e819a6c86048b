//! Whole runs that read exports in parallel windows, because responses are slow and there is spare quota.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use source_zendesk_chat::clock::Clock;
use source_zendesk_chat::error::Error;
use source_zendesk_chat::position::{Frontier, nanos_of};
use source_zendesk_chat::protocol::Status;
use source_zendesk_chat::run::plan::{self, Choice};
use source_zendesk_chat::sandbox::Options;
use source_zendesk_chat::sandbox::faults::{Fault, Rule};
use source_zendesk_chat::sandbox::options::{Bound, BulkEdit, Ids, TimelineOrder};
use source_zendesk_chat::sink::{End, Member, NewFrom, Sink, Writer};
use source_zendesk_chat::source::page::Page;
use source_zendesk_chat::source::state_format::Saved;
use tokio::time::{Instant, sleep_until};

use crate::account::{Account, CUTOFF, NOW, Reading, catalog, instant, key};

const EXPORTS: [&str; 5] = ["chats", "agent_timeline", "agent_events", "conversions", "department_events"];

/// An account of about forty pages of chats, with slow responses.
async fn account(arrange: impl FnOnce(&mut Options)) -> Account {
    let mut account = Account::open(|options| {
        options.holdings.chats = 24_000;
        options.holdings.spans = Some(24_000);
        options.behaviour.page_cap = Some(100);
        options.behaviour.requests_per_minute = None;
        options.behaviour.latency = Duration::from_millis(200);
        arrange(options);
    })
    .await;
    account.requests_per_minute = 1e8;
    account
}

/// The maximum number of windows of a stream that were read besides the first.
fn beside(reading: &Reading, stream: &str) -> usize {
    let windows = reading.states(stream).into_iter().filter_map(|state| state["windows"].as_array());
    windows.map(Vec::len).max().unwrap_or(0)
}

fn set(reading: &Reading, stream: &str) -> BTreeSet<String> {
    reading.keys(stream).into_iter().collect()
}

/// Reads a stream from the start and compares it with the truth.
async fn complete(account: &Account, stream: &str) -> Reading {
    let reading = account.read("incremental", &[stream], "").await;
    assert_eq!(reading.errors(), [], "{stream}");
    assert_eq!(set(&reading, stream), account.truth(stream, CUTOFF), "{stream} is complete");
    let state = *reading.states(stream).last().unwrap();
    assert_eq!(state["windows"], Value::Null, "{stream}: there is no gap in the end");
    reading
}

#[tokio::test(start_paused = true)]
async fn every_export_is_complete_whatever_is_not_known_of_the_service() {
    for bound in [Bound::Inclusive, Bound::Exclusive] {
        for (timeline_ids, agent_events_ids) in [(Ids::Untold, Ids::Told), (Ids::Told, Ids::Untold)] {
            let account = account(|options| {
                options.behaviour.bound_with_id = bound;
                options.behaviour.bound_without_id = bound;
                options.behaviour.timeline_bound = bound;
                options.behaviour.timeline_ids = timeline_ids;
                options.behaviour.agent_events_ids = agent_events_ids;
            })
            .await;
            for stream in EXPORTS {
                let reading = complete(&account, stream).await;
                assert!(reading.counts(stream).values().all(|&count| count == 1), "{stream} has each record once");
                let pages = reading.records(stream).len() / 100;
                assert!(beside(&reading, stream) > 0 || pages < 5, "{stream}: {pages} pages");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_line_that_grows_or_is_ordered_by_ends_is_complete() {
    for (growing, order) in [(true, TimelineOrder::Start), (false, TimelineOrder::End), (true, TimelineOrder::End)] {
        let account = account(|options| {
            options.holdings.growing_spans = growing;
            options.behaviour.timeline_order = order;
        })
        .await;
        let reading = complete(&account, "agent_timeline").await;
        let beside = beside(&reading, "agent_timeline");
        assert!(beside > 0);
        // With an order by end, a span may come on both sides of a border between its start and its end.
        let twice = reading.counts("agent_timeline").values().filter(|&&count| count > 1).count();
        assert!(twice <= beside * 20, "{twice} {beside}");
    }
}

#[tokio::test(start_paused = true)]
async fn thousands_of_chats_in_one_second_and_a_trickle_come_once_each() {
    let edit = BulkEdit { moment: instant("2025-02-15T12:00:00Z"), chats: 1_500 };
    let account = account(|options| {
        options.holdings.bulk_edit = Some(edit);
        options.behaviour.trickle_since = Some(instant("2025-02-28T12:00:00Z"));
    })
    .await;
    let reading = complete(&account, "chats").await;
    assert!(reading.counts("chats").values().all(|&count| count == 1));
    assert!(beside(&reading, "chats") > 0);
}

#[tokio::test(start_paused = true)]
async fn years_without_a_chat_cost_no_more_than_a_request_a_window() {
    let mut account = account(|_| ()).await;
    account.bounds.start = nanos_of(instant("2001-01-01T00:00:00Z"));
    let reading = complete(&account, "chats").await;
    let pages = reading.records("chats").len().div_ceil(100);
    assert!(beside(&reading, "chats") > 0);
    assert!(reading.requests.len() <= pages + pages / 4, "{} {pages}", reading.requests.len());
}

/// A run is killed after any of its states, at any stage of its windows. A day later the next run goes on.
#[tokio::test(start_paused = true)]
async fn a_run_killed_after_any_state_goes_on_without_loss() {
    for stream in ["chats", "agent_timeline"] {
        let account = account(|options| options.holdings.chats = 12_000).await;
        let whole = complete(&account, stream).await;
        let states = whole.states(stream).len();
        assert!(beside(&whole, stream) > 2, "{stream}");
        account.set_now("2025-03-02T12:00:00Z");
        let truth = account.truth(stream, "2025-03-02T11:54:00Z");
        for count in (1..=states).step_by(3) {
            let killed = whole.killed_after(stream, count);
            let resumed = account.read("incremental", &[stream], &killed.state_file()).await;
            resumed.result.as_ref().unwrap();
            let both: BTreeSet<String> = set(&killed, stream).union(&set(&resumed, stream)).cloned().collect();
            assert!(both.is_superset(&truth), "{stream} after {count} states");
            // Chats that changed meanwhile come again in their new form, and so do the spans of the last hours.
            let again = resumed.records(stream).len() + killed.records(stream).len() - truth.len();
            assert!(again < truth.len() / 10, "{stream} after {count} states: {again}");
        }
    }
}

/// Airbyte's own connector reads only the cursor.
#[tokio::test(start_paused = true)]
async fn the_cursor_alone_misses_nothing_either() {
    let account = account(|_| ()).await;
    let whole = complete(&account, "chats").await;
    let truth = account.truth("chats", CUTOFF);
    for count in (1..whole.states("chats").len()).step_by(7) {
        let killed = whole.killed_after("chats", count);
        let mut state = (*killed.states("chats").last().unwrap()).clone();
        state.as_object_mut().unwrap().remove("windows");
        let resumed = account.read("incremental", &["chats"], &format!(r#"{{"chats":{state}}}"#)).await;
        let both: BTreeSet<String> = set(&killed, "chats").union(&set(&resumed, "chats")).cloned().collect();
        assert_eq!(both, truth);
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_that_fails_for_good_leaves_the_work_of_the_others() {
    let account = account(|options| {
        options.faults = vec![Rule::of_path("incremental/chats", 15..=15, Fault::status(400))];
    })
    .await;
    let failed = account.read("incremental", &["chats"], "").await;
    assert_eq!(failed.errors().len(), 1, "{:?}", failed.errors());
    assert_eq!(failed.statuses("chats").last(), Some(&"INCOMPLETE"));
    let state = *failed.states("chats").last().unwrap();
    assert!(state["windows"].is_array(), "{state}");
    account.sandbox.heal();
    let resumed = account.read("incremental", &["chats"], &failed.state_file()).await;
    resumed.result.as_ref().unwrap();
    let both: BTreeSet<String> = set(&failed, "chats").union(&set(&resumed, "chats")).cloned().collect();
    let truth = account.truth("chats", CUTOFF);
    assert_eq!(both, truth);
    let again = failed.records("chats").len() + resumed.records("chats").len() - truth.len();
    assert!(again < 10, "only what lies at seams comes again: {again}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_finds_a_page_or_two_asks_no_more_than_one_after_the_other() {
    let account = account(|_| ()).await;
    let whole = complete(&account, "chats").await;
    let mut last = whole.records("chats");
    last.sort_by_key(|chat| std::cmp::Reverse(chat["update_timestamp"].as_str()));
    for found in [1, 60, 150] {
        let since = instant(last[found]["update_timestamp"].as_str().unwrap()).timestamp();
        let state = format!(r#"{{"chats":{{"update_timestamp":"{since}"}}}}"#);
        let run = account.read("incremental", &["chats"], &state).await;
        assert!(run.requests.len() <= run.records("chats").len().div_ceil(100) + 1, "{:?}", run.requests);
        assert!(run.keys("chats").contains(&key("chats", last[0])));
    }
}

/// A sink that discards its pages, and works on each for a fixed time.
#[derive(Clone, Default)]
struct Worker {
    work: Duration,
    /// The maximum number of windows that were read besides the first.
    beside: Arc<AtomicUsize>,
}

struct WorkersPlace {
    worker: Worker,
    until: Instant,
    total: u64,
}

impl Sink for Worker {
    type Writer = WorkersPlace;

    fn family(&self, _: Vec<Member>) -> WorkersPlace {
        WorkersPlace { worker: self.clone(), until: Instant::now(), total: 0 }
    }

    fn status(&self, _: &str, _: Status) {}

    fn failure(&self, error: &Error, _: Option<&str>) {
        panic!("{error}");
    }

    fn stopped(&self, _: &Error, _: &str) {}

    fn now(&self) -> i64 {
        0
    }
}

impl Writer for WorkersPlace {
    fn totals(&self) -> Vec<u64> {
        vec![self.total]
    }

    async fn write(&mut self, page: Page, _: &[NewFrom]) -> Result<(), Error> {
        // Two pages may be queued, so the first ones seem to take no time.
        sleep_until(self.until.checked_sub(self.worker.work * 2).unwrap_or(self.until)).await;
        self.until = self.until.max(Instant::now()) + self.worker.work;
        self.total += page.len() as u64;
        Ok(())
    }

    async fn idle(&mut self) -> Result<(), Error> {
        sleep_until(self.until).await;
        Ok(())
    }

    async fn checkpoint(&mut self, delivered: &[Option<Frontier>]) -> Result<(), Error> {
        if let Some(Frontier::Position(_, beyond)) = &delivered[0] {
            self.worker.beside.fetch_max(beyond.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    async fn finish(self, _: &[Option<Frontier>], end: End) -> Result<(), Error> {
        assert!(matches!(end, End::Whole(_)));
        Ok(())
    }
}

/// Regression: a sink that could hardly keep up was given nine windows, since it accepted the first pages at once.
/// Months were opened in parallel, and all of them had to be merged.
#[tokio::test(start_paused = true)]
async fn a_sink_that_is_at_work_all_the_time_is_given_one_window() {
    for (work, windows) in [(250, false), (20, true)] {
        let worker = Worker { work: Duration::from_millis(work), ..Worker::default() };
        let account = account(|_| ()).await;
        let catalog = catalog("incremental", &["chats"]);
        let plan = plan::build(&Choice::Catalog(catalog), &Saved::default(), &account.bounds);
        account.read_into(worker.clone(), Clock::fixed(instant(NOW)), plan).await.unwrap();
        assert_eq!(worker.beside.load(Ordering::Relaxed) > 0, windows, "{work} ms a page");
    }
}
