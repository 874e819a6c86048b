//! The sink of `read`: Airbyte messages on stdout and, if one is configured, the state file.

pub mod coerce;
pub mod state_file;

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::{info, warn};

use crate::clock::Clock;
use crate::error::{Error, Kind};
use crate::position::Frontier;
use crate::protocol::{self, Change, Status};
use crate::secrets::Secrets;
use crate::sink::airbyte::coerce::Coercion;
use crate::sink::airbyte::state_file::StateFile;
use crate::sink::{End, Member, NewFrom, Sink, is_new};
use crate::source::page::Page;
use crate::source::state_format;
use crate::source::streams::Stream;
use crate::stdout::Stdout;

/// About how many bytes of lines are handed to stdout at once.
const CHUNK: usize = 512 * 1024;

/// Writes the messages of a run; clones share stdout.
#[derive(Clone)]
pub struct Airbyte {
    stdout: Stdout,
    clock: Clock,
    secrets: Secrets,
    state_file: Option<Arc<StateFile>>,
}

/// Writes the records of the streams of one endpoint.
pub struct Writer {
    sink: Airbyte,
    streams: Vec<StreamWriter>,
}

/// Writes the records of one stream.
struct StreamWriter {
    member: Member,
    coercion: Coercion,
    /// The frontier of the state that was written last.
    published: Option<Frontier>,
    since_state: u64,
    total: u64,
    mended: BTreeSet<String>,
}

impl Airbyte {
    /// A sink that writes to `stdout`. With a state file, each checkpoint is saved there once its lines are written.
    pub fn new(stdout: Stdout, clock: Clock, secrets: Secrets, state_file: Option<Arc<StateFile>>) -> Self {
        Self { stdout, clock, secrets, state_file }
    }
}

impl Sink for Airbyte {
    type Writer = Writer;

    fn family(&self, members: Vec<Member>) -> Writer {
        let writer = |member: Member| {
            let coercion = Coercion::new(member.stream, member.selected.as_deref());
            StreamWriter { member, coercion, published: None, since_state: 0, total: 0, mended: BTreeSet::new() }
        };
        Writer { sink: self.clone(), streams: members.into_iter().map(writer).collect() }
    }

    fn status(&self, stream: &str, status: Status) {
        self.stdout.note(protocol::stream_status(stream, status, self.now()));
    }

    fn failure(&self, error: &Error, stream: Option<&str>) {
        let hide = |text: &str| self.secrets.hide(text);
        self.stdout.note(protocol::failure(error, hide, stream, self.now()));
    }

    fn stopped(&self, _: &Error, _: &str) {
        // The stream's status already says that it is incomplete; the protocol has no other message for that.
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

impl super::Writer for Writer {
    fn totals(&self) -> Vec<u64> {
        self.streams.iter().map(|stream| stream.total).collect()
    }

    async fn write(&mut self, page: Page, new: &[NewFrom]) -> Result<(), Error> {
        for (stream, &from) in self.streams.iter_mut().zip(new) {
            stream.write(&page, from, &self.sink).await?;
        }
        Ok(())
    }

    async fn idle(&mut self) -> Result<(), Error> {
        // Accepted pages are already written.
        Ok(())
    }

    async fn checkpoint(&mut self, delivered: &[Option<Frontier>]) -> Result<(), Error> {
        for (stream, delivered) in self.streams.iter_mut().zip(delivered) {
            // ORDER: a state that is no other than the last one says nothing.
            if stream.published != *delivered {
                stream.checkpoint(delivered.as_ref(), &self.sink).await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self, delivered: &[Option<Frontier>], end: End) -> Result<(), Error> {
        if end == End::Early {
            // A stream that broke off needs no further state: `checkpoint` wrote the last one.
            return Ok(());
        }
        for (stream, delivered) in self.streams.iter_mut().zip(delivered) {
            stream.checkpoint(delivered.as_ref(), &self.sink).await?;
        }
        Ok(())
    }
}

impl StreamWriter {
    async fn write(&mut self, page: &Page, from: NewFrom, sink: &Airbyte) -> Result<(), Error> {
        let prefix = protocol::record_prefix(self.member.stream.name, sink.now());
        let plain_suffix = protocol::record_suffix(&[]);
        let mut lines = Vec::with_capacity(CHUNK + CHUNK / 8);
        let mut changes = Vec::new();
        let mut written = 0;
        for record in page.records() {
            if !is_new(record, self.member.stream, from) {
                continue;
            }
            written += 1;
            lines.extend_from_slice(&prefix);
            self.coercion.write(record, &mut lines, &mut changes);
            if changes.is_empty() {
                lines.extend_from_slice(&plain_suffix);
            } else {
                self.report(&changes)?;
                lines.extend_from_slice(&protocol::record_suffix(&changes));
                changes.clear();
            }
            if lines.len() >= CHUNK {
                sink.stdout.write(std::mem::replace(&mut lines, Vec::with_capacity(CHUNK + CHUNK / 8))).await?;
            }
        }
        if !lines.is_empty() {
            sink.stdout.write(lines).await?;
        }
        self.since_state += written;
        self.total += written;
        Ok(())
    }

    async fn checkpoint(&mut self, delivered: Option<&Frontier>, sink: &Airbyte) -> Result<(), Error> {
        let stream = self.member.stream;
        self.published = delivered.cloned();
        let state = state_format::of(stream, delivered);
        let line = protocol::state(stream.name, &state, std::mem::take(&mut self.since_state));
        sink.stdout.write(line.into_bytes()).await?;
        if let Some(file) = sink.state_file.clone() {
            sink.stdout.after(move || file.keep(stream.name, state))?;
        }
        Ok(())
    }

    /// LOUD: logs each member that arrives in an undeclared form, once per member. A key that its declared type cannot
    /// hold is an error.
    fn report(&mut self, changes: &[Change]) -> Result<(), Error> {
        let Stream { name, key, .. } = *self.member.stream;
        for Change { member, nulled } in changes {
            if *nulled && Some(member.as_str()) == key {
                return Err(Error::new(
                    Kind::Record,
                    format!("{name}: a record's `{member}`, which identifies it, is of another type"),
                ));
            }
            if !self.mended.insert(member.clone()) {
                continue;
            }
            if *nulled {
                warn!(
                    "{name}: `{member}` came in a form that its type cannot hold; it is null, as the record's meta says"
                );
            } else {
                info!(
                    "{name}: `{member}` comes in several forms; it is written in its declared type, as the record's meta says"
                );
            }
        }
        Ok(())
    }
}
