//! The access token of the account's API, and its renewal.

use std::sync::Arc;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use tracing::{info, warn};

use super::token_requests::TokenRequests;
use crate::access::oauth::{Grant, Issued, Registration, SCOPE};
use crate::access::token_store::{TokenPlace, TokenStore};
use crate::error::{Error, Kind};
use crate::secrets::Secrets;

/// The credentials of a run.
#[derive(Default)]
pub struct Access {
    /// The first access token, if there is one.
    pub token: Option<SecretString>,
    /// How to get a new token; `None` if there is no way.
    pub renewal: Option<Renewal>,
}

/// How to get a new access token.
pub enum Renewal {
    /// With a refresh token, which works once.
    Refresh {
        /// The client that the token was issued to.
        client: Registration,
        /// The refresh token.
        token: SecretString,
        /// Where the new pair of tokens is stored.
        store: TokenStore,
    },
    /// With the client's ID and secret, as often as needed.
    ClientCredentials(Registration),
}

impl From<SecretString> for Access {
    /// A token that is used for the whole run and never renewed.
    fn from(token: SecretString) -> Self {
        Self { token: Some(token), renewal: None }
    }
}

/// The current access token. One request at a time renews it, while all others wait.
#[derive(Clone)]
pub struct Tokens {
    state: Arc<Mutex<State>>,
    secrets: Secrets,
    requests: Arc<TokenRequests>,
}

struct State {
    bearer: Option<Bearer>,
    /// Whether the service has refused the token.
    refused: bool,
    renewal: Option<Renewal>,
    /// The error of every further request, once the run can get no more tokens.
    ended: Option<(Kind, String)>,
}

/// An access token as it is sent.
#[derive(Clone)]
pub struct Bearer {
    /// How many tokens this run had before this one.
    number: u32,
    token: SecretString,
    /// The value of the `Authorization` header.
    pub header: HeaderValue,
    ends: Option<Instant>,
}

/// Whether this request triggered the issue of its token. A 401 on a token that was just issued is final.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// The account just issued it, for this request.
    Now,
    /// It was issued earlier, or to another run.
    Before,
}

impl Tokens {
    /// Starts with the token in `access` and gets new ones through `requests`. Every token is added to `secrets`.
    pub fn new(access: Access, secrets: Secrets, requests: TokenRequests) -> Result<Self, Error> {
        let bearer = access.token.map(|token| Bearer::new(0, token, None, &secrets)).transpose()?;
        let state = State { bearer, refused: false, renewal: access.renewal, ended: None };
        Ok(Self { state: Arc::new(Mutex::new(state)), secrets, requests: Arc::new(requests) })
    }

    /// Records that the service refused a token. Returns false if it cannot be renewed.
    ///
    /// The token is renewed when the next request is about to be sent, because a token may live for less time than a
    /// request waits.
    pub async fn refuse(&self, refused: &Bearer) -> bool {
        let mut state = self.state.lock().await;
        // Many requests are refused at once; only a refusal of the latest token counts.
        if state.bearer.as_ref().is_some_and(|bearer| bearer.number == refused.number) {
            state.refused = state.renewal.is_some();
            return state.refused;
        }
        true
    }

    /// Waits until no token is being renewed.
    pub async fn tokens_stored(&self) {
        drop(self.state.lock().await);
    }

    /// Renews no token from now on.
    pub async fn stay(&self) {
        self.state.lock().await.renewal = None;
    }

    /// Records why the account accepts no token of this run. Every further request fails with that error.
    pub async fn end(&self, why: &Error) {
        self.state.lock().await.ended.get_or_insert_with(|| (why.kind(), why.to_string()));
    }

    /// The error with which every further request fails, if there is one.
    pub async fn ended(&self) -> Option<Error> {
        self.state.lock().await.failure()
    }

    /// The token for a request that is about to be sent. It is a new one if there is none yet, if the last one was
    /// refused, or if its lifetime, as the service stated it, is over.
    pub async fn bearer(&self) -> Result<(Bearer, Given), Error> {
        let state = Arc::clone(&self.state).lock_owned().await;
        if let Some(error) = state.failure() {
            return Err(error);
        }
        let over = |bearer: &Bearer| state.refused || (bearer.is_over() && state.renewal.is_some());
        match &state.bearer {
            Some(bearer) if !over(bearer) => Ok((bearer.clone(), Given::Before)),
            _ => self.renewed(state).await,
        }
    }

    /// Renews the token. The renewal completes even if the caller is cancelled: the refresh token may be spent by then,
    /// so the new one must be stored.
    async fn renewed(&self, mut state: OwnedMutexGuard<State>) -> Result<(Bearer, Given), Error> {
        let tokens = self.clone();
        let renewing = tokio::spawn(async move {
            let renewed = tokens.renew(&mut state).await;
            match &renewed {
                Ok((bearer, _)) => {
                    state.bearer = Some(bearer.clone());
                    state.refused = false;
                }
                // Every stream would meet the same error, and a refresh token is never sent twice.
                Err(error) => state.ended = Some((error.kind(), error.to_string())),
            }
            renewed
        });
        renewing.await.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "Renewing the access token broke off")))
    }

    async fn renew(&self, state: &mut State) -> Result<(Bearer, Given), Error> {
        let secrets = &self.secrets;
        let number = state.bearer.as_ref().map_or(0, |bearer| bearer.number + 1);
        match &mut state.renewal {
            None => Err(Error::new(Kind::Unauthorized, "There is no access token")),
            Some(Renewal::ClientCredentials(client)) => {
                info!("asking for an access token");
                let issued = self.grant(client, &Grant::ClientCredentials { scope: SCOPE }).await?;
                Ok((Bearer::of(number, &issued, secrets)?, Given::Now))
            }
            Some(Renewal::Refresh { client, token, store }) => {
                let access = state.bearer.as_ref().map(|bearer| &bearer.token);
                let opened = match store.open(access, token).await? {
                    TokenPlace::Renewed(access, refresh) => {
                        info!("another run has renewed the tokens: going on with them");
                        secrets.keep(&refresh);
                        *token = refresh;
                        return Ok((Bearer::new(number, access, None, secrets)?, Given::Before));
                    }
                    TokenPlace::Open(opened) => opened,
                };
                info!("the access token has died: renewing it");
                let issued = self.grant(client, &Grant::Refresh(token)).await?;
                let bearer = Bearer::of(number, &issued, secrets)?;
                opened.keep(&issued).await?;
                if let Some(refresh) = issued.refresh {
                    *token = refresh;
                }
                Ok((bearer, Given::Now))
            }
        }
    }

    /// Requests a token from the account.
    pub async fn grant(&self, client: &Registration, grant: &Grant<'_>) -> Result<Issued, Error> {
        let issued = self.requests.ask(&grant.form(client), |wait| warn!("asking for an access token: {wait}")).await;
        let issued = issued.map_err(|error| match error.kind() {
            Kind::Unauthorized | Kind::Forbidden | Kind::NotFound | Kind::Refused { status: 300..=499 } => {
                let said = error.cause::<super::Refusal>().and_then(|refusal| refusal.said.as_deref());
                grant.refused(said.unwrap_or_default()).because(error)
            }
            _ => error,
        })?;
        self.secrets.keep(&issued.access);
        issued.refresh.iter().for_each(|refresh| self.secrets.keep(refresh));
        Ok(issued)
    }
}

impl State {
    fn failure(&self) -> Option<Error> {
        self.ended.as_ref().map(|(kind, text)| Error::new(*kind, text.clone()))
    }
}

impl Bearer {
    /// A token ready to be sent, or an error that says why it cannot be sent.
    fn new(number: u32, token: SecretString, ends: Option<Instant>, secrets: &Secrets) -> Result<Self, Error> {
        secrets.keep(&token);
        if token.expose_secret().is_empty() {
            return Err(Error::new(Kind::Config, "The access token is empty"));
        }
        let Ok(mut header) = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())) else {
            return Err(Error::new(Kind::Config, "The access token holds a line break or another control character"));
        };
        header.set_sensitive(true);
        Ok(Self { number, token, header, ends })
    }

    fn of(number: u32, issued: &Issued, secrets: &Secrets) -> Result<Self, Error> {
        // A lifetime that is too long for the clock counts as not stated.
        let ends = issued.lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime));
        Self::new(number, issued.access.clone(), ends, secrets)
    }

    fn is_over(&self) -> bool {
        self.ends.is_some_and(|end| end <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: &str) -> Result<Bearer, Error> {
        Bearer::new(0, token.into(), None, &Secrets::default())
    }

    #[test]
    fn the_header_is_sensitive() {
        let bearer = bearer("abc").unwrap();
        assert_eq!(bearer.header.to_str().unwrap(), "Bearer abc");
        assert_eq!(format!("{:?}", bearer.header), "Sensitive");
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_refused_without_showing_it() {
        for token in ["", "abc\n", "a\r\nX-Injected: 1", "\u{7f}abc"] {
            let error = bearer(token).err().unwrap();
            assert_eq!(error.kind(), Kind::Config);
            assert!(!error.to_string().contains("abc"), "{error}");
        }
    }
}
