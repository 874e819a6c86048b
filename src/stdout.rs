//! The only access to stdout. A thread of its own writes whole lines in order, so that a slow reader slows the source
//! down but never keeps it from receiving signals.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::error::{Error, Kind};

/// How many bytes of records may wait for the reader.
const WAITING: usize = 4 * 1024 * 1024;

/// A job to be done once all lines before it are written.
type Afterwards = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// Writes lines in the order in which they are queued; clones share one output.
#[derive(Clone)]
pub struct Stdout {
    jobs: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    failure: Arc<Mutex<Option<io::Error>>>,
    ended: watch::Receiver<bool>,
}

enum Job {
    Lines(Vec<u8>, Option<OwnedSemaphorePermit>),
    Afterwards(Afterwards),
    Drained(oneshot::Sender<()>),
    Last(oneshot::Sender<()>),
}

impl Stdout {
    /// An output that writes to `writer`.
    pub fn onto(mut writer: impl Write + Send + 'static) -> Self {
        let (jobs, mut queue) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(false);
        let failure = Arc::new(Mutex::new(None));
        let failed = Arc::clone(&failure);
        std::thread::spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                let last = matches!(job, Job::Last(_));
                if let Err(error) = perform(&mut writer, job) {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    break;
                }
                if last {
                    break;
                }
            }
            // Dropping the queue wakes everyone who waits for room or for a job: nothing is written any more.
            drop(queue);
            let _ = end.send(true);
        });
        Self { jobs, room: Arc::new(Semaphore::new(WAITING)), failure, ended }
    }

    /// Queues lines as soon as there is room for them.
    pub async fn write(&self, lines: Vec<u8>) -> Result<(), Error> {
        let size = u32::try_from(lines.len().clamp(1, WAITING)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(size).await.ok();
        self.jobs.send(Job::Lines(lines, room)).map_err(|_| self.broken())
    }

    /// Queues a short line at once, without waiting for room, and in order with all others.
    pub fn note(&self, line: String) {
        // A line that can no longer be written has no reader to miss it; the next `write` reports the failure.
        let _ = self.jobs.send(Job::Lines(line.into_bytes(), None));
    }

    /// Queues a job that runs once everything before it is written.
    pub fn after(&self, afterwards: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), Error> {
        self.jobs.send(Job::Afterwards(Box::new(afterwards))).map_err(|_| self.broken())
    }

    /// Waits until everything that was queued is written.
    pub async fn drained(&self) -> Result<(), Error> {
        let (done, wait) = oneshot::channel();
        let sent = self.jobs.send(Job::Drained(done)).is_ok();
        if sent && wait.await.is_ok() { Ok(()) } else { Err(self.broken()) }
    }

    /// Waits until everything that was queued is written, and lets nothing follow it. Gives up after `patience` if the
    /// reader does not read.
    pub async fn close_within(&self, patience: Duration) {
        let (done, wait) = oneshot::channel();
        if self.jobs.send(Job::Last(done)).is_ok() {
            let _ = tokio::time::timeout(patience, wait).await;
        }
    }

    /// Waits until nothing can be written any more, and returns why.
    pub async fn broke(&self) -> Error {
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
        self.broken()
    }

    fn broken(&self) -> Error {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.as_ref() {
            Some(error) if error.kind() == ErrorKind::BrokenPipe => Error::new(Kind::OutputClosed, "stdout was closed"),
            Some(error) => Error::new(Kind::Output, error.to_string()),
            None => Error::new(Kind::Output, "The output has ended"),
        }
    }
}

fn perform(writer: &mut impl Write, job: Job) -> io::Result<()> {
    match job {
        Job::Lines(lines, _room) => writer
            .write_all(&lines)
            .map_err(|error| io::Error::new(error.kind(), format!("stdout cannot be written: {error}"))),
        Job::Afterwards(afterwards) => {
            writer.flush()?;
            afterwards()
        }
        Job::Drained(done) | Job::Last(done) => {
            writer.flush()?;
            let _ = done.send(());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
