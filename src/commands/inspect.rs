//! `inspect`: what a dataset holds, and whether all of it is there.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::Context;
use crate::cli::InspectArgs;
use crate::dataset::{self, DataFile, Manifest, Store};
use crate::error::{Error, Kind};
use crate::progress::{counted, size};
use crate::sink::parquet;

/// The report on one table.
#[derive(Debug, Serialize)]
struct TableReport<'manifest> {
    rows: u64,
    files: u64,
    bytes: u64,
    cursor: Option<&'manifest Value>,
    /// The run that committed it last, and when.
    run: &'manifest str,
    committed: Option<String>,
    /// The rows of a long read that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<u64>,
    /// The problems of its files.
    problems: Vec<String>,
}

/// Prints what a dataset holds. If part of it is missing or damaged, the result is an error.
pub(super) async fn run(args: &InspectArgs, context: &Context) -> Result<(), Error> {
    let (store, manifest) = opened(&args.place).await?;
    let has_its_views = dataset::has_its_views(&store).await?;
    let mut tables = BTreeMap::new();
    for (name, table) in &manifest.tables {
        let mut problems = Vec::new();
        let pending = table.pending.iter().flat_map(|pending| &pending.files);
        for file in table.live.iter().chain(pending) {
            problems.extend(problem(&store, file).await?);
        }
        let report = TableReport {
            rows: table.rows(),
            files: table.live.len() as u64,
            bytes: table.live.iter().map(|file| file.bytes).sum(),
            cursor: table.cursor.as_ref(),
            run: &table.run,
            committed: table.committed.map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            pending: table.pending.as_ref().map(|pending| pending.files.iter().map(|file| file.rows).sum()),
            problems,
        };
        tables.insert(name.as_str(), report);
    }
    let text = if args.json {
        as_json(&store, &manifest, &tables, has_its_views)
    } else {
        let mut text = as_table(&store, &manifest, &tables);
        if !has_its_views {
            let place = &args.place;
            text.extend([
                "`views.sql` is not that of this place: `source-zendesk-chat views ",
                place,
                "` prints it.\n",
            ]);
        }
        text
    };
    context.stdout.write(text.into_bytes()).await?;
    let broken: Vec<&str> =
        tables.iter().filter(|(_, report)| !report.problems.is_empty()).map(|(name, _)| *name).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let problem = format!("{} of {} tables are not whole: {}", broken.len(), tables.len(), broken.join(", "));
    Err(Error::new(Kind::Incomplete, problem))
}

/// Opens an existing dataset for reading.
pub(super) async fn opened(place: &str) -> Result<(Store, Manifest), Error> {
    let store = Store::look(place)?;
    let manifest = dataset::manifest_at(&store).await?;
    let none = || Error::new(Kind::Dataset, format!("There is no dataset at {}", store.address("")));
    let manifest = manifest.ok_or_else(none)?;
    Ok((store, manifest))
}

/// The problem of a file, if it has one.
async fn problem(store: &Store, file: &DataFile) -> Result<Option<String>, Error> {
    let Some(bytes) = store.size(&file.path).await? else { return Ok(Some(format!("{} is missing", file.path))) };
    if bytes != file.bytes {
        return Ok(Some(format!("{} has {bytes} bytes instead of {}", file.path, file.bytes)));
    }
    Ok(match parquet::rows_of(store, file).await {
        Ok(rows) if rows == file.rows => None,
        Ok(rows) => Some(format!("{} has {rows} rows instead of {}", file.path, file.rows)),
        Err(error) => Some(error.to_string()),
    })
}

fn as_json(
    store: &Store,
    manifest: &Manifest,
    tables: &BTreeMap<&str, TableReport<'_>>,
    has_its_views: bool,
) -> String {
    let Manifest { account, start, run, .. } = manifest;
    let report = json!({
        "dataset": store.address(""), "account": account, "start": start, "run": run, "tables": tables,
        "has_its_views": has_its_views,
    });
    format!("{report}\n")
}

fn as_table(store: &Store, manifest: &Manifest, tables: &BTreeMap<&str, TableReport<'_>>) -> String {
    let start = manifest.start.format("%Y-%m-%dT%H:%M:%SZ");
    let mut text = format!("{} of {}, from {start} on\n", store.address(""), manifest.account);
    let line = |table: &str, rows: &str, files: &str, bytes: &str, committed: &str, cursor: &str| {
        format!("{table:<17} {rows:>12} {files:>6} {bytes:>11}  {committed:<20}  {cursor}").trim_end().to_owned() + "\n"
    };
    text += &line("table", "rows", "files", "size", "last run", "cursor");
    for (name, report) in tables {
        let cursor = report.cursor.map(Value::to_string).unwrap_or_default();
        let committed = report.committed.as_deref().unwrap_or_default();
        text += &line(name, &counted(report.rows), &counted(report.files), &size(report.bytes), committed, &cursor);
        if let Some(rows) = report.pending {
            text.extend(["  ", &counted(rows), " rows of a read that is under way\n"]);
        }
        for problem in &report.problems {
            text.extend(["  ", problem, "\n"]);
        }
    }
    if tables.values().all(|report| report.problems.is_empty()) {
        text += "Every listed file is there and whole.\n";
    }
    text
}
