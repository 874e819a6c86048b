//! Writes and reads one Parquet file.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use parquet::arrow::{AsyncArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::dataset::{DataFile, Dataset, Store, concise};
use crate::error::{Error, Kind};

/// How many rows a row group has at most. Analytical readers divide their work by row groups.
const ROW_GROUP: usize = 122_880;

/// The size limit of a column's page and of its dictionary, in bytes. Each of a hundred columns may hold that much in
/// memory while a file is being written.
const PAGE: usize = 256 * 1024;

/// How many values of a column are written before the size of its page is checked.
const WRITTEN: usize = 8_192;

/// How many rows are read at once.
const BATCH: usize = 2_048;

/// A file being written.
pub struct Growing {
    path: String,
    writer: AsyncArrowWriter<BufWriter>,
    cursor: Option<usize>,
    rows: u64,
    range: Option<(i64, i64)>,
}

impl Growing {
    /// Begins a file at a path. `cursor` is the column whose smallest and largest values are recorded, if the stream
    /// has one.
    pub fn begin(dataset: &Dataset, path: String, schema: &SchemaRef, cursor: Option<&str>) -> Result<Self, Error> {
        let compression = Compression::ZSTD(ZstdLevel::try_new(1).map_err(broken)?);
        let mut properties = WriterProperties::builder()
            .set_compression(compression)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_data_page_size_limit(PAGE)
            .set_write_batch_size(WRITTEN)
            .set_dictionary_page_size_limit(PAGE)
            .set_created_by(concat!("source-zendesk-chat ", env!("CARGO_PKG_VERSION")).to_owned());
        // Readers skip row groups by the statistics of top-level columns; none of them uses statistics of nested ones.
        for field in schema.fields().iter().filter(|field| !field.data_type().is_nested()) {
            let column = ColumnPath::from(field.name().as_str());
            properties = properties.set_column_statistics_enabled(column, EnabledStatistics::Page);
        }
        let buffer = BufWriter::new(Arc::clone(&dataset.store.objects), Path::from(path.as_str()));
        let options = ArrowWriterOptions::new().with_properties(properties.build());
        let writer = AsyncArrowWriter::try_new_with_options(buffer, Arc::clone(schema), options).map_err(broken)?;
        let cursor = cursor.and_then(|cursor| schema.index_of(cursor).ok());
        Ok(Self { path, writer, cursor, rows: 0, range: None })
    }

    /// Adds rows. If rows that are not compressed yet take more than `room` bytes of memory, they are compressed.
    pub async fn write(&mut self, rows: &RecordBatch, room: usize) -> Result<(), Error> {
        self.writer.write(rows).await.map_err(broken)?;
        if self.memory() > room {
            self.rest().await?;
        }
        self.rows += rows.num_rows() as u64;
        if let Some(cursor) = self.cursor {
            for at in numbers(rows.column(cursor).as_ref()).into_iter().flatten() {
                self.range = Some(self.range.map_or((at, at), |(least, most)| (least.min(at), most.max(at))));
            }
        }
        Ok(())
    }

    /// The memory taken by rows that are not compressed yet, in bytes.
    pub fn memory(&self) -> usize {
        self.writer.memory_size()
    }

    /// Compresses the waiting rows, which frees their memory.
    pub async fn rest(&mut self) -> Result<(), Error> {
        self.writer.flush().await.map_err(broken)
    }

    /// Its size so far, in bytes.
    pub fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64
    }

    /// Finishes the file, which makes it durable.
    pub async fn close(mut self) -> Result<DataFile, Error> {
        self.writer.finish().await.map_err(broken)?;
        let (min, max) = self.range.unzip();
        Ok(DataFile { path: self.path, rows: self.rows, bytes: self.writer.bytes_written() as u64, min, max })
    }
}

/// Reads a file directly from the store.
pub struct Reader {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl Reader {
    fn of(store: &Store, file: &DataFile) -> Self {
        Self { objects: Arc::clone(&store.objects), path: Path::from(file.path.as_str()), bytes: file.bytes }
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        let got = async move { self.objects.get_range(&self.path, range).await };
        got.map_err(|error| ParquetError::External(error.into())).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let got = async move { self.objects.get_ranges(&self.path, &ranges).await };
        got.map_err(|error| ParquetError::External(error.into())).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let bytes = self.bytes;
        let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
        async move { reader.load_and_finish(self, bytes).await.map(Arc::new) }.boxed()
    }
}

/// The rows of a file, batch by batch, with only the given columns or with all.
pub async fn open(
    dataset: &Dataset,
    file: &DataFile,
    columns: Option<&[&str]>,
) -> Result<ParquetRecordBatchStream<Reader>, Error> {
    let missing = |error: ParquetError| unreadable(&dataset.store, file, &error);
    let reader = Reader::of(&dataset.store, file);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(missing)?;
    let mask = match columns {
        None => ProjectionMask::all(),
        Some(columns) => ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied()),
    };
    builder.with_projection(mask).with_batch_size(BATCH).build().map_err(missing)
}

/// How many rows a file has according to its metadata.
pub async fn rows_of(store: &Store, file: &DataFile) -> Result<u64, Error> {
    let metadata = Reader::of(store, file).get_metadata(None).await;
    let metadata = metadata.map_err(|error| unreadable(store, file, &error))?;
    Ok(u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default())
}

fn unreadable(store: &Store, file: &DataFile, error: &ParquetError) -> Error {
    let cause = cause(error);
    let address = store.address(&file.path);
    Error::new(Kind::Incomplete, format!("{address} cannot be read as the file that `_state.json` lists: {cause}"))
}

/// The values of a column of integers or times; nulls for any other column.
pub fn numbers(column: &dyn Array) -> Vec<Option<i64>> {
    match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().iter().collect(),
        DataType::Timestamp(..) => column.as_primitive::<TimestampMicrosecondType>().iter().collect(),
        _ => vec![None; column.len()],
    }
}

/// The error for a file that cannot be written or read, whether the store or this program is at fault.
#[allow(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
pub fn broken(error: ParquetError) -> Error {
    Error::new(Kind::Store, format!("A file of the dataset cannot be written or read: {}", cause(&error)))
}

/// The cause of an error, without repetition: each error of a store repeats the error that caused it.
fn cause(error: &ParquetError) -> String {
    match error {
        ParquetError::External(inner) => match inner.downcast_ref::<object_store::Error>() {
            Some(error) => concise(error),
            None => inner.to_string(),
        },
        other => other.to_string(),
    }
}
