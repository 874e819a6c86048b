//! `--dry-run`: what a run would read, over which time range, with how many requests, and why. It sends no request and
//! writes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::{Account, Context};
use crate::dataset::{Manifest, Mode, Table, TableTasks};
use crate::error::Error;
use crate::position::{self, Nanos};
use crate::progress::{counted, duration};
use crate::run::plan::{Plan, Planned};
use crate::source::page::{Late, Shape};
use crate::source::streams::{EXPORT_LIMIT, Stream};
use crate::source::walk::{Bounds, Cutoff, Walk};

/// The forecast of one stream.
#[derive(Debug, Serialize)]
struct StreamForecast {
    stream: &'static str,
    /// Where reading begins and ends, for a stream with a time.
    from: Option<String>,
    to: Option<String>,
    /// The number of requests, or the minimum.
    requests: u64,
    /// Whether more requests may be needed, since only the service knows how much data there is.
    at_least: bool,
    #[serde(skip)]
    short: &'static str,
    why: &'static str,
}

/// Why a stream is read from its starting position, in a word and in a sentence.
type Why = (&'static str, &'static str);

const WHOLE: Why = ("whole", "it has no time from which a run could go on: it is read whole");
const START: Why = ("start", "nothing of it was read yet: it begins at `start_date`, or two years ago without one");
const STATE: Why = ("state", "it goes on from where the state ends");
const CATALOG: Why = ("catalog", "the catalog asks for all of it, from `start_date` on");
const DATASET: Why = ("dataset", "it goes on from where the dataset ends");
const UNFINISHED: Why = ("unfinished", "it goes on with a read that was not finished");
const SINCE: Why = ("--since", "`--since` says where it begins");
const MODE: Why = ("--mode", "`--mode` asks for all of it");
const AGAIN: Why = ("again", "it goes on, and `lookback_hours` before that are read again, since records appear late");

const REDACTED: Why = (
    "redacted",
    "it goes on, and `chats_lookback_minutes` before that are read again, since a redaction may show late",
);

/// The forecast of a run.
pub(super) struct Forecast {
    streams: Vec<StreamForecast>,
    refused: Vec<(String, Error)>,
    requests_per_minute: f64,
}

impl Forecast {
    /// The forecast of a `read`.
    pub(super) fn of_read(plan: Plan, bounds: &Bounds, account: &Account, context: &Context) -> Self {
        let why = |planned: &Planned| match (&planned.delivered, planned.stream.is_export()) {
            (Some(_), _) => STATE,
            (None, true) if !planned.incremental => CATALOG,
            (None, true) => START,
            (None, false) => WHOLE,
        };
        let none = Table::default();
        Self::of(plan, why, |_| &none, bounds, (account, context))
    }

    /// The forecast of a `dump`.
    pub(super) fn of_dump(
        (plan, tasks): (Plan, &TableTasks),
        since: bool,
        manifest: &Manifest,
        (bounds, account): (&Bounds, &Account),
        context: &Context,
    ) -> Self {
        let none = Table::default();
        let table = |stream: &'static Stream| manifest.tables.get(stream.name).unwrap_or(&none);
        let why = |planned: &Planned| {
            let stream = planned.stream;
            let mode = tasks.get(stream.name).map(|task| task.mode);
            let incremental = mode.is_some_and(Mode::is_incremental);
            match (&planned.delivered, stream.is_export()) {
                (Some(_), _) => {
                    if incremental {
                        DATASET
                    } else {
                        UNFINISHED
                    }
                }
                (None, false) => WHOLE,
                (None, true) if since => SINCE,
                (None, true) if !incremental => MODE,
                (None, true) if table(stream).start.is_some() => DATASET,
                (None, true) => START,
            }
        };
        Self::of(plan, why, table, bounds, (account, context))
    }

    fn of<'a>(
        plan: Plan,
        why: impl Fn(&Planned) -> Why,
        table: impl Fn(&'static Stream) -> &'a Table,
        bounds: &Bounds,
        (account, context): (&Account, &Context),
    ) -> Self {
        let cutoff = Cutoff::of(position::nanos_of(context.clock.now()), None).at;
        let forecast = |planned: Planned| {
            let (short, why) = why(&planned);
            let (short, why) = again(&planned, bounds).unwrap_or((short, why));
            let mut walk = planned.walk();
            walk.cut_at(cutoff);
            let (requests, at_least) = requests((&planned, &walk), table(planned.stream), bounds, cutoff);
            let axis = walk.axis().filter(|axis| axis.left > 0);
            StreamForecast {
                stream: planned.stream.name,
                from: axis.map(|axis| position::readable(axis.at)),
                to: axis.and(walk.end()).map(position::readable),
                requests,
                at_least,
                short,
                why,
            }
        };
        Self {
            streams: plan.streams.into_iter().map(forecast).collect(),
            refused: plan.refused,
            requests_per_minute: account.config.requests_per_minute,
        }
    }

    /// The total number of requests, and whether more may be needed.
    fn requests(&self) -> (u64, bool) {
        (self.streams.iter().map(|stream| stream.requests).sum(), self.streams.iter().any(|stream| stream.at_least))
    }

    /// The minimum duration. The quota determines it when there is much to read.
    fn time(&self) -> Duration {
        let (requests, _) = self.requests();
        #[allow(clippy::cast_precision_loss, reason = "a time needs no more digits than a float has")]
        Duration::from_secs_f64((requests as f64 * 60.0 / self.requests_per_minute).ceil())
    }

    /// Prints the forecast, as a table for people or as one JSON object. If a stream cannot be read, the result is an
    /// error.
    pub(super) async fn print(self, as_json: bool, context: &Context) -> Result<(), Error> {
        if as_json {
            let (requests, at_least) = self.requests();
            let line = json!({
                "streams": self.streams, "requests": requests, "at_least": at_least, "seconds": self.time().as_secs(),
            });
            context.stdout.write(format!("{line}\n").into_bytes()).await?;
        } else if !self.streams.is_empty() {
            self.lines().iter().for_each(|line| context.screen.line(line));
        }
        match self.refused.into_iter().next() {
            Some((stream, error)) => Err(error.at(&stream)),
            None => Ok(()),
        }
    }

    fn lines(&self) -> Vec<String> {
        let line = |stream: &str, from: &str, to: &str, requests: &str, why: &str| {
            format!("{stream:<17} {from:<20} {to:<20} {requests:>8}  {why}")
        };
        let mut lines = vec![line("stream", "from", "to", "requests", "why")];
        let mut sentences = BTreeMap::new();
        for StreamForecast { stream, from, to, requests, at_least, short, why } in &self.streams {
            let requests = counted(*requests) + if *at_least { "+" } else { "" };
            let [from, to] = [from, to].map(|time| time.as_deref().unwrap_or_default());
            lines.push(line(stream, from, to, &requests, short));
            sentences.insert(*short, *why);
        }
        lines.extend(sentences.iter().map(|(short, why)| format!("{short}: {why}")));
        let (requests, at_least) = self.requests();
        let (often, time, pace) = (counted(requests), duration(self.time()), self.requests_per_minute);
        let how = if at_least { "At least" } else { "About" };
        let noun = if requests == 1 { "request" } else { "requests" };
        lines.push(format!("{how} {often} {noun}, at {pace} a minute {time}. Nothing was asked or written."));
        if at_least {
            let limit = counted(EXPORT_LIMIT.into());
            lines.push(format!(
                "+: only the service knows how much; each page of up to {limit} records is one request more."
            ));
        }
        lines
    }
}

/// LOOKBACK: why a stream is read from before the position that it had reached.
fn again(planned: &Planned, bounds: &Bounds) -> Option<Why> {
    let Shape::Export { late, .. } = planned.stream.endpoint().shape else { return None };
    bounds.lookback_of(late).filter(|length| *length > 0)?;
    planned.delivered.as_ref()?;
    Some(if late == Late::Redacted { REDACTED } else { AGAIN })
}

/// The approximate number of requests for a stream, estimated from its table, and whether that is only the minimum.
fn requests((planned, walk): (&Planned, &Walk), table: &Table, bounds: &Bounds, cutoff: Nanos) -> (u64, bool) {
    match planned.stream.endpoint().shape {
        Shape::Object { .. } | Shape::List => (1, false),
        // A walk of numbered pages ends with a page after the last record.
        Shape::Numbered { limit, .. } => match (table.rows(), &planned.delivered) {
            (rows @ 1.., None) => (rows.div_ceil(u64::from(limit)) + 1, false),
            _ => (1, true),
        },
        Shape::Export { .. } => match (walk.axis().map_or(0, |axis| axis.left), pace(table)) {
            (..=0, _) => (0, false),
            (left, Some(pace)) => {
                // The look-back certainly contains a record.
                let again = again(planned, bounds).is_some();
                #[allow(
                    clippy::cast_precision_loss,
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "it is about so many"
                )]
                let rows = (left as f64 * pace).round() as u64;
                let pages = rows.max(again.into()).div_ceil(u64::from(EXPORT_LIMIT));
                // If the end lies before the cutoff, a record beyond the end finishes the walk, without one more page.
                (if walk.end().is_some_and(|end| end >= cutoff) { pages + 1 } else { pages.max(1) }, false)
            }
            (_, None) => (1, true),
        },
    }
}

/// The number of rows per nanosecond in a table.
fn pace(table: &Table) -> Option<f64> {
    let first = table.live.iter().filter_map(|file| file.min).min()?;
    let last = table.live.iter().filter_map(|file| file.max).max()?;
    let length = Nanos::from(last.checked_sub(first).filter(|length| *length > 0)?) * 1_000;
    #[allow(clippy::cast_precision_loss, reason = "a pace needs no more digits than a float has")]
    let pace = table.rows() as f64 / length as f64;
    Some(pace)
}
