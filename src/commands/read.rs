//! `read`: records and states on stdout.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Months, TimeDelta, Utc};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::forecast::Forecast;
use super::{Context, read_file};
use crate::cli::ReadArgs;
use crate::config::Config;
use crate::error::{Error, Kind};
use crate::position::{self, Nanos};
use crate::protocol;
use crate::run::plan::{self, Choice};
use crate::run::sync::Run;
use crate::sink::airbyte::Airbyte;
use crate::sink::airbyte::state_file::{self, StateFile};
use crate::source::state_format::Saved;
use crate::source::walk::Bounds;

/// How many years ago reading begins if no start is configured.
const YEARS: u32 = 2;

/// Reads the chosen streams.
pub(super) async fn run(args: &ReadArgs, context: &Context) -> Result<(), Error> {
    let choice = match &args.catalog {
        Some(path) => Choice::Catalog(protocol::configured_catalog(&read_file(path, Kind::Catalog, "catalog")?)?),
        None if args.streams.is_empty() => Choice::All,
        None => Choice::Streams(plan::chosen(&args.streams)?),
    };
    let account = context.account_of(&args.account).await?;
    let bounds = bounds(&account.config, TimeDelta::zero(), context.clock.now());
    if args.dry_run {
        let saved = match &args.state {
            Some(path) => state_file::read(path)?.unwrap_or_default(),
            None => Saved::default(),
        };
        let plan = plan::build(&choice, &saved, &bounds);
        return Forecast::of_read(plan, &bounds, &account, context).print(false, context).await;
    }
    let (saved, state_file) = state(args)?;
    let run = Run {
        client: account.client.clone(),
        clock: context.clock.clone(),
        sink: Airbyte::new(context.stdout.clone(), context.clock.clone(), context.secrets.clone(), state_file),
        skip_unavailable: account.config.skip_unavailable,
        cutoff: OnceLock::new(),
        progress: Arc::default(),
        doubted: Mutex::default(),
        stop: context.stop.clone(),
    };
    run.read(plan::build(&choice, &saved, &bounds)).await
}

/// The content of the state file, and the file itself if it is to be updated.
fn state(args: &ReadArgs) -> Result<(Saved, Option<Arc<StateFile>>), Error> {
    let Some(path) = &args.state else { return Ok((Saved::default(), None)) };
    let (saved, file) = if args.update_state {
        let (file, saved) = StateFile::open(path, state_file::regular_stdout())?;
        (saved, Some(Arc::new(file)))
    } else {
        (state_file::read(path)?, None)
    };
    if saved.is_none() {
        let message = format!("the state file {} does not exist yet: reading from the start", path.display());
        if args.update_state { info!("{message}") } else { warn!("{message}") }
    }
    Ok((saved.unwrap_or_default(), file))
}

/// The bounds of all exports. `chats` is the look-back for chats if the configuration sets none.
pub(super) fn bounds(config: &Config, chats: TimeDelta, now: DateTime<Utc>) -> Bounds {
    let start = config.start.unwrap_or_else(|| {
        let start = now.checked_sub_months(Months::new(12 * YEARS)).unwrap_or(DateTime::UNIX_EPOCH);
        info!(
            "no start_date is configured: streams without a state begin two years ago, at {}",
            start.format("%Y-%m-%dT%H:%M:%SZ")
        );
        start
    });
    let nanos = |length: TimeDelta| Nanos::from(length.num_seconds()) * 1_000_000_000;
    Bounds {
        start: position::nanos_of(start),
        end: config.end.map(position::nanos_of),
        lookback: nanos(config.lookback),
        chats_lookback: nanos(config.chats_lookback.unwrap_or(chats)),
    }
}
