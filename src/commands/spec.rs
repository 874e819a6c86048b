//! `spec`: what a configuration looks like.

use serde_json::Value;

use super::Context;
use crate::error::{Error, Kind};
use crate::protocol;

/// The specification as it is published.
const SPECIFICATION: &str = include_str!("../../spec.json");

/// Prints the specification.
pub(super) async fn run(context: &Context) -> Result<(), Error> {
    context.stdout.write(protocol::spec(&specification()?).into_bytes()).await
}

/// The specification of the configuration.
pub(super) fn specification() -> Result<Value, Error> {
    serde_json::from_str(SPECIFICATION)
        .map_err(|error| Error::new(Kind::Internal, "The built-in specification is not JSON").because(error))
}
