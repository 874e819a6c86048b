//! Reads the streams of a run in parallel, one task per endpoint, and reports how each of them ended. This module
//! decides nothing about cursors.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::client::{Answer, Client, Slot, Wait, WaitReason};
use crate::clock::Clock;
use crate::error::{Error, FailureType, Kind};
use crate::position::{self, Nanos};
use crate::progress::Progress;
use crate::protocol::Status;
use crate::run::plan::{Plan, families};
use crate::run::stages::{Family, read_family};
use crate::signals::Stop;
use crate::sink::Sink;
use crate::source::page::Page;
use crate::source::streams::{self, PROBE_STREAM, SECOND_PROBE_STREAM, Stream};
use crate::source::walk::{Asked, Bounds, Cutoff, Walk};
use crate::wire::{Body, Request};

/// How often a run logs its progress, as a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What a refusal of the access token means. In the error, the service's own words follow.
const REFUSED: &str = "The account does not accept the access token: it is wrong, was revoked, or belongs to Zendesk Support rather than Zendesk Chat";

/// The state that all streams of a run share.
pub struct Run<S> {
    /// The client for the account's API.
    pub client: Client,
    /// The machine's time of day.
    pub clock: Clock,
    /// Receives the records and the status of every stream.
    pub sink: S,
    /// Whether a stream that the account does not have is skipped even if the user named it.
    pub skip_unavailable: bool,
    /// CUTOFF: the moment at which exports end. The run's first response fixes it.
    pub cutoff: OnceLock<Nanos>,
    /// How far each stream has been read.
    pub progress: Arc<Progress>,
    /// Held while a 401 is examined: does the account refuse one stream, or all of them?
    pub doubted: Mutex<()>,
    /// Ends the run early.
    pub stop: Stop,
}

/// How the read of a stream ended.
pub enum Outcome {
    /// It was read to its end.
    Complete,
    /// The account does not have it, so it was skipped.
    Unavailable(Error),
    /// It was not read to its end because of this error.
    Failed(Error),
    /// It ended early, for a reason that is reported elsewhere: by the run, or by the first stream of its family.
    Stopped(Error),
}

/// A fetched page, or the error of its request.
pub type Fetched = Result<Answer<Page>, Error>;

impl<S: Sink> Run<S> {
    /// Reads every stream of a plan. A failed stream does not stop the others, but it makes the result an error.
    pub async fn read(self, plan: Plan) -> Result<(), Error> {
        let run = Arc::new(self);
        let streams = plan.streams.len() + plan.refused.len();
        let mut ended: Vec<(String, Outcome)> = Vec::new();
        for (name, error) in plan.refused {
            run.sink.status(&name, Status::Started);
            ended.push((name, Outcome::Failed(error)));
        }
        let mut reading = JoinSet::new();
        let began = (Instant::now(), position::nanos_of(run.clock.now()));
        let mut left: Vec<Family> =
            families(plan.streams).into_iter().map(|family| Family::new(family, began)).collect();
        left.iter().flat_map(Family::names).for_each(|name| run.sink.status(name, Status::Started));
        let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        let mut closed = Vec::new();
        loop {
            for (name, outcome) in ended.drain(..) {
                // The output can no longer be written, so nothing further is reported and no other stream is read on.
                if let Outcome::Failed(error) = &outcome
                    && matches!(error.kind(), Kind::OutputClosed | Kind::Output)
                {
                    return Err(Error::new(error.kind(), error.to_string()));
                }
                run.close(&name, &outcome);
                closed.push((name, outcome));
            }
            for family in left.drain(..).filter(|family| !family.is_empty()) {
                reading.spawn(read_family(Arc::clone(&run), family));
            }
            tokio::select! {
                next = reading.join_next() => match next {
                    None => break,
                    Some(Ok(walked)) => {
                        ended.extend(walked.ended);
                        left.push(walked.left);
                    }
                    Some(Err(error)) => return Err(Error::new(Kind::Internal, "Reading a stream broke off").because(error)),
                },
                _ = heartbeat.tick() => {
                    let (requests, summary) = (run.client.requests(), run.progress.summary());
                    info!("still reading {} of {streams} streams, {requests} requests so far{summary}", streams - closed.len());
                }
            }
        }
        run.conclude(closed).await
    }

    /// Reports how a stream ended.
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
        // Streams end in no fixed order; sorting gives the run's summary one.
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
            // If every stream failed, the reason alone says everything.
            Some(error) if failed.len() == all => error,
            Some(error) => error.at(&what),
            // Some users see only the last line of a run, so it names the stream whose error is chained.
            None => {
                let what = if failed.len() > 1 { format!("{what}; {}", failed[0]) } else { what };
                first.into_iter().fold(Error::new(Kind::Streams(failure_type), what), Error::because)
            }
        })
    }

    /// If a stream ended because the account refuses all further requests, returns the reason.
    ///
    /// A 401 may concern only one stream. To find out, a record of another stream is requested. This costs one request,
    /// in a case where the run has probably failed anyway.
    pub async fn refused(&self, stream: &'static Stream, error: &Error) -> Option<Error> {
        // If several streams are refused at the same time, the first one finds out and the others wait for its result.
        let _turn = self.doubted.lock().await;
        if let Some(ended) = self.client.ended().await {
            // A stream that failed for another reason keeps its own error.
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

    /// CUTOFF: before the first response, the cutoff follows from this machine's clock. The first response fixes it, by
    /// the earlier of the machine's and the service's clock.
    pub fn cutoff(&self, answered: bool) -> Nanos {
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

    /// Fetches and parses a page.
    pub async fn fetch(&self, stream: &'static Stream, asked: &Asked, slot: Option<Slot>) -> Fetched {
        let shape = stream.endpoint().shape;
        let parse = |body: Body| Page::parse(shape, body);
        self.client.fetch(&asked.request, slot, &|wait| self.waiting(stream.name, wait), parse).await
    }

    /// Logs a wait if it matters. A wait for the quota is also reported as the stream's status.
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

/// The failure type of the whole run. A fault of the system outweighs an error of configuration, which the user must
/// mend; both outweigh a failure that passes by itself.
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
