//! Sinks write records. A sink *accepts* a page at once and makes it *durable* later. It may publish a checkpoint,
//! which is a frontier handed to it, only once everything accepted before that checkpoint is durable.

use crate::error::Error;
use crate::position::{Frontier, Nanos};
use crate::protocol::Status;
use crate::source::page::{Page, Record};
use crate::source::streams::Stream;

pub mod airbyte;
pub mod parquet;

/// Receives the records, statuses and errors of a run.
pub trait Sink: Send + Sync + 'static {
    /// Takes the pages of one endpoint.
    type Writer: Writer;

    /// A writer for the streams of one endpoint, which come from the same pages.
    fn family(&self, members: Vec<Member>) -> Self::Writer;

    /// Receives a stream's status.
    fn status(&self, stream: &str, status: Status);

    /// Receives a failure of one stream, or of the whole run.
    fn failure(&self, error: &Error, stream: Option<&str>);

    /// Receives the notice that a stream ended early for a reason that is reported elsewhere: by the run, or by another
    /// stream of the same endpoint.
    fn stopped(&self, why: &Error, stream: &str);

    /// The time of day in milliseconds since 1970.
    fn now(&self) -> i64;
}

/// A stream that a writer extracts from the pages of its endpoint.
#[derive(Debug, Clone)]
pub struct Member {
    /// The stream.
    pub stream: &'static Stream,
    /// The members of its records that the user selected; `None` means all.
    pub selected: Option<Vec<String>>,
    /// Whether its state is published while it is read.
    pub incremental: bool,
}

impl Member {
    /// All of a stream that is read by itself, incrementally.
    pub fn alone(stream: &'static Stream) -> Self {
        Self { stream, selected: None, incremental: true }
    }
}

/// FAMILY: the moment from which on records of a page are new to a stream; none if all are.
pub type NewFrom = Option<Nanos>;

/// FAMILY: whether a record of an endpoint is new to a stream. The members of a record are those of the endpoint's own stream.
pub fn is_new(record: Record<'_>, stream: &Stream, from: NewFrom) -> bool {
    from.is_none_or(|from| {
        let changed = stream.endpoint().lead().cursor.and_then(|cursor| record.time(cursor));
        changed.is_none_or(|changed| changed >= from)
    })
}

/// How the read of a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It broke off before its end.
    Early,
    /// It reached its end, but the service left out a part, which the next run requests again.
    WithGap,
    /// It covered everything up to this moment, or everything there is if the stream has no times.
    Whole(Nanos),
}

/// Takes the pages of one endpoint and writes the records of its streams. Totals and frontiers are given per stream, in
/// the order of the members in [`Sink::family`]; a stream that is read in full has none.
pub trait Writer: Send + 'static {
    /// How many records of each stream were accepted.
    fn totals(&self) -> Vec<u64>;

    /// Accepts the records of a page. Waits while the sink is slow.
    fn write(&mut self, page: Page, new: &[NewFrom]) -> impl Future<Output = Result<(), Error>> + Send;

    /// Resolves when every accepted page has been converted. This is cancel-safe. It shows whether more pages in
    /// parallel would help: while the writer is busy, they would not.
    fn idle(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Records how far each stream is delivered by the pages accepted so far. The sink may publish this once they are
    /// durable.
    fn checkpoint(&mut self, delivered: &[Option<Frontier>]) -> impl Future<Output = Result<(), Error>> + Send;

    /// Ends the streams. `delivered` is how far each is delivered, and `end` is how their read ended.
    fn finish(self, delivered: &[Option<Frontier>], end: End) -> impl Future<Output = Result<(), Error>> + Send;
}
