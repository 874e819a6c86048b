//! `completions`: what a shell needs to complete commands and flags.

use clap::CommandFactory;
use clap_complete::generate;

use super::Context;
use crate::cli::{Cli, CompletionsArgs};
use crate::error::Error;

/// Prints the script of a shell.
pub(super) async fn run(args: &CompletionsArgs, context: &Context) -> Result<(), Error> {
    let mut program = Cli::command();
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(args.shell, &mut program, name, &mut script);
    context.stdout.write(script).await
}
