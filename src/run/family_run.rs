//! Reads the streams of one endpoint (a family) together: fetches the pages that their walk requests, writes the
//! records that it delivers, and checkpoints each stream.

use std::sync::Arc;

use tokio::task::{JoinSet, yield_now};
use tokio::time::Instant;
use tracing::{info, warn};

use super::availability::{Circumstances, is_unavailable};
use super::family::{Place, Stage, advanced, next_stage};
use super::plan::Planned;
use super::sync::{Fetched, Outcome, Run};
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

/// A stream of a family that is being read.
struct Reading {
    planned: Planned,
    /// Whether one of its pages was accepted.
    begun: bool,
}

/// What a walk leaves: how streams ended with it, and those that are to be read on.
pub struct Walked {
    /// The streams that ended.
    pub ended: Vec<(String, Outcome)>,
    /// The others of the family.
    pub left: Family,
}

/// The streams of one endpoint that are read together.
pub struct Family {
    readings: Vec<Reading>,
    /// Whether all walk together, though some lie far behind: they could not catch up alone.
    together: bool,
    /// When the run began, by the monotonic clock and by the machine's time of day.
    began: (Instant, Nanos),
}

impl Family {
    /// A family of which nothing was read in this run.
    pub fn new(streams: Vec<Planned>, began: (Instant, Nanos)) -> Self {
        let readings = streams.into_iter().map(|planned| Reading { planned, begun: false }).collect();
        Self { readings, together: false, began }
    }

    /// Whether nothing is left to be read.
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }

    /// The names of its streams.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.readings.iter().map(|reading| reading.planned.stream.name)
    }

    /// Its next walk.
    fn stage(&self) -> Stage {
        let place =
            |Reading { planned, .. }: &Reading| Place { bounds: planned.bounds, delivered: planned.delivered.clone() };
        next_stage(&self.readings.iter().map(place).collect::<Vec<_>>(), self.together)
    }
}

/// Reads one walk of a family.
pub async fn read_family<S: Sink>(run: Arc<Run<S>>, mut family: Family) -> Walked {
    let stage = family.stage();
    let result = read_stage(&run, &mut family, &stage).await;
    if result.is_ok() && !stage.is_last {
        family.together = family.stage().members == stage.members;
        return Walked { ended: Vec::new(), left: family };
    }
    let mut walked: Vec<Reading> = Vec::new();
    for index in stage.members.into_iter().rev() {
        walked.insert(0, family.readings.remove(index));
    }
    for Reading { planned, .. } in &walked {
        run.progress.ended(planned.stream.name);
    }
    let ended = match result {
        Ok(()) => walked.iter().map(|reading| (reading.planned.stream.name.to_owned(), Outcome::Complete)).collect(),
        Err(error) => run.failures(&walked, error).await,
    };
    Walked { ended, left: family }
}

/// Reads one walk of a family, and records how far each member is delivered.
async fn read_stage<S: Sink>(run: &Arc<Run<S>>, family: &mut Family, stage: &Stage) -> Result<(), Error> {
    let (began_at, family) = (family.began, &mut family.readings);
    let mut walk = Walk::new(family[stage.members[0]].planned.stream, &stage.bounds, stage.delivered.as_ref());
    let member = |&index: &usize| {
        let Planned { stream, incremental, ref selected, .. } = family[index].planned;
        Member { stream, selected: selected.clone(), incremental }
    };
    let members: Vec<Member> = stage.members.iter().map(member).collect();
    let began: Vec<Option<Frontier>> =
        stage.members.iter().map(|&index| family[index].planned.delivered.clone()).collect();
    let mut family_run = FamilyRun {
        writer: run.sink.family(members.clone()),
        fetching: JoinSet::new(),
        rhythm: Rhythm::default(),
        failure: None,
        running: false,
        warned: Warned::default(),
        began: began_at,
        delivered: began.clone(),
        places: began,
        stage: stage.clone(),
        walked: None,
        members,
        run: Arc::clone(run),
    };
    let read = family_run.read(&mut walk).await;
    if read.is_ok() && walk.end().is_some() {
        family_run.level();
    }
    let published = family_run.published();
    let FamilyRun { writer, delivered, .. } = family_run;
    for (&index, delivered) in stage.members.iter().zip(delivered) {
        family[index].planned.delivered = delivered;
        family[index].begun |= !walk.untouched();
    }
    let end = match walk.end() {
        _ if read.is_err() || !stage.is_last => End::Early,
        Some(to) => End::Whole(to),
        None => End::WithGap,
    };
    let kept = writer.finish(&published, end).await;
    match (read, kept) {
        // The error that ended the walk matters more than an error from finishing the writer. An interruption is
        // different: after it, finishing the writer was the only work left.
        (Err(error), Err(_)) if error.kind() != Kind::Interrupted => Err(error),
        (_, Err(error)) | (Err(error), Ok(())) => Err(error),
        (Ok(()), Ok(())) => Ok(()),
    }
}

impl<S: Sink> Run<S> {
    /// How streams ended that an error ended. It is reported of the first one that is not merely unavailable; of the others
    /// their status is enough.
    async fn failures(&self, walked: &[Reading], error: Error) -> Vec<(String, Outcome)> {
        let copy = |error: &Error| Error::new(error.kind(), error.to_string());
        let is_interrupted = error.kind() == Kind::Interrupted;
        let of_all = if is_interrupted { None } else { self.refused(walked[0].planned.stream, &error).await };
        let is_stopped = is_interrupted || of_all.is_some();
        let error = of_all.unwrap_or(error);
        let is_unavailable = |&Reading { ref planned, begun }: &Reading| {
            let Planned { named, known, .. } = *planned;
            let circumstances = Circumstances { begun, known, named, skip_unavailable: self.skip_unavailable };
            !is_stopped && is_unavailable(error.kind(), circumstances)
        };
        let first = walked.iter().position(|reading| !is_unavailable(reading)).unwrap_or(0);
        let outcome = |(index, reading): (usize, &Reading)| {
            let outcome = match is_unavailable(reading) {
                true => Outcome::Unavailable(copy(&error)),
                false if is_stopped || index != first => Outcome::Stopped(copy(&error)),
                false => Outcome::Failed(copy(&error)),
            };
            (reading.planned.stream.name.to_owned(), outcome)
        };
        let mut ended: Vec<(String, Outcome)> = walked.iter().enumerate().map(outcome).collect();
        // The causes of an error go along with it once.
        if let Outcome::Unavailable(kept) | Outcome::Stopped(kept) | Outcome::Failed(kept) = &mut ended[first].1 {
            *kept = error;
        }
        ended
    }
}

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
struct FamilyRun<S: Sink> {
    run: Arc<Run<S>>,
    /// The streams of the walk, at least one.
    members: Vec<Member>,
    /// How far each of them was delivered when the walk began.
    places: Vec<Option<Frontier>>,
    /// How far each of them is delivered.
    delivered: Vec<Option<Frontier>>,
    stage: Stage,
    /// How far the walk is delivered.
    walked: Option<Frontier>,
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

    /// Brings all members level at the end of a walk that read everything: also those whose place has another id at the last
    /// moment.
    fn level(&mut self) {
        let Some(Frontier::Position(walked, spans)) = &self.walked else { return };
        for delivered in &mut self.delivered {
            let Some(Frontier::Position(own, _)) = delivered else { continue };
            if own.nanos() == walked.nanos() {
                *delivered = Some(Frontier::Position(walked.clone(), spans.clone()));
            }
        }
    }

    /// The frontiers that may be published: none of a stream that is read in full.
    fn published(&self) -> Vec<Option<Frontier>> {
        let frontier =
            |(member, delivered): (&Member, &Option<Frontier>)| delivered.clone().filter(|_| member.incremental);
        self.members.iter().zip(&self.delivered).map(frontier).collect()
    }

    /// Reads a walk to its end.
    async fn read(&mut self, walk: &mut Walk) -> Result<(), Error> {
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
        for (delivered, place) in self.delivered.iter_mut().zip(&self.places) {
            *delivered = Some(advanced(place.as_ref(), self.stage.delivered.as_ref(), &frontier));
        }
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
