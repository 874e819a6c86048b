//! Reads the streams of one endpoint (a family) walk after walk, and says how each of them ended.

use std::sync::Arc;

use tokio::time::Instant;

use super::availability::{Circumstances, is_unavailable};
use super::family::{Place, Stage, next_stage};
use super::family_run::FamilyRun;
use super::plan::Planned;
use super::sync::{Outcome, Run};
use crate::error::{Error, Kind};
use crate::position::Nanos;
use crate::sink::{End, Member, Sink};
use crate::source::walk::Walk;

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
    let (mut walked, mut left) = (Vec::new(), Vec::new());
    for (index, reading) in family.readings.into_iter().enumerate() {
        if stage.members.contains(&index) { walked.push(reading) } else { left.push(reading) }
    }
    for Reading { planned, .. } in &walked {
        run.progress.ended(planned.stream.name);
    }
    let ended = match result {
        Ok(()) => walked.iter().map(|reading| (reading.planned.stream.name.to_owned(), Outcome::Complete)).collect(),
        Err(error) => run.failures(&walked, error).await,
    };
    Walked { ended, left: Family { readings: left, ..family } }
}

/// Reads one walk of a family, and records how far each member is delivered.
async fn read_stage<S: Sink>(run: &Arc<Run<S>>, family: &mut Family, stage: &Stage) -> Result<(), Error> {
    let (began, family) = (family.began, &mut family.readings);
    let walking = || stage.members.iter().map(|&index| &family[index].planned);
    let mut walk = Walk::new(family[stage.members[0]].planned.stream, &stage.bounds, stage.delivered.as_ref());
    let member = |&Planned { stream, incremental, ref selected, .. }: &Planned| Member {
        stream,
        selected: selected.clone(),
        incremental,
    };
    let members = walking().map(member).collect();
    let places = walking().map(|planned| planned.delivered.clone()).collect();
    let mut family_run = FamilyRun::new(Arc::clone(run), stage.clone(), (members, places), began);
    let read = family_run.read(&mut walk).await;
    for (&index, delivered) in stage.members.iter().zip(family_run.delivered()) {
        family[index].planned.delivered = delivered;
        family[index].begun |= !walk.untouched();
    }
    let end = match walk.end() {
        _ if read.is_err() || !stage.is_last => End::Early,
        Some(to) => End::Whole(to),
        None => End::WithGap,
    };
    let kept = family_run.finish(end).await;
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
        let is_interrupted = error.kind() == Kind::Interrupted;
        let of_all = if is_interrupted { None } else { self.refused(walked[0].planned.stream, &error).await };
        let is_stopped = is_interrupted || of_all.is_some();
        let error = of_all.unwrap_or(error);
        let (kind, text) = (error.kind(), error.to_string());
        let passed_over = |&Reading { ref planned, begun }: &Reading| {
            let Planned { named, known, .. } = *planned;
            let circumstances = Circumstances { begun, known, named, skip_unavailable: self.skip_unavailable };
            !is_stopped && is_unavailable(kind, circumstances)
        };
        let passed_over: Vec<bool> = walked.iter().map(passed_over).collect();
        let first = passed_over.iter().position(|passed_over| !passed_over).unwrap_or(0);
        // The causes of an error go along with it once.
        let mut original = Some(error);
        let outcome = |(index, reading): (usize, &Reading)| {
            let error = original.take_if(|_| index == first).unwrap_or_else(|| Error::new(kind, text.clone()));
            let outcome = match passed_over[index] {
                true => Outcome::Unavailable(error),
                false if is_stopped || index != first => Outcome::Stopped(error),
                false => Outcome::Failed(error),
            };
            (reading.planned.stream.name.to_owned(), outcome)
        };
        walked.iter().enumerate().map(outcome).collect()
    }
}
