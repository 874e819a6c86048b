//! The command line. The flags' descriptions are the help text.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::sandbox::SandboxArgs;

/// Moves a Zendesk Chat account's data, completely and incrementally, to any Airbyte-protocol destination.
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
    /// Try a configuration: one request decides, then each stream is probed.
    #[command(infer_long_args = true)]
    Check(AccountArgs),
    /// Print every stream with its schema; needs no network.
    #[command(infer_long_args = true)]
    Discover(AccountArgs),
    /// Read streams and print their records and states.
    #[command(infer_long_args = true)]
    Read(ReadArgs),
    /// Serve a Zendesk Chat account of made-up data on this machine.
    #[command(infer_long_args = true)]
    Sandbox(SandboxArgs),
}

/// What every Airbyte command takes.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Also log what only explains; `LOG_LEVEL=debug` does the same.
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
pub struct AccountArgs {
    /// The configuration, a JSON file.
    #[arg(long, value_name = "FILE", required_unless_present = "sandbox")]
    pub config: Option<PathBuf>,
    /// Use the embedded account of made-up data instead of a real one.
    #[arg(long, conflicts_with = "config")]
    pub sandbox: bool,
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
    /// Which streams, a configured catalog; without it every stream, incrementally where that loses no change.
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
    /// Where an earlier run ended; a file that does not exist yet stands for the beginning.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Keep the state file up to date, each time the lines before a checkpoint are out.
    #[arg(long, requires = "state")]
    pub update_state: bool,
}
