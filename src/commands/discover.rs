//! `discover`: every stream and its schema, without network.

use super::Context;
use crate::cli::AccountArgs;
use crate::error::Error;
use crate::{protocol, streams};

/// Prints the catalog, once the configuration is found to be sound.
pub(super) async fn run(args: &AccountArgs, context: &Context) -> Result<(), Error> {
    if let Some(path) = &args.config {
        context.config(path)?;
    }
    context.output.write(protocol::catalog(streams::all()).into_bytes()).await
}
