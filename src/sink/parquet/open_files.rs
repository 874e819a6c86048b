//! The Parquet files that a stream is writing, a few at a time.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use tokio::task::JoinSet;

use super::Limits;
use super::parquet_file::Growing;
use super::row_builders::{Month, RowBuilders};
use crate::columns::Rows;
use crate::dataset::{DataFile, Dataset};
use crate::error::{Error, Kind};
use crate::source::streams::Stream;

/// Where rows stand whose month is not known.
const NO_MONTH: &str = "__HIVE_DEFAULT_PARTITION__";

/// Writes the rows of a stream, those of each month into files of their own.
pub struct OpenFiles {
    stream: &'static Stream,
    schema: SchemaRef,
    dataset: Arc<Dataset>,
    limits: Limits,
    /// The file that is being written to.
    encoding: JoinSet<Result<(Month, Growing, Rows), Error>>,
    /// The other files that grow, the one that was written to last at the end.
    growing: Vec<(Month, Growing)>,
    /// The files that are whole, but not committed yet.
    whole: Vec<DataFile>,
}

impl OpenFiles {
    /// The files of a stream; there is none yet.
    pub fn new(stream: &'static Stream, schema: SchemaRef, dataset: Arc<Dataset>, limits: Limits) -> Self {
        let (encoding, growing, whole) = (JoinSet::new(), Vec::new(), Vec::new());
        Self { stream, schema, dataset, limits, encoding, growing, whole }
    }

    /// Begins a file of a month.
    pub fn begin(&self, month: Month) -> Result<Growing, Error> {
        let path = self.dataset.fresh_path(&folder(self.stream, month));
        Growing::begin(&self.dataset, path, &self.schema, self.stream.cursor)
    }

    /// Begins to write the largest rows that wait into their file, while others are taken in; tells whether there were any.
    pub async fn write_largest(&mut self, builders: &mut RowBuilders) -> Result<bool, Error> {
        self.finish_pending(builders).await?;
        let Some((month, rows)) = builders.largest() else { return Ok(false) };
        self.write(month, rows).await?;
        Ok(true)
    }

    /// Ends all files, with all that waits for them.
    pub async fn close(&mut self, builders: &mut RowBuilders) -> Result<Vec<DataFile>, Error> {
        builders.finish_pending().await?;
        while self.write_largest(builders).await? {}
        let closing: JoinSet<_> = self.growing.drain(..).map(|(_, growing)| growing.close()).collect();
        for closed in closing.join_all().await {
            self.whole.push(closed?);
        }
        // Which was closed first is chance; which holds what was read first is not.
        self.whole.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(std::mem::take(&mut self.whole))
    }

    async fn write(&mut self, month: Month, mut rows: Rows) -> Result<(), Error> {
        let known = self.growing.iter().position(|(known, _)| *known == month);
        let mut growing = if let Some(index) = known {
            self.growing.remove(index).1
        } else {
            // A window has come to another month: the one before is hardly written to again.
            if let Some((_, idle)) = self.growing.last_mut() {
                idle.rest().await?;
            }
            self.begin(month)?
        };
        let room = self.room();
        self.encoding.spawn(async move {
            growing.write(&rows.finish()?, room).await?;
            Ok((month, growing, rows))
        });
        Ok(())
    }

    /// Waits until what is being written is in its file.
    async fn finish_pending(&mut self, builders: &mut RowBuilders) -> Result<(), Error> {
        let Some(written) = self.encoding.join_next().await else { return Ok(()) };
        let broke_off = |error| Error::new(Kind::Internal, "Writing rows broke off").because(error);
        let (month, growing, emptied) = written.map_err(broke_off)??;
        builders.give_back(emptied);
        if growing.bytes() >= self.limits.large {
            self.whole.push(growing.close().await?);
        } else {
            self.growing.push((month, growing));
        }
        // Months come one after the other: what was not written to for a while is hardly written to again.
        if self.growing.len() > self.limits.open {
            let (month, mut idle) = self.growing.remove(0);
            let room = self.room();
            // The stragglers of a month would else make a file of their own, and all of the month be merged with it.
            for mut rows in builders.all_of(month) {
                idle.write(&rows.finish()?, room).await?;
            }
            self.whole.push(idle.close().await?);
        }
        Ok(())
    }

    /// The memory that others which grow leave to a file.
    fn room(&self) -> usize {
        let unfinished = self.limits.unfinished;
        let others: usize = self.growing.iter().map(|(_, growing)| growing.memory()).sum();
        unfinished.saturating_sub(others).max(unfinished / 8)
    }
}

/// The folder of a month's rows: one a stream, and within it one a month for those that grow for ever.
fn folder(stream: &Stream, month: Month) -> String {
    let name = stream.name;
    match (stream.created, month) {
        (None, _) => name.to_owned(),
        (Some(_), Some((year, month))) => format!("{name}/month={year:04}-{month:02}"),
        (Some(_), None) => format!("{name}/month={NO_MONTH}"),
    }
}
