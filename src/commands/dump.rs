//! `dump`: streams into a dataset of Parquet files.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;

use super::forecast::Forecast;
use super::{Account, Context, TokenPlaces, check, read};
use crate::cli::DumpArgs;
use crate::dataset::{self, Dataset, Manifest, Store};
use crate::error::{Error, Kind};
use crate::position;
use crate::progress::{Progress, counted, size};
use crate::run::dump_plan::DumpRequest;
use crate::run::dump_run::DumpRun;
use crate::sink::parquet::{Limits, Summary};
use crate::source::streams;
use crate::source::walk::Bounds;

/// LOOKBACK: how much of the chats is read again if the configuration does not say. A redaction may appear late, and
/// rows that did not change cost a dataset nothing.
const CHATS_LOOKBACK: TimeDelta = TimeDelta::minutes(15);

/// Reads the chosen streams into a dataset.
pub(super) async fn run(args: &DumpArgs, context: &Context) -> Result<(), Error> {
    // In many programs `-` means stdout, which cannot hold a dataset. A user who writes `-` does not mean a folder of
    // that name.
    if args.out == "-" {
        let problem = "`--out -` is no place for a dataset, which is a folder of files: name a folder or a bucket (`./-` is the folder called -)";
        return Err(Error::new(Kind::Flags, problem));
    }
    let DumpArgs { ref streams, mode, since, until, .. } = *args;
    let request = DumpRequest { streams: streams.clone(), mode: mode.into(), since, until };
    request.wanted()?;
    let file = args.config.as_deref().filter(|_| !args.no_config_update);
    let tokens = TokenPlaces { file, stdout: None };
    let account = context.account(args.config.as_deref(), args.sandbox, tokens).await?;
    let bounds = read::bounds(&account.config, CHATS_LOOKBACK, context.clock.now());
    let (name, start) = (name(&account), position::utc(bounds.start));
    if args.dry_run {
        return forecast(args, &request, (&account, &name), bounds, context).await;
    }
    prove(&account, &args.out, context).await?;
    let store = Store::open(&args.out)?;
    let dataset = Arc::new(Dataset::open(store, &streams::names(), &name, start, context.clock.clone()).await?);
    context.hold(&dataset);
    let bounds = begun(bounds, &account, &dataset.manifest().await);
    let progress = Arc::<Progress>::default();
    let run = DumpRun {
        client: account.client.clone(),
        clock: context.clock.clone(),
        skip_unavailable: account.config.skip_unavailable,
        bounds,
        limits: Limits::default(),
        progress: Arc::clone(&progress),
        stop: context.stop.clone(),
    };
    let requests = || account.client.requests();
    let (sink, result) = tokio::select! {
        filled = run.fill(dataset, &request) => filled,
        never = context.screen.show(&progress, requests, account.config.requests_per_minute) => never,
    };
    context.screen.clear();
    print_summary(args, context, &sink.summaries(), sink.dataset()).await?;
    result
}

/// Prints what a run would read.
async fn forecast(
    args: &DumpArgs,
    request: &DumpRequest,
    (account, name): (&Account, &str),
    bounds: Bounds,
    context: &Context,
) -> Result<(), Error> {
    let manifest = match Store::find(&args.out)? {
        Some(store) => dataset::manifest_for(&store, &streams::names(), name, context.clock.now()).await?,
        None => None,
    };
    let manifest = manifest.unwrap_or_else(|| Manifest::new(name, position::utc(bounds.start), ""));
    let bounds = begun(bounds, account, &manifest);
    let (plan, tasks) = request.plan(&manifest, &bounds)?;
    let forecast = Forecast::of_dump((plan, &tasks), request.since.is_some(), &manifest, (&bounds, account), context);
    forecast.print(args.json, context).await
}

/// If the configuration has no start, the run begins at the dataset's start instead of two years before today.
fn begun(bounds: Bounds, account: &Account, manifest: &Manifest) -> Bounds {
    let start = if account.config.start.is_none() { position::nanos_of(manifest.start) } else { bounds.start };
    Bounds { start, ..bounds }
}

/// Checks the credentials with one request before a new dataset is created. An existing dataset needs no check.
async fn prove(account: &Account, place: &str, context: &Context) -> Result<(), Error> {
    if let Some(store) = Store::find(place)?
        && !matches!(dataset::manifest_at(&store).await, Ok(None))
    {
        return Ok(());
    }
    match check::proof(account, context).await {
        // A refusal that may concern one stream only is reported when that stream is read.
        Err(error) if matches!(error.kind(), Kind::Forbidden | Kind::NotFound) => Ok(()),
        proven => proven,
    }
}

/// The name of the account, as the dataset records it.
fn name(account: &Account) -> String {
    match &account.sandbox {
        Some(sandbox) => format!("sandbox:{}", sandbox.account().seed()),
        None => account.config.subdomain.to_string(),
    }
}

/// Prints the result of each stream.
async fn print_summary(
    args: &DumpArgs,
    context: &Context,
    summaries: &[Summary],
    dataset: &Dataset,
) -> Result<(), Error> {
    if args.json {
        let line = json!({ "dataset": dataset.store.address(""), "run": dataset.run, "streams": summaries });
        return context.stdout.write((context.secrets.hide(&line.to_string()) + "\n").into_bytes()).await;
    }
    if args.quiet || summaries.is_empty() {
        return Ok(());
    }
    let line = |columns: [&str; 8]| {
        let [stream, status, new, updated, rows, files, size, time] = columns;
        let line =
            format!("{stream:<17}  {status:<11} {new:>11} {updated:>11} {rows:>12} {files:>6} {size:>11} {time:>9}");
        context.screen.line(&line);
    };
    line(["stream", "status", "new", "updated", "rows", "files", "size", "time"]);
    for Summary { stream, status, new, updated, rows, files, bytes, seconds, .. } in summaries {
        let [new, updated, rows, files] = [*new, *updated, *rows, *files].map(counted);
        line([stream, status, &new, &updated, &rows, &files, &size(*bytes), &format!("{seconds:.1} s")]);
    }
    if dataset.manifest().await.tables.values().all(|table| table.live.is_empty()) {
        return Ok(());
    }
    context.screen.line(&format!("Look at it: duckdb -init '{}'", dataset.store.address("views.sql")));
    Ok(())
}
