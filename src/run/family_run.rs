//! Reads the streams of one endpoint (a family) together: fetches the pages that their walk requests, writes the
//! records that it delivers, and checkpoints each stream.

use std::sync::Arc;

use tokio::task::{JoinSet, yield_now};
use tokio::time::Instant;
use tracing::{info, warn};

use super::family::{Stage, advanced};
use super::sync::{Fetched, Run};
use crate::client::{Client, Rhythm, Slot};
use crate::error::{Error, Kind};
use crate::position::{self, Frontier, Nanos};
use crate::protocol::Status;
use crate::sink::{End, Member, NewFrom, Sink, Writer};
use crate::source::page::Shape;
use crate::source::streams::Stream;
use crate::source::walk::{Asked, MARGIN, MAYBE_FULL, Walk};

/// WINDOW: how far this machine's clock may be wrong. It is used if the service's responses give no time. A wrong time
/// zone is an error of hours; a page's end in another unit is off by far more. Without this allowance, a machine clock
/// that is slow would make every last page an error.
const CLOCK_ERROR: Nanos = 24 * 3_600_000_000_000;

/// Waits until the writer is idle and the client has room for one more request, and returns the slot for it.
async fn spare(writer: &mut impl Writer, client: &Client, rhythm: Rhythm) -> Result<Slot, Error> {
    writer.idle().await?;
    Ok(client.spare(rhythm).await)
}

/// The warnings that were logged already: each is logged once per walk.
#[derive(Default)]
struct Warned {
    of_cursors: bool,
    of_nothing: bool,
}

/// A walk of a family that is being read.
pub struct FamilyRun<S: Sink> {
    run: Arc<Run<S>>,
    stage: Stage,
    /// The streams of the walk, at least one.
    members: Vec<Member>,
    /// How far each of them was delivered when the walk began.
    places: Vec<Option<Frontier>>,
    /// How far the walk is delivered, and whether it has read everything up to its end.
    walked: Option<Frontier>,
    is_whole: bool,
    writer: S::Writer,
    /// The requests in flight. Meanwhile the pages of earlier requests are written.
    fetching: JoinSet<(Asked, Fetched)>,
    rhythm: Rhythm,
    /// The first error of a part that could not be read.
    failure: Option<Error>,
    running: bool,
    warned: Warned,
    /// When the run began, by the monotonic clock and by the machine's time of day.
    began: (Instant, Nanos),
}

impl<S: Sink> FamilyRun<S> {
    /// A walk of these streams, of which each was delivered up to its place.
    pub fn new(
        run: Arc<Run<S>>,
        stage: Stage,
        (members, places): (Vec<Member>, Vec<Option<Frontier>>),
        began: (Instant, Nanos),
    ) -> Self {
        Self {
            writer: run.sink.family(members.clone()),
            run,
            stage,
            members,
            places,
            walked: None,
            is_whole: false,
            fetching: JoinSet::new(),
            rhythm: Rhythm::default(),
            failure: None,
            running: false,
            warned: Warned::default(),
            began,
        }
    }

    /// The stream whose name identifies the walk in logs.
    fn stream(&self) -> &'static Stream {
        self.members[0].stream
    }

    /// The moment from which on a page is new to each member. A page that was requested at or beyond a member's own place is
    /// new as a whole, whatever the times of its records are.
    fn new_from(&self, asked: Option<Nanos>) -> Vec<NewFrom> {
        let Shape::Export { unit, late, .. } = self.stream().endpoint().shape else {
            return vec![None; self.members.len()];
        };
        let lookback = self.stage.bounds.lookback_of(late).unwrap_or(0);
        let from = |place: &Nanos| unit.floor(place - lookback) - unit.nanos();
        let is_before = |place: &Nanos| asked.is_some_and(|asked| asked < *place);
        self.stage.ahead.iter().map(|place| place.filter(is_before).as_ref().map(from)).collect()
    }

    /// How far each member is delivered.
    pub fn delivered(&self) -> Vec<Option<Frontier>> {
        let now = |place: &Option<Frontier>| match &self.walked {
            Some(walked) => Some(advanced(place.as_ref(), self.stage.delivered.as_ref(), walked, self.is_whole)),
            None => place.clone(),
        };
        self.places.iter().map(now).collect()
    }

    /// The frontiers that may be published: none of a stream that is read in full.
    fn published(&self) -> Vec<Option<Frontier>> {
        let published = self.members.iter().zip(self.delivered());
        published.map(|(member, delivered)| delivered.filter(|_| member.incremental)).collect()
    }

    /// Ends the streams in the sink.
    pub async fn finish(self, end: End) -> Result<(), Error> {
        let published = self.published();
        self.writer.finish(&published, end).await
    }

    /// Reads a walk to its end.
    pub async fn read(&mut self, walk: &mut Walk) -> Result<(), Error> {
        let run = Arc::clone(&self.run);
        walk.cut_at(run.cutoff(false));
        self.go_on(walk);
        while !self.fetching.is_empty() {
            let more = self.fetching.len() < run.client.useful(self.rhythm) && walk.can_ask_beside();
            tokio::select! {
                // Pages that have arrived come first: while some wait to be written, another request would gain
                // nothing.
                biased;
                () = run.stop.asked() => return Err(Error::new(Kind::Interrupted, "It was interrupted")),
                Some(fetched) = self.fetching.join_next() => {
                    let Ok((asked, fetched)) = fetched else {
                        return Err(Error::new(Kind::Internal, "Fetching a page broke off"));
                    };
                    self.take(walk, &asked, fetched).await?;
                }
                slot = spare(&mut self.writer, &run.client, self.rhythm), if more => {
                    let slot = slot?;
                    if let Some(asked) = walk.beside() {
                        self.fetch(asked, Some(slot));
                    }
                }
            }
        }
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        self.is_whole = walk.end().is_some();
        self.run_on();
        let (name, pages) = (self.stream().name, walk.pages());
        if let Some(from) = walk.gap() {
            let from = position::readable(from);
            warn!(
                "{name}: the service shows nothing after {from}, but did show later records; the next run asks again"
            );
        }
        let side_by_side = match walk.windows() {
            1 => String::new(),
            windows => format!(" of {windows} windows, {} duplicates dropped", walk.duplicates()),
        };
        let totals = self.writer.totals();
        info!("{name}: {} records in {pages} pages{side_by_side}", totals[0]);
        for (member, total) in self.members.iter().zip(totals).skip(1) {
            info!("{}: {total} records of the same pages", member.stream.name);
        }
        Ok(())
    }

    /// Processes the response to a request, or its failure.
    async fn take(&mut self, walk: &mut Walk, asked: &Asked, fetched: Fetched) -> Result<(), Error> {
        let run = Arc::clone(&self.run);
        let answer = match fetched {
            Ok(answer) => answer,
            Err(error) if self.excused(walk, asked, &error) => return Ok(()),
            Err(error) => {
                self.fail(walk, asked, error);
                return Ok(());
            }
        };
        let began = Instant::now();
        // Short pages are not measured: they arrive faster than the full pages that a long read consists of.
        if answer.value.len() >= MAYBE_FULL {
            self.rhythm.exchanged(answer.took);
        }
        self.run_on();
        walk.cut_at(run.cutoff(true));
        walk.set_latest(self.latest());
        let page = answer.value;
        if page.repaired() {
            let page = walk.pages() + 1;
            warn!("{}: page {page} holds bytes that are no UTF-8; they were replaced", self.stream().name);
        }
        let delivery = match walk.accept(asked, answer.limit, page) {
            Ok(delivery) => delivery,
            Err(error) => {
                self.fail(walk, asked, error);
                return Ok(());
            }
        };
        self.warn_of_cursors(delivery.without_cursor);
        self.warn_of_nothing(delivery.nothing_after);
        self.go_on(walk);
        // A task that was just spawned can only start on this thread. Yielding lets it send its request at once.
        yield_now().await;
        run.progress.reached(self.stream().name, delivery.page.len(), delivery.page.bytes(), walk.axis());
        let new = self.new_from(delivery.asked);
        self.writer.write(delivery.page, &new).await?;
        self.rhythm.taken(began.elapsed());
        let Some(frontier) = delivery.frontier else { return Ok(()) };
        self.walked = Some(frontier);
        if self.members.iter().any(|member| member.incremental) {
            self.writer.checkpoint(&self.published()).await?;
        }
        Ok(())
    }

    /// Requests the next pages of the windows that have begun, as long as more concurrent requests are useful.
    fn go_on(&mut self, walk: &mut Walk) {
        let useful = self.run.client.useful(self.rhythm);
        while self.fetching.len() < useful
            && let Some(asked) = walk.next()
        {
            self.fetch(asked, None);
        }
    }

    /// Starts to fetch a page.
    fn fetch(&mut self, asked: Asked, slot: Option<Slot>) {
        let (run, stream) = (Arc::clone(&self.run), self.stream());
        self.fetching.spawn(async move {
            let fetched = run.fetch(stream, &asked, slot).await;
            (asked, fetched)
        });
    }

    /// Records that a part of the walk cannot be read. The other parts that have begun are read on.
    fn fail(&mut self, walk: &mut Walk, asked: &Asked, error: Error) {
        walk.give_up(asked);
        self.failure.get_or_insert(error);
        self.go_on(walk);
    }

    /// CUTOFF: whether a refusal only means that there is nothing to read yet.
    fn excused(&self, walk: &mut Walk, asked: &Asked, error: &Error) -> bool {
        let Kind::Refused { status } = error.kind() else { return false };
        let clock = self.run.client.server_clock().unwrap_or_else(|| self.run.clock.now());
        walk.excuses(asked, status, position::nanos_of(clock))
    }

    /// WINDOW: the latest moment that the service's clock can show now: its time in the run's first response, plus the
    /// time that has passed since the run began, plus a margin. The passed time is measured twice, and the longer
    /// duration counts: the monotonic clock stands still while the machine sleeps, and the time of day may be set.
    fn latest(&self) -> Nanos {
        let own = position::nanos_of(self.run.clock.now());
        let Some(server) = self.run.client.server_clock() else { return own + CLOCK_ERROR };
        let (instant, time) = self.began;
        let passed = Nanos::try_from(instant.elapsed().as_nanos()).unwrap_or(Nanos::MAX / 2);
        position::nanos_of(server) + passed.max(own - time) + MARGIN
    }

    fn run_on(&mut self) {
        if !std::mem::replace(&mut self.running, true) {
            for member in &self.members {
                self.run.sink.status(member.stream.name, Status::Running);
            }
        }
    }

    /// STOP: warns, once per walk, of an empty page that is followed.
    fn warn_of_nothing(&mut self, after: Option<Nanos>) {
        let Some(after) = after else { return };
        if !std::mem::replace(&mut self.warned.of_nothing, true) {
            let (name, after) = (self.stream().name, position::readable(after));
            warn!("{name}: the service sends a page without records after {after} that leads on; it is followed");
        }
    }

    /// LOUD: warns, once per walk, of records without a readable cursor.
    fn warn_of_cursors(&mut self, without: usize) {
        let Some(cursor) = self.stream().endpoint().lead().cursor.filter(|_| without > 0) else { return };
        if !std::mem::replace(&mut self.warned.of_cursors, true) {
            warn!("{}: there are records without a readable `{cursor}`; they are passed on", self.stream().name);
        }
    }
}
