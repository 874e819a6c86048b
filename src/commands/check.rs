//! `check`: one request decides whether the account can be read; a probe of each stream only warns.

use tokio::task::JoinSet;
use tracing::{info, warn};

use super::{Account, Context};
use crate::cli::AccountArgs;
use crate::client::{Client, Refusal, Wait};
use crate::error::{Error, FailureType, Kind};
use crate::position::{Nanos, nanos_of};
use crate::protocol;
use crate::source::page::Page;
use crate::source::streams::{self, PROBE_STREAM, Stream};
use crate::source::walk::{Asked, Bounds, MARGIN, SETTLING, Walk};
use crate::wire::{Body, Request};

/// How far before now an export is probed: early enough for the service to allow it, late enough to be cheap.
const BACK: Nanos = SETTLING + 2 * MARGIN;

/// The start of the service's message for a subdomain without an account.
const NO_ACCOUNT: &str = "No help desk";

/// Prints whether the configuration works. A mistake that the user can correct in it is a FAILED status. An outage, or
/// a configuration file that cannot be used, is an error.
pub(super) async fn run(args: &AccountArgs, context: &Context) -> Result<(), Error> {
    let verdict = match context.account_of(args).await {
        Ok(account) => verdict(&account, context).await,
        Err(error) => Err(error),
    };
    let status = match verdict {
        Ok(()) => protocol::connection_status(None),
        Err(error) if error.failure_type() == FailureType::Config && error.kind() != Kind::ConfigFile => {
            protocol::connection_status(Some(&context.secrets.hide(&error.sentence())))
        }
        Err(error) => return Err(error),
    };
    context.stdout.write(status.into_bytes()).await
}

/// Whether the account can be read. Each stream that cannot be read is logged as a warning.
pub(super) async fn verdict(account: &Account, context: &Context) -> Result<(), Error> {
    proof(account, context).await?;
    info!("the account answers, and the token may read it");
    // From here on, no token is renewed: if a stream refuses a token that works, a refresh token would be wasted.
    account.client.stay().await;
    let bounds = bounds(context);
    let mut probes = JoinSet::new();
    for stream in streams::all().filter(|stream| stream.name != PROBE_STREAM) {
        let client = account.client.clone();
        probes.spawn(async move { (stream.name, probe(&client, stream, &bounds).await) });
    }
    while let Some(probed) = probes.join_next().await {
        match probed {
            Ok((name, Ok(()))) => info!("{name} can be read"),
            Ok((name, Err(error))) => warn!("{name} cannot be read: {error}"),
            Err(error) => return Err(Error::new(Kind::Internal, "A probe broke off").because(error)),
        }
    }
    Ok(())
}

/// Whether the account answers, and the token may read it.
pub(super) async fn proof(account: &Account, context: &Context) -> Result<(), Error> {
    let Some(proof) = streams::named(PROBE_STREAM) else {
        return Err(Error::new(Kind::Internal, "The stream that proves an account is not in the table"));
    };
    probe(&account.client, proof, &bounds(context)).await.map_err(|error| explained(error, account))
}

fn bounds(context: &Context) -> Bounds {
    Bounds { start: nanos_of(context.clock.now()) - BACK, end: None, lookback: 0, chats_lookback: 0 }
}

/// Requests one record of a stream.
async fn probe(client: &Client, stream: &'static Stream, bounds: &Bounds) -> Result<(), Error> {
    let Some(Asked { request, .. }) = Walk::new(stream, bounds, None).next() else { return Ok(()) };
    let request = Request { limit: request.limit.map(|_| 1), ..request };
    let parse = |body: Body| Page::parse(stream.endpoint().shape, body);
    let watch = |wait: &Wait| {
        if wait.matters() {
            warn!("{}: {wait}", stream.name);
        }
    };
    client.fetch(&request, None, &watch, parse).await.map(|_| ())
}

/// The error of the deciding request, reworded as what it means for the account.
fn explained(error: Error, account: &Account) -> Error {
    let refusal: Option<&Refusal> = error.cause();
    let host = account.config.origin.host();
    let said = refusal.and_then(|refusal| refusal.said.as_deref()).unwrap_or_default();
    let html = refusal.is_some_and(|refusal| refusal.html);
    let sentence = match error.kind() {
        Kind::Unauthorized => format!("{host} does not know the access token: it is wrong, was revoked, or belongs to Zendesk Support rather than Zendesk Chat"),
        Kind::Forbidden => "The access token is known, but may not read the account: whoever made it is no administrator of Zendesk Chat, or it lacks the scope `read`".to_owned(),
        Kind::NotFound if said.starts_with(NO_ACCOUNT) => format!("There is no Zendesk account at {host}: the subdomain `{}` is wrong", account.config.subdomain),
        Kind::NotFound if html => format!("{host} is not the host of a Zendesk account: it answers with a web page"),
        Kind::NotFound => format!("The account at {host} has no Zendesk Chat; one that has only Messaging has none either"),
        Kind::Refused { status: 300..=399 } => format!("{host} is not the host of a Zendesk account: it sends elsewhere"),
        _ => return error,
    };
    // If the host is not that of a Zendesk account, the mistake is in the configuration, not in a stream.
    let elsewhere = html || said.starts_with(NO_ACCOUNT) || matches!(error.kind(), Kind::Refused { .. });
    Error::new(if elsewhere { Kind::Config } else { error.kind() }, sentence).because(error)
}
