//! `views`: the views over a dataset, for where it lies now.

use super::{Context, inspect};
use crate::cli::ViewsArgs;
use crate::dataset;
use crate::error::Error;

/// Prints what `views.sql` holds if a run writes it at this place. A dataset that was moved or copied still has the
/// `views.sql` of its old place.
pub(super) async fn run(args: &ViewsArgs, context: &Context) -> Result<(), Error> {
    let (store, manifest) = inspect::opened(&args.place).await?;
    context.stdout.write(dataset::views_at(&manifest, &store).into_bytes()).await
}
