//! `man`: the pages of the manual.

use clap::CommandFactory;
use clap_mangen::Man;

use super::Context;
use crate::cli::{Cli, ManArgs};
use crate::error::{Error, Kind};

/// Prints the page of the program, or of one of its commands.
pub(super) async fn run(args: ManArgs, context: &Context) -> Result<(), Error> {
    let page = Man::new(args.command.map_or_else(Cli::command, |command| *command))
        // A page has no date besides its version. Without any date, the next field would be printed in its place.
        .date(" ")
        .source(concat!("source-zendesk-chat ", env!("CARGO_PKG_VERSION")))
        .manual("Zendesk Chat");
    let mut text = Vec::new();
    page.render(&mut text).map_err(|error| Error::new(Kind::Internal, "The page cannot be made").because(error))?;
    context.stdout.write(text).await
}
