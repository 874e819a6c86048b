//! Drives the walks in parallel: fetches their requests, writes the records that they deliver, and checkpoints their frontiers.
//! It decides nothing about cursors.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::{JoinSet, yield_now};
use tokio::time::Instant;
use tracing::{info, warn};

use super::availability::{Circumstances, is_unavailable};
use crate::client::{Answer, Client, Rhythm, Slot, Wait, WaitReason};
use crate::clock::Clock;
use crate::error::{Error, FailureType, Kind};
use crate::position::{self, Frontier, Nanos};
use crate::progress::Progress;
use crate::protocol::Status;
use crate::run::plan::{Plan, Planned};
use crate::signals::Stop;
use crate::sink::{End, Sink, Writer};
use crate::source::page::Page;
use crate::source::streams::{self, PROBE_STREAM, SECOND_PROBE_STREAM, Stream};
use crate::source::walk::{Asked, Bounds, Cutoff, MARGIN, MAYBE_FULL, Walk};
use crate::wire::{Body, Request};

/// How often a run says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// WINDOW: how wrong this machine's clock may be where the service does not tell the time: by zones, never by as much as an
/// end in another unit is off. Without this room a clock that is late would make an error of every last page.
const CLOCK_ERROR: Nanos = 24 * 3_600_000_000_000;

/// What a refusal of the credential means, in front of what the service said.
const REFUSED: &str = "The account does not accept the access token: it is wrong, was revoked, or belongs to Zendesk Support rather than Zendesk Chat";

/// What all streams of a run share.
pub struct Run<S> {
    /// The door to the account.
    pub client: Client,
    /// The machine's time of day.
    pub clock: Clock,
    /// Where everything goes.
    pub sink: S,
    /// Whether streams that the account does not have are passed over, though they were named.
    pub skip_unavailable: bool,
    /// CUTOFF: fixed by the run's first answer.
    pub cutoff: OnceLock<Nanos>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// Held by whoever finds out whether the account refuses one stream or all of them.
    pub doubted: Mutex<()>,
    /// Ends it early.
    pub stop: Stop,
}

/// What became of a stream.
enum Outcome {
    Complete,
    Unavailable(Error),
    Failed(Error),
    /// For a reason that is told once, of the whole run.
    Stopped(Error),
}

/// A page that was fetched, or why it could not be.
type Fetched = Result<Answer<Page>, Error>;

impl<S: Sink> Run<S> {
    /// Reads every stream of a plan. One that fails does not stop the others; that it failed is the result.
    pub async fn read(self, plan: Plan) -> Result<(), Error> {
        let run = Arc::new(self);
        let streams = plan.streams.len() + plan.refused.len();
        let mut ended: Vec<(String, Outcome)> = Vec::new();
        for (name, error) in plan.refused {
            run.sink.status(&name, Status::Started);
            ended.push((name, Outcome::Failed(error)));
        }
        let mut reading = JoinSet::new();
        for planned in plan.streams {
            let name = planned.stream.name.to_owned();
            let run = Arc::clone(&run);
            reading.spawn(async move { (name, run.stream(planned).await) });
        }
        let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        let mut closed = Vec::new();
        loop {
            for (name, outcome) in ended.drain(..) {
                // A reader who has gone is told nothing more, and nothing more is read for nobody.
                if let Outcome::Failed(error) = &outcome
                    && matches!(error.kind(), Kind::OutputClosed | Kind::Output)
                {
                    return Err(Error::new(error.kind(), error.to_string()));
                }
                run.close(&name, &outcome);
                closed.push((name, outcome));
            }
            tokio::select! {
                next = reading.join_next() => match next {
                    None => break,
                    Some(Ok(end)) => ended.push(end),
                    Some(Err(error)) => return Err(Error::new(Kind::Internal, "Reading a stream broke off").because(error)),
                },
                _ = heartbeat.tick() => {
                    let (requests, summary) = (run.client.requests(), run.progress.summary());
                    info!("still reading {} of {streams} streams, {requests} requests so far{summary}", reading.len());
                }
            }
        }
        run.conclude(closed).await
    }

    /// Tells how a stream ended.
    fn close(&self, name: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Complete => self.sink.status(name, Status::Complete),
            Outcome::Unavailable(error) => {
                warn!("{name} is unavailable and was passed over: {error}");
                self.sink.status(name, Status::Incomplete);
            }
            Outcome::Failed(error) => {
                self.sink.failure(error, Some(name));
                self.sink.status(name, Status::Incomplete);
            }
            Outcome::Stopped(why) => {
                self.sink.stopped(why, name);
                self.sink.status(name, Status::Incomplete);
            }
        }
    }

    /// The result of a whole run.
    async fn conclude(&self, mut closed: Vec<(String, Outcome)>) -> Result<(), Error> {
        // Which stream ended first is chance; what a run says of itself is not.
        closed.sort_by(|(one, _), (other, _)| one.cmp(other));
        info!("{} requests were made", self.client.requests());
        let all = closed.len();
        let interrupted =
            |outcome: &Outcome| matches!(outcome, Outcome::Stopped(error) if error.kind() == Kind::Interrupted);
        let interrupted = closed.iter().any(|(_, outcome)| interrupted(outcome));
        let mut failed = Vec::new();
        let mut types = Vec::new();
        let mut first = None;
        let mut unavailable = None;
        let mut passed_over = 0;
        for (name, outcome) in closed {
            match outcome {
                Outcome::Complete => {}
                Outcome::Failed(error) | Outcome::Stopped(error) => {
                    types.push(error.failure_type());
                    first.get_or_insert(error);
                    failed.push(name);
                }
                Outcome::Unavailable(error) => {
                    passed_over += 1;
                    unavailable.get_or_insert(error);
                }
            }
        }
        if let Some(error) = unavailable.filter(|_| passed_over == all) {
            return Err(error.at("Every stream is unavailable"));
        }
        let Some(failure_type) = gravest(&types) else { return Ok(()) };
        let what = format!("{} of {all} streams were not read to their end: {}", failed.len(), failed.join(", "));
        if interrupted {
            let what = format!("Interrupted: {what}; what was committed of them is kept");
            return Err(Error::new(Kind::Interrupted, what));
        }
        Err(match self.client.ended().await {
            // Where nothing could be read, the reason is all there is to tell.
            Some(error) if failed.len() == all => error,
            Some(error) => error.at(&what),
            // Some see nothing of a run but its last line.
            None => {
                let what = if failed.len() > 1 { format!("{what}; {}", failed[0]) } else { what };
                first.into_iter().fold(Error::new(Kind::Streams(failure_type), what), Error::because)
            }
        })
    }

    async fn stream(self: Arc<Self>, planned: Planned) -> Outcome {
        let Planned { stream, named, incremental, known, delivered, mut walk, selected } = planned;
        self.sink.status(stream.name, Status::Started);
        let mut stream_run = StreamRun {
            writer: self.sink.stream(stream, selected.as_deref()),
            fetching: JoinSet::new(),
            rhythm: Rhythm::default(),
            failure: None,
            running: false,
            warned: Warned::default(),
            began: (Instant::now(), position::nanos_of(self.clock.now())),
            incremental,
            delivered,
            run: self,
            stream,
        };
        let read = stream_run.read(&mut walk).await;
        let StreamRun { run, writer, delivered, .. } = stream_run;
        run.progress.ended(stream.name);
        let end = if read.is_err() { End::Early } else { walk.end().map_or(End::WithGap, End::Whole) };
        let kept = writer.finish(delivered.as_ref(), end).await;
        let error = match (read, kept) {
            (Ok(()), Ok(())) => return Outcome::Complete,
            (Err(error), Ok(())) if error.kind() == Kind::Interrupted => return Outcome::Stopped(error),
            // Why a stream broke off matters more than what came of keeping its part, unless keeping it was all that was left to do.
            (Err(error), Err(_)) if error.kind() != Kind::Interrupted => error,
            (_, Err(error)) | (Err(error), _) => error,
        };
        if let Some(error) = run.refused(stream, &error).await {
            return Outcome::Stopped(error);
        }
        let circumstances =
            Circumstances { begun: !walk.untouched(), known, named, skip_unavailable: run.skip_unavailable };
        let unavailable = is_unavailable(error.kind(), circumstances);
        if unavailable { Outcome::Unavailable(error) } else { Outcome::Failed(error) }
    }

    /// Why the account cannot be asked any more, if a stream ended because of that.
    ///
    /// A 401 may be of one stream only. Another is asked to tell, which costs a request where all is lost anyway.
    async fn refused(&self, stream: &'static Stream, error: &Error) -> Option<Error> {
        // Streams that meet the same refusal at the same time wait for what the first of them finds out.
        let _turn = self.doubted.lock().await;
        if let Some(ended) = self.client.ended().await {
            // One that failed by itself keeps its own error.
            return matches!(error.kind(), Kind::Unauthorized | Kind::SignIn).then_some(ended);
        }
        if error.kind() != Kind::Unauthorized {
            return None;
        }
        let witness = streams::named(if stream.name == PROBE_STREAM { SECOND_PROBE_STREAM } else { PROBE_STREAM })?;
        let bounds = Bounds { start: 0, end: None, lookback: 0, chats_lookback: 0 };
        let Asked { request, .. } = Walk::new(witness, &bounds, None).next()?;
        let request = Request { limit: request.limit.map(|_| 1), ..request };
        let parse = |body: Body| Page::parse(witness.endpoint().shape, body);
        let waiting = |wait: &Wait| self.waiting(stream.name, wait);
        let asked = tokio::select! {
            asked = self.client.fetch(&request, None, &waiting, parse) => asked,
            () = self.stop.asked() => return None,
        };
        let refusal = asked.err().filter(|refusal| refusal.kind() == Kind::Unauthorized)?;
        self.client.end(&refusal.at(REFUSED)).await;
        self.client.ended().await
    }

    /// CUTOFF: by the machine's own clock while no answer has come, afterwards by the earlier of both clocks, and fixed.
    fn cutoff(&self, answered: bool) -> Nanos {
        let own = position::nanos_of(self.clock.now());
        if !answered {
            return self.cutoff.get().copied().unwrap_or_else(|| Cutoff::of(own, None).at);
        }
        *self.cutoff.get_or_init(|| {
            let Cutoff { at, clocks_differ } = Cutoff::of(own, self.client.server_clock().map(position::nanos_of));
            if clocks_differ {
                let until = position::readable(at);
                warn!("this machine's clock and the service's differ by more than a minute; exports are read up to {until}");
            }
            at
        })
    }

    /// Fetches and takes apart a page.
    async fn fetch(&self, stream: &'static Stream, asked: &Asked, slot: Option<Slot>) -> Fetched {
        let shape = stream.endpoint().shape;
        let parse = |body: Body| Page::parse(shape, body);
        self.client.fetch(&asked.request, slot, &|wait| self.waiting(stream.name, wait), parse).await
    }

    /// Tells of a wait where people look: in the log, and if it comes from the quota, as the stream's status.
    fn waiting(&self, stream: &str, wait: &Wait) {
        if !wait.matters() {
            return;
        }
        if let WaitReason::Backoff { .. } = wait.reason {
            return warn!("{stream}: {wait}");
        }
        info!("{stream}: {wait}");
        let length = i64::try_from(wait.duration.as_millis()).unwrap_or(i64::MAX);
        self.sink.status(stream, Status::Limited(self.sink.now().saturating_add(length)));
    }
}

/// Returns a slot for one request more once it is of use to whoever takes the pages.
async fn spare(writer: &mut impl Writer, client: &Client, rhythm: Rhythm) -> Result<Slot, Error> {
    writer.idle().await?;
    Ok(client.spare(rhythm).await)
}

/// What is told once a stream.
#[derive(Default)]
struct Warned {
    of_cursors: bool,
    of_nothing: bool,
}

/// One stream on its way.
struct StreamRun<S: Sink> {
    run: Arc<Run<S>>,
    stream: &'static Stream,
    writer: S::Writer,
    /// The requests under way, while the pages of others are written.
    fetching: JoinSet<(Asked, Fetched)>,
    rhythm: Rhythm,
    /// Why a part of it could not be read.
    failure: Option<Error>,
    running: bool,
    warned: Warned,
    /// When it began, by a clock that cannot be set and by the time of day.
    began: (Instant, Nanos),
    incremental: bool,
    delivered: Option<Frontier>,
}

impl<S: Sink> StreamRun<S> {
    /// Reads a walk to its end.
    async fn read(&mut self, walk: &mut Walk) -> Result<(), Error> {
        let run = Arc::clone(&self.run);
        walk.cut_at(run.cutoff(false));
        self.go_on(walk);
        while !self.fetching.is_empty() {
            let more = self.fetching.len() < run.client.useful(self.rhythm) && walk.can_ask_beside();
            tokio::select! {
                // While there are pages to write, one request more would bring nothing sooner.
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
        let (name, pages) = (self.stream.name, walk.pages());
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
        info!("{name}: {} records in {pages} pages{side_by_side}", self.writer.total());
        Ok(())
    }

    /// Takes what a request brought.
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
        // A short page comes sooner than those that make a read long.
        if answer.value.len() >= MAYBE_FULL {
            self.rhythm.exchanged(answer.took);
        }
        self.run_on();
        walk.cut_at(run.cutoff(true));
        walk.set_latest(self.latest());
        let page = answer.value;
        if page.repaired() {
            let page = walk.pages() + 1;
            warn!("{}: page {page} holds bytes that are no UTF-8; they were replaced", self.stream.name);
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
        // A task that was just spawned waits in a slot of this thread from which no other takes it.
        yield_now().await;
        run.progress.reached(self.stream.name, delivery.page.len(), delivery.page.bytes(), walk.axis());
        self.writer.write(delivery.page).await?;
        self.rhythm.taken(began.elapsed());
        if self.incremental && delivery.frontier.is_some() {
            self.delivered = delivery.frontier;
            self.writer.checkpoint(self.delivered.as_ref()).await?;
        }
        Ok(())
    }

    /// Asks for what comes next in the parts that are being read, as far as more under way is of use.
    fn go_on(&mut self, walk: &mut Walk) {
        let useful = self.run.client.useful(self.rhythm);
        while self.fetching.len() < useful
            && let Some(asked) = walk.next()
        {
            self.fetch(asked, None);
        }
    }

    /// Begins to fetch a page.
    fn fetch(&mut self, asked: Asked, slot: Option<Slot>) {
        let (run, stream) = (Arc::clone(&self.run), self.stream);
        self.fetching.spawn(async move {
            let fetched = run.fetch(stream, &asked, slot).await;
            (asked, fetched)
        });
    }

    /// Takes note that a part of the stream cannot be read; what is under way in others is still taken.
    fn fail(&mut self, walk: &mut Walk, asked: &Asked, error: Error) {
        walk.give_up(asked);
        self.failure.get_or_insert(error);
        self.go_on(walk);
    }

    /// CUTOFF: whether a refusal only means that nothing is to be read yet.
    fn excused(&self, walk: &mut Walk, asked: &Asked, error: &Error) -> bool {
        let Kind::Refused { status } = error.kind() else { return false };
        let clock = self.run.client.server_clock().unwrap_or_else(|| self.run.clock.now());
        walk.excuses(asked, status, position::nanos_of(clock))
    }

    /// WINDOW: the latest moment that the service's clock can show now: what it showed in the run's first answer, and what
    /// has passed since. The machine's own clock counts while it sleeps and may be set, the other stands still then: the
    /// longer of both is no less than what passed.
    fn latest(&self) -> Nanos {
        let own = position::nanos_of(self.run.clock.now());
        let Some(server) = self.run.client.server_clock() else { return own + CLOCK_ERROR };
        let (instant, time) = self.began;
        let passed = Nanos::try_from(instant.elapsed().as_nanos()).unwrap_or(Nanos::MAX / 2);
        position::nanos_of(server) + passed.max(own - time) + MARGIN
    }

    fn run_on(&mut self) {
        if !std::mem::replace(&mut self.running, true) {
            self.run.sink.status(self.stream.name, Status::Running);
        }
    }

    /// STOP: told once a stream.
    fn warn_of_nothing(&mut self, after: Option<Nanos>) {
        let Some(after) = after else { return };
        if !std::mem::replace(&mut self.warned.of_nothing, true) {
            let (name, after) = (self.stream.name, position::readable(after));
            warn!("{name}: the service sends a page without records after {after} that leads on; it is followed");
        }
    }

    /// LOUD: told once a stream.
    fn warn_of_cursors(&mut self, without: usize) {
        let Some(cursor) = self.stream.cursor.filter(|_| without > 0) else { return };
        if !std::mem::replace(&mut self.warned.of_cursors, true) {
            warn!("{}: there are records without a readable `{cursor}`; they are passed on", self.stream.name);
        }
    }
}

/// The failure type that decides over a run: a fault first, then what a user must do, then what passes.
fn gravest(types: &[FailureType]) -> Option<FailureType> {
    [FailureType::System, FailureType::Config, FailureType::Transient].into_iter().find(|wanted| types.contains(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_outweighs_what_a_user_must_do_and_that_what_passes() {
        use FailureType::{Config, System, Transient};
        assert_eq!(gravest(&[]), None);
        assert_eq!(gravest(&[Transient, Config, System]), Some(System));
        assert_eq!(gravest(&[Transient, Config]), Some(Config));
        assert_eq!(gravest(&[Transient, Transient]), Some(Transient));
    }
}
