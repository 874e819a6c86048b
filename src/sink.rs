//! Where records go. A sink *accepts* a page at once and makes it *durable* in its own time; a frontier handed over as a
//! checkpoint may be told to anyone only when all that was accepted before it is durable.

use crate::error::Error;
use crate::position::{Frontier, Nanos};
use crate::protocol::Status;
use crate::source::page::Page;
use crate::source::streams::Stream;

pub mod airbyte;
pub mod parquet;

/// Takes what a run reads.
pub trait Sink: Send + Sync + 'static {
    /// One stream's place in it.
    type Writer: Writer;

    /// The place of one stream, of whose members those are wanted that are `selected`, or all.
    fn stream(&self, stream: &'static Stream, selected: Option<&[String]>) -> Self::Writer;

    /// Takes note of a stream's status.
    fn status(&self, stream: &str, status: Status);

    /// Takes note of a failure of one stream, or of the whole run.
    fn failure(&self, error: &Error, stream: Option<&str>);

    /// Takes note that a stream ends early for a reason that is told once, of the whole run.
    fn stopped(&self, why: &Error, stream: &str);

    /// The time of day in milliseconds since 1970.
    fn now(&self) -> i64;
}

/// How the read of a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It broke off.
    Early,
    /// It came to its end, but the service left out a part that the next run asks for again.
    WithGap,
    /// It went over everything up to that moment, or over everything there is, where there is no time.
    Whole(Nanos),
}

/// Takes one stream's records.
pub trait Writer: Send + 'static {
    /// How many records were accepted.
    fn total(&self) -> u64;

    /// Accepts the records of a page. Waits while the sink is slow.
    fn write(&mut self, page: Page) -> impl Future<Output = Result<(), Error>> + Send;

    /// Resolves when every accepted page has been converted. It is cancel-safe. A run asks it whether more pages in
    /// parallel would help: while the writer is busy, they would not.
    fn idle(&mut self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes note of how far the stream is delivered, after everything that was accepted before.
    fn checkpoint(&mut self, delivered: Option<&Frontier>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Ends the stream.
    fn finish(self, delivered: Option<&Frontier>, end: End) -> impl Future<Output = Result<(), Error>> + Send;
}
