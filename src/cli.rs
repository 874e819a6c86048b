//! The command line. The flags' descriptions are the help text.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::commands::sandbox::SandboxArgs;
use crate::dataset::Mode;
use crate::position;

/// Moves a Zendesk Chat account's data, completely and incrementally, into Parquet files or to any Airbyte-protocol destination.
#[derive(Debug, Parser)]
#[command(name = "source-zendesk-chat", version, infer_long_args = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the specification of the configuration.
    #[command(infer_long_args = true)]
    Spec(SpecArgs),
    /// Say whether a configuration works, and which streams it can read.
    #[command(infer_long_args = true)]
    Check(AccountArgs),
    /// Print every stream with its schema, without asking the account.
    #[command(infer_long_args = true)]
    Discover(AccountArgs),
    /// Print the streams' records, and states from which a later run goes on.
    #[command(infer_long_args = true)]
    Read(ReadArgs),
    /// Write the streams into a dataset of Parquet files, which later runs go on from.
    #[command(infer_long_args = true)]
    Dump(DumpArgs),
    /// Say what a dataset holds, and whether all of it is there.
    #[command(infer_long_args = true)]
    Inspect(InspectArgs),
    /// Serve a made-up Zendesk Chat account on this machine, to try things out.
    #[command(infer_long_args = true)]
    Sandbox(SandboxArgs),
}

/// What every Airbyte command takes.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Log every request as well; `LOG_LEVEL=debug` does the same.
    #[arg(long)]
    pub debug: bool,
    /// Taken for the sake of Airbyte's low-code runner and ignored.
    #[arg(long, hide = true, value_name = "FILE")]
    manifest_path: Option<PathBuf>,
    /// Taken for the sake of Airbyte's low-code runner and ignored.
    #[arg(long, hide = true, value_name = "FILE")]
    components_path: Option<PathBuf>,
}

/// The flags of `spec`.
#[derive(Debug, Args)]
pub struct SpecArgs {
    /// How much is logged.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Which account.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("account").required(true))]
pub struct AccountArgs {
    /// Configuration, a JSON file; `spec` prints what it may hold.
    #[arg(long, value_name = "FILE", group = "account")]
    pub config: Option<PathBuf>,
    /// Use the built-in, made-up account instead of a real one.
    #[arg(long, group = "account")]
    pub sandbox: bool,
    /// Leave the configuration file as it is when the access token is renewed.
    #[arg(long)]
    pub no_config_update: bool,
    /// How much is logged.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `read`.
#[derive(Debug, Args)]
pub struct ReadArgs {
    /// Which account.
    #[command(flatten)]
    pub account: AccountArgs,
    /// Configured catalog that names the streams [default: every stream, from its state where that misses no change].
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
    /// State of an earlier run to go on from; a file that does not exist yet means from the start.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Write each new state into the state file, once the records before it are printed.
    #[arg(long, requires = "state")]
    pub update_state: bool,
}

/// The flags of `dump`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct DumpArgs {
    /// Configuration, a JSON file [default: the subdomain and the token in the environment].
    #[arg(long, value_name = "FILE", conflicts_with = "sandbox")]
    pub config: Option<PathBuf>,
    /// Use the built-in, made-up account instead of a real one.
    #[arg(long)]
    pub sandbox: bool,
    /// Leave the configuration file as it is when the access token is renewed.
    #[arg(long)]
    pub no_config_update: bool,
    /// Where the dataset is: a folder, or a place in a bucket such as <s3://bucket/path>.
    #[arg(long, value_name = "DIR_OR_URL")]
    pub out: String,
    /// Streams, with commas between them [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub streams: Vec<String>,
    /// What is done to the tables.
    #[arg(long, value_enum, default_value = "incremental-deduped")]
    pub mode: Mode,
    /// Where tables begin that were not read before; the deduped ones that were are read again from there.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<DateTime<Utc>>,
    /// Where the exports end.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<DateTime<Utc>>,
    /// Print the summary as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
    /// Say nothing but warnings and errors.
    #[arg(long)]
    pub quiet: bool,
    /// Log every request as well; `LOG_LEVEL=debug` does the same.
    #[arg(long)]
    pub debug: bool,
}

/// The flags of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Where the dataset is: a folder, or a place in a bucket such as <s3://bucket/path>.
    #[arg(value_name = "DIR_OR_URL")]
    pub place: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// A time, as a configuration has it.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    position::when(text).ok_or_else(|| "write it like 2024-01-01T00:00:00Z".to_owned())
}
