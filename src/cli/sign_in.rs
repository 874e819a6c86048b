//! How clients sign in to the served account, and the credentials in the printed configuration.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::sandbox::options::{
    AnnounceLife, CLIENT_SECRET, CONFIDENTIAL_CLIENT, DEFAULT_TOKEN, PUBLIC_CLIENT, RefreshTokens, SignIn,
};

/// The access tokens of the account, and the ways to get them.
#[derive(Debug, Clone, Args)]
pub struct SignInArgs {
    /// Access token that is accepted at any time
    #[arg(long, default_value = DEFAULT_TOKEN)]
    pub token: String,
    /// Credentials in the configuration that is printed
    #[arg(long, value_enum, default_value = "access-token")]
    pub credentials: Method,
    /// Seconds that each other access token lives
    #[arg(long, value_name = "SECONDS")]
    token_life: Option<u64>,
    /// Requests that each other access token opens
    #[arg(long, value_name = "N")]
    token_requests: Option<u32>,
    /// When a token's response says how long it lives
    #[arg(long, value_enum, default_value = "when-asked")]
    tell_life: AnnounceLife,
    /// Refresh tokens that come with access tokens
    #[arg(long, value_enum, default_value = "single-use")]
    refresh_tokens: RefreshTokens,
    /// Seconds within which a code must be exchanged
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    code_life: u64,
    /// Pass over code challenges, as a service does that knows nothing of them
    #[arg(long)]
    no_pkce: bool,
}

/// What a configuration signs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// An access token that never dies
    AccessToken,
    /// An access token and a refresh token
    Pair,
    /// An API client that signs in by itself
    ClientCredentials,
}

impl SignInArgs {
    /// The sign-in rules of the account.
    pub fn rules(&self) -> SignIn {
        SignIn {
            token_life: self.token_life.map(Duration::from_secs),
            token_requests: self.token_requests,
            announce_life: self.tell_life,
            code_life: Duration::from_secs(self.code_life),
            refresh_tokens: self.refresh_tokens,
            pkce: !self.no_pkce,
            ..SignIn::default()
        }
    }

    /// The credentials of a configuration for a running sandbox.
    pub fn credentials(&self, sandbox: &Sandbox) -> Value {
        match self.credentials {
            Method::AccessToken => json!({ "credentials": "access_token", "access_token": self.token }),
            Method::Pair => {
                let pair = sandbox.pair(PUBLIC_CLIENT);
                json!({
                    "credentials": "oauth2.0", "client_id": PUBLIC_CLIENT, "client_secret": CLIENT_SECRET,
                    "access_token": pair.access, "refresh_token": pair.refresh,
                })
            }
            Method::ClientCredentials => json!({
                "credentials": "client_credentials", "client_id": CONFIDENTIAL_CLIENT, "client_secret": CLIENT_SECRET,
            }),
        }
    }
}
