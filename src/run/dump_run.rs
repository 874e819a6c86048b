//! A run that fills a dataset.

use std::sync::{Arc, OnceLock};

use tokio::sync::Mutex;

use super::dump_plan::DumpRequest;
use super::plan::Plan;
use super::sync::Run;
use crate::client::Client;
use crate::clock::Clock;
use crate::dataset::{Dataset, TableTasks};
use crate::error::Error;
use crate::progress::Progress;
use crate::signals::Stop;
use crate::sink::parquet::{Limits, Parquet};
use crate::source::walk::Bounds;

/// The parts and settings of a run that fills a dataset.
pub struct DumpRun {
    /// The client for the account's API.
    pub client: Client,
    /// The machine's time of day.
    pub clock: Clock,
    /// Whether a stream that the account does not have is skipped even if the user named it.
    pub skip_unavailable: bool,
    /// Where exports start and end, and how much of them is read again.
    pub bounds: Bounds,
    /// How much data is held in memory, and how large files become.
    pub limits: Limits,
    /// How far each stream is.
    pub progress: Arc<Progress>,
    /// Ends the run early.
    pub stop: Stop,
}

impl DumpRun {
    /// Reads the requested streams into a dataset, then releases the dataset.
    pub async fn fill(self, dataset: Arc<Dataset>, request: &DumpRequest) -> (Parquet, Result<(), Error>) {
        let (plan, tasks, refused) = match request.plan(&dataset.manifest().await, &self.bounds) {
            Ok((plan, tasks)) => (plan, tasks, None),
            Err(error) => (Plan::default(), TableTasks::new(), Some(error)),
        };
        let sink = Parquet::new(dataset, self.clock.clone(), tasks, self.limits);
        let run = Run {
            client: self.client,
            clock: self.clock,
            sink: sink.clone(),
            skip_unavailable: self.skip_unavailable,
            cutoff: OnceLock::new(),
            progress: self.progress,
            doubted: Mutex::default(),
            stop: self.stop,
        };
        let result = if let Some(error) = refused {
            Err(error)
        } else {
            tokio::select! {
                result = run.read(plan) => result,
                lost = sink.dataset().hold() => Err(lost),
            }
        };
        let closed = sink.dataset().close().await;
        (sink, result.and(closed))
    }
}
