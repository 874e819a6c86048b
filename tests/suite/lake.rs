//! A dataset that runs of this process fill, in a folder or an object store, and the rows that readers find in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::RecordBatch;
use arrow_row::{RowConverter, SortField};
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult, UploadPart,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use source_zendesk_chat::columns::{Columns, Rows};
use source_zendesk_chat::dataset::{Manifest, Mode};
use source_zendesk_chat::run::dump_plan::DumpRequest;
use source_zendesk_chat::sink::parquet::Limits;
use source_zendesk_chat::source::page::{Page, Shape};
use source_zendesk_chat::source::streams;
use tokio::sync::Notify;

/// Limits so small that a run of a few hundred records commits, merges and splits files several times.
pub const LIMITS: Limits = Limits {
    waiting: 40_000,
    open: 1,
    unfinished: 32 * 1024 * 1024,
    uncommitted: 150_000,
    unsaved: chrono::TimeDelta::hours(1),
    small: 60_000,
    large: 120_000,
    keys: 50,
};

/// A dump request with a mode.
pub fn request(mode: Mode, streams: &[&str]) -> DumpRequest {
    let streams = streams.iter().map(|&name| name.to_owned()).collect();
    DumpRequest { streams, mode, since: None, until: None }
}

/// The rows of each table without the columns that differ from run to run, and how often each row occurs.
pub type Contents = BTreeMap<String, BTreeMap<Vec<u8>, usize>>;

/// The rows that readers find in a folder through `_state.json` and `views.sql`.
pub fn contents(folder: &Path) -> Contents {
    let manifest = manifest(folder);
    let mut contents = Contents::new();
    for (name, table) in &manifest.tables {
        let rows = contents.entry(name.clone()).or_default();
        for file in &table.live {
            let path = folder.join(&file.path);
            assert_eq!(fs::metadata(&path).unwrap().len(), file.bytes, "{}", file.path);
            let mut count = 0;
            for batch in batches(&path) {
                count += batch.num_rows() as u64;
                for row in distinct(&batch) {
                    *rows.entry(row).or_default() += 1;
                }
            }
            assert_eq!(count, file.rows, "{}", file.path);
        }
    }
    contents
}

/// The expected rows of a table: these records, once each.
pub fn expected(stream: &str, records: &[String]) -> BTreeMap<Vec<u8>, usize> {
    let stream = streams::named(stream).unwrap();
    let columns = Columns::of(stream);
    let page = Page::parse(Shape::List, format!("[{}]", records.join(",")).into_bytes()).unwrap();
    let mut rows = Rows::new(&columns, "");
    page.records().for_each(|record| rows.push(stream, record, 0).unwrap());
    distinct(&rows.finish().unwrap()).into_iter().map(|row| (row, 1)).collect()
}

/// The committed manifest of a dataset.
pub fn manifest(folder: &Path) -> Manifest {
    Manifest::parse(&fs::read(folder.join("_state.json")).unwrap()).unwrap()
}

/// The files that `views.sql` names, all of which must exist. `url` is the place of the dataset if it is not the
/// folder.
pub fn viewed(folder: &Path, url: Option<&str>) -> BTreeSet<String> {
    let text = fs::read_to_string(folder.join("views.sql")).unwrap();
    let text_of = |line: &str, before: &str| Some(line.strip_prefix(before)?.rsplit_once('\'')?.0.to_owned());
    let base = text.lines().find_map(|line| text_of(line, "CREATE OR REPLACE MACRO lake() AS '")).unwrap();
    assert_eq!(
        base,
        format!("{}/", url.map_or_else(|| folder.canonicalize().unwrap().display().to_string(), str::to_owned))
    );
    let files = text.lines().filter_map(|line| text_of(line.trim(), "lake() || '"));
    let local = files.map(|file| folder.join(file).to_str().unwrap().to_owned());
    local.inspect(|file| assert!(Path::new(file).is_file(), "{file}")).collect()
}

/// The table files that exist.
pub fn files(folder: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files
}

/// The rows of a file.
pub fn batches(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

/// Each row as bytes. Equal values give equal bytes.
fn distinct(batch: &RecordBatch) -> Vec<Vec<u8>> {
    let schema = batch.schema();
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|&index| !["_extracted_at", "_run_id"].contains(&schema.field(index).name().as_str()))
        .collect();
    let batch = batch.project(&kept).unwrap();
    let fields = batch.schema().fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
    let rows = RowConverter::new(fields).unwrap().convert_columns(batch.columns()).unwrap();
    rows.iter().map(|row| row.as_ref().to_vec()).collect()
}

/// A store that stops after a number of calls, as if the process had been killed at the next call.
#[derive(Debug, Clone)]
pub struct Mortal {
    inner: Arc<dyn ObjectStore>,
    life: Arc<Life>,
}

/// The number of calls so far, and the maximum.
#[derive(Debug)]
pub struct Life {
    calls: AtomicUsize,
    most: usize,
    ended: Notify,
}

impl Life {
    /// A life of this many calls.
    pub fn of(most: usize) -> Arc<Self> {
        Arc::new(Self { calls: AtomicUsize::new(0), most, ended: Notify::new() })
    }

    /// The number of calls so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Returns when a call beyond the maximum was tried.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    async fn call(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.most {
            self.ended.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

impl Mortal {
    /// A store whose calls are counted.
    pub fn over(inner: Arc<dyn ObjectStore>, life: &Arc<Life>) -> Arc<dyn ObjectStore> {
        Arc::new(Self { inner, life: Arc::clone(life) })
    }
}

impl fmt::Display for Mortal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

#[async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(&self, path: &ObjectPath, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.life.call().await;
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &ObjectPath,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.life.call().await;
        let upload = self.inner.put_multipart_opts(path, options).await?;
        Ok(Box::new(MortalUpload { upload, life: Arc::clone(&self.life) }))
    }

    async fn get_opts(&self, path: &ObjectPath, options: GetOptions) -> StoreResult<GetResult> {
        self.life.call().await;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<ObjectPath>>,
    ) -> BoxStream<'static, StoreResult<ObjectPath>> {
        let (inner, life) = (Arc::clone(&self.inner), Arc::clone(&self.life));
        let deleted = stream::once(async move {
            life.call().await;
            inner.delete_stream(paths)
        });
        deleted.flatten().boxed()
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct MortalUpload {
    upload: Box<dyn MultipartUpload>,
    life: Arc<Life>,
}

#[async_trait]
impl MultipartUpload for MortalUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, life) = (self.upload.put_part(data), Arc::clone(&self.life));
        Box::pin(async move {
            life.call().await;
            part.await
        })
    }

    async fn complete(&mut self) -> StoreResult<PutResult> {
        self.life.call().await;
        self.upload.complete().await
    }

    async fn abort(&mut self) -> StoreResult<()> {
        self.upload.abort().await
    }
}

/// A store that answers its first conditional writes with a conflict.
#[derive(Debug)]
pub struct Conflicting {
    /// The store itself.
    pub inner: Arc<dyn ObjectStore>,
    /// How many writes get that answer.
    pub answers: AtomicUsize,
    /// Whether these writes are carried out nevertheless.
    pub carried_out: bool,
}

impl fmt::Display for Conflicting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

#[async_trait]
impl ObjectStore for Conflicting {
    async fn put_opts(&self, path: &ObjectPath, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        let conditional = options.mode != PutMode::Overwrite;
        let left = |left: usize| left.checked_sub(1);
        if !conditional || self.answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_err() {
            return self.inner.put_opts(path, payload, options).await;
        }
        if self.carried_out {
            self.inner.put_opts(path, payload, options).await?;
        }
        Err(object_store::Error::AlreadyExists { path: path.to_string(), source: "409 Conflict".into() })
    }

    async fn put_multipart_opts(
        &self,
        path: &ObjectPath,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &ObjectPath, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<ObjectPath>>,
    ) -> BoxStream<'static, StoreResult<ObjectPath>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
