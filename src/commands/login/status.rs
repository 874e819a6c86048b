//! `login --status`: how a configuration signs in, and whether that works.

use std::path::Path;

use crate::access::document::Document;
use crate::access::oauth::{Grant, SCOPE};
use crate::client::Access;
use crate::commands::{Account, Context, check};
use crate::config::{Credentials, Environment};
use crate::error::{Error, Kind};
use crate::position;

/// Describes how a configuration signs in. Spends no refresh token.
pub(super) async fn run(path: &Path, context: &Context) -> Result<(), Error> {
    let (document, config) = context.config(path)?;
    let line = |what: &str, text: &str| context.screen.line(&format!("{what:<15} {text}"));
    line("configuration", &path.display().to_string());
    line("account", config.subdomain.to_string().as_str());
    let credentials = config.credentials.clone();
    line("signs in with", method(&credentials, &context.environment));
    let access = match &credentials {
        Credentials::AccessToken(token) => Some(token.clone()),
        Credentials::Pair { access, .. } => access.clone(),
        Credentials::ClientCredentials(client) => {
            let door = context.client(&config, Access::default())?;
            Some(door.grant(client, &Grant::ClientCredentials { scope: SCOPE }).await?.access)
        }
    };
    let own = context.environment.access_token.is_none();
    if own {
        line("access token", &life(&document, context));
        if let Some(scope) = document.credential("scope") {
            line("scopes", scope);
        }
    }
    let renews = matches!(credentials, Credentials::Pair { .. });
    let Some(access) = access else {
        line("works", "not tried: the next run asks for an access token with the refresh token, which works once");
        return Ok(());
    };
    // This client cannot renew its token, so it spends no refresh token.
    let client = context.client(&config, Access::from(access))?;
    let account = Account { config, client, sandbox: None };
    match check::proof(&account, context).await {
        Ok(()) => {
            line("works", "yes");
            Ok(())
        }
        Err(error) if error.kind() == Kind::Unauthorized && renews => {
            line("works", "the access token has died; the next run renews it with the refresh token");
            Ok(())
        }
        Err(error) => {
            line("works", "no");
            Err(error)
        }
    }
}

fn method(credentials: &Credentials, environment: &Environment) -> &'static str {
    match credentials {
        Credentials::AccessToken(_) if environment.access_token.is_some() => {
            "the access token in ZENDESK_CHAT_ACCESS_TOKEN; nothing renews it"
        }
        Credentials::AccessToken(_) => "an access token; nothing renews it",
        Credentials::Pair { .. } => "an access token, and a refresh token that renews it",
        Credentials::ClientCredentials(_) => "client credentials: each run asks for an access token of its own",
    }
}

/// The remaining life of the access token in a configuration, if the service stated one.
fn life(document: &Document, context: &Context) -> String {
    let Some(end) = document.credential("token_expiry_date").and_then(position::when) else {
        return "nobody said how long it lives".to_owned();
    };
    let left = end - context.clock.now();
    let end = end.format("%Y-%m-%d %H:%M UTC");
    match left.num_hours() {
        _ if left <= chrono::Duration::zero() => format!("its time was over on {end}"),
        hours @ ..48 => format!("{hours} hours left, until {end}"),
        hours => format!("{} days left, until {end}", hours / 24),
    }
}
