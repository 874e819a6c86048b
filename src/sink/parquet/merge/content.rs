//! Hashes the content of rows, so that equal rows are found without holding any rows in memory.

use arrow_array::BooleanArray;
use arrow_row::{RowConverter, SortField};
use arrow_select::filter::filter_record_batch;
use futures_util::TryStreamExt;

use super::judge::{Hashers, Print, print};
use super::{Merge, Part, confused};
use crate::columns::{EXTRACTED_AT, RUN_ID};
use crate::error::Error;
use crate::sink::parquet::parquet_file;

/// The place of a row: the index of its file, and its index within that file.
pub type At = (u32, u32);

/// Hashes the content of rows: all columns except `_extracted_at` and `_run_id`.
pub struct Contents<'run> {
    merge: &'run Merge<'run>,
    names: Vec<String>,
    converter: RowConverter,
}

impl<'run> Contents<'run> {
    /// Prepares to hash the rows of a table.
    pub fn of(merge: &'run Merge<'run>) -> Result<Self, Error> {
        let schema = merge.columns.schema();
        let fields = schema.fields().iter().filter(|field| ![EXTRACTED_AT, RUN_ID].contains(&field.name().as_str()));
        let (names, sorted) =
            fields.map(|field| (field.name().clone(), SortField::new(field.data_type().clone()))).unzip();
        Ok(Self { merge, names, converter: RowConverter::new(sorted).map_err(confused)? })
    }

    /// The hashes of a batch's rows, in their order.
    pub fn of_batch(&self, batch: arrow_array::RecordBatch, hashers: &Hashers) -> Result<Vec<Print>, Error> {
        let batch = self.merge.columns.fitted(self.merge.stream, batch)?;
        let columns: Vec<_> = self.names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
        let rows = self.converter.convert_columns(&columns).map_err(confused)?;
        Ok(rows.iter().map(|row| print(row.as_ref(), hashers)).collect())
    }

    /// The hashes of the given rows, in the order given.
    pub async fn of_rows(&self, parts: &[Part], rows: &[At], hashers: &Hashers) -> Result<Vec<Print>, Error> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|&index| rows[index]);
        let mut prints = vec![Print::default(); rows.len()];
        for of_file in order.chunk_by(|&one, &other| rows[one].0 == rows[other].0) {
            let file = &parts[rows[of_file[0]].0 as usize].file;
            let mut batches = parquet_file::open(self.merge.dataset, file, None).await?;
            let (mut wanted, mut first) = (of_file, 0);
            while !wanted.is_empty()
                && let Some(batch) = batches.try_next().await.map_err(parquet_file::broken)?
            {
                let end = first + batch.num_rows();
                let (here, later) = wanted.split_at(wanted.partition_point(|&index| (rows[index].1 as usize) < end));
                if !here.is_empty() {
                    let mut mask = vec![false; batch.num_rows()];
                    for &index in here {
                        mask[rows[index].1 as usize - first] = true;
                    }
                    let batch = filter_record_batch(&batch, &BooleanArray::from(mask)).map_err(confused)?;
                    let contents = self.of_batch(batch, hashers)?;
                    here.iter().zip(contents).for_each(|(&index, content)| prints[index] = content);
                }
                (wanted, first) = (later, end);
            }
        }
        Ok(prints)
    }
}
