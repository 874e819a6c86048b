//! The command line. The flags' descriptions are the help text.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::access::oauth::SCOPE;
use crate::dataset;
use crate::position;

mod sandbox;
mod sign_in;

pub use sandbox::SandboxArgs;

/// Moves a Zendesk Chat account's data, completely and incrementally, into Parquet files or to any Airbyte-protocol destination.
#[derive(Debug, Parser)]
#[command(name = "source-zendesk-chat", version, infer_long_args = true, after_long_help = SURROUNDINGS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The part of the help that belongs to no flag.
const SURROUNDINGS: &str = "\
Exit codes:
  0      All is done, or `check` has come to a verdict
  1      Something failed; the last line on standard error says why
  2      The command line is wrong
  128+n  Ended by the signal n, such as 143 by SIGTERM

Environment:
  ZENDESK_CHAT_ACCESS_TOKEN   Access token; wins over the configuration
  ZENDESK_CHAT_CLIENT_SECRET  Secret of the API client; wins over the configuration
  ZENDESK_CHAT_SUBDOMAIN      The account, where the configuration names none
  LOG_LEVEL                   `debug` logs every request
  NO_COLOR                    Any value leaves colours out";

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
    /// Print DuckDB views over a dataset for where it lies now, as `views.sql` holds them for where it was written.
    #[command(infer_long_args = true)]
    Views(ViewsArgs),
    /// Sign in to an account with a browser, and write the configuration.
    #[command(infer_long_args = true)]
    Login(LoginArgs),
    /// Serve a made-up Zendesk Chat account on this machine, to try things out.
    #[command(infer_long_args = true)]
    Sandbox(SandboxArgs),
    /// Print what a shell needs to complete commands and flags.
    Completions(CompletionsArgs),
    /// Print a page of the manual: of the program, or of one of its commands.
    Man(ManArgs),
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
    /// Streams, with commas between them [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "catalog")]
    pub streams: Vec<String>,
    /// State of an earlier run to go on from; a file that does not exist yet means from the start.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Write each new state into the state file, once the records before it are printed.
    #[arg(long, requires = "state")]
    pub update_state: bool,
    /// Only say what would be read, with about how many requests, and why.
    #[arg(long)]
    pub dry_run: bool,
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
    /// Only say what would be read, with about how many requests, and why.
    #[arg(long, conflicts_with = "quiet")]
    pub dry_run: bool,
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

/// What a dump does to tables, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Read everything, and put it in the table's place.
    Overwrite,
    /// Read everything, and add what the table does not hold yet.
    Append,
    /// Read what is new, and add it.
    IncrementalAppend,
    /// Read what is new, and keep one row a key, the latest.
    IncrementalDeduped,
}

impl From<Mode> for dataset::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Overwrite => Self::Overwrite,
            Mode::Append => Self::Append,
            Mode::IncrementalAppend => Self::IncrementalAppend,
            Mode::IncrementalDeduped => Self::IncrementalDeduped,
        }
    }
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

/// The flags of `views`.
#[derive(Debug, Args)]
pub struct ViewsArgs {
    /// Where the dataset is: a folder, or a place in a bucket such as <s3://bucket/path>.
    #[arg(value_name = "DIR_OR_URL")]
    pub place: String,
}

/// The flags of `login`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct LoginArgs {
    /// The account: `acme` of acme.zendesk.com.
    #[arg(long, value_name = "NAME", required_unless_present = "status")]
    pub subdomain: Option<String>,
    /// The API client that was registered with the account.
    #[arg(long, value_name = "ID", required_unless_present = "status")]
    pub client_id: Option<String>,
    /// Environment variable that holds the client's secret [default: `ZENDESK_CHAT_CLIENT_SECRET`, or it is asked for on the terminal].
    #[arg(long, value_name = "VAR")]
    pub client_secret_env: Option<String>,
    /// The way in.
    #[arg(long, value_enum, default_value = "code")]
    pub flow: Flow,
    /// Port of localhost to which the browser comes back: that of the redirect URL of the API client.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// What the token is to open.
    #[arg(long, default_value = SCOPE)]
    pub scope: String,
    /// Configuration that is written.
    #[arg(long, value_name = "FILE", default_value = "config.json")]
    pub config_out: PathBuf,
    /// Put the new credentials into a configuration that exists, and leave the rest of it as it is.
    #[arg(long)]
    pub overwrite: bool,
    /// Only print the address, and open no browser.
    #[arg(long)]
    pub no_browser: bool,
    /// Print the access token on stdout.
    #[arg(long)]
    pub print_token: bool,
    /// Show what a configuration signs in with, and whether it works.
    #[arg(long, conflicts_with_all = ["subdomain", "client_id", "client_secret_env", "overwrite", "no_browser", "print_token"])]
    pub status: bool,
    /// Configuration that `--status` shows.
    #[arg(long, value_name = "FILE", default_value = "config.json", requires = "status")]
    pub config: PathBuf,
    /// Replaces `https://NAME.zendesk.com`.
    #[arg(long, value_name = "URL", hide = true)]
    pub base_url: Option<String>,
    /// Log every request as well; `LOG_LEVEL=debug` does the same.
    #[arg(long)]
    pub debug: bool,
}

/// The flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

/// The flags of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command [default: the program].
    #[arg(value_name = "COMMAND", value_parser = described)]
    pub command: Option<Box<clap::Command>>,
}

/// The ways to an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flow {
    /// The browser brings a code, which is exchanged: what it brings renews itself.
    Code,
    /// The browser brings the token itself: no client secret is needed, and nothing renews it.
    Implicit,
    /// The client signs in by itself, without a browser: it must be confidential.
    ClientCredentials,
}

/// The command of this name, with its full description.
fn described(name: &str) -> Result<Box<clap::Command>, String> {
    let mut program = Cli::command();
    program.build();
    let commands: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
    let found = program.find_subcommand(name).cloned().map(Box::new);
    found.ok_or_else(|| format!("the commands are {}", commands.join(", ")))
}

/// Parses a time in the format of a configuration.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    position::when(text).ok_or_else(|| "write it like 2024-01-01T00:00:00Z".to_owned())
}
