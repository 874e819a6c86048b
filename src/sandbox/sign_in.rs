//! The authorization server: API clients, the codes and tokens issued to them, and how long those are valid.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::options::{AnnounceLife, ApiClient, RefreshTokens, SignIn};
use super::query::Query;

/// The scopes that a token may have.
const SCOPES: [&str; 3] = ["read", "write", "chat"];

/// Issues codes and tokens, and keeps those that it issued.
pub struct Desk {
    rules: SignIn,
    seed: u64,
    given: u64,
    codes: Vec<Code>,
    tokens: Vec<Token>,
}

/// An authorization code that has not been exchanged yet.
struct Code {
    text: String,
    client: String,
    redirect: String,
    scope: String,
    challenge: Option<String>,
    ends: DateTime<Utc>,
}

/// An access token and the refresh token issued with it, if any.
struct Token {
    access: String,
    refresh: Option<String>,
    client: String,
    scope: String,
    ends: Option<DateTime<Utc>>,
    requests_left: Option<u32>,
}

/// A pair of tokens as issued.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The access token.
    pub access: String,
    /// The refresh token, if one was issued.
    pub refresh: Option<String>,
}

/// Why a code or token is denied, in OAuth's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// The OAuth error code.
    pub error: &'static str,
    /// A description for people.
    pub description: &'static str,
}

/// The access that a token gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// None: the token is unknown, expired or revoked.
    Nothing,
    /// The token is valid, but its scope does not include reading.
    NoReading,
    /// The token allows reading.
    Reading,
}

const fn denial(error: &'static str, description: &'static str) -> Denial {
    Denial { error, description }
}

impl Desk {
    /// A desk that has issued nothing yet.
    pub fn new(rules: SignIn, seed: u64) -> Self {
        Self { rules, seed, given: 0, codes: Vec::new(), tokens: Vec::new() }
    }

    /// The client with this ID.
    pub fn client(&self, id: &str) -> Option<&ApiClient> {
        self.rules.clients.iter().find(|client| client.id == id)
    }

    /// Issues a code after a user's consent.
    pub fn consent(&mut self, asked: &Query, scope: &str, now: DateTime<Utc>) -> String {
        let text = |name: &str| asked.get(name).unwrap_or_default().to_owned();
        let code = self.word("code");
        self.codes.push(Code {
            text: code.clone(),
            client: text("client_id"),
            redirect: text("redirect_uri"),
            scope: scope.to_owned(),
            challenge: asked.get("code_challenge").map(str::to_owned),
            ends: now + self.rules.code_life,
        });
        code
    }

    /// Issues an access token without a refresh token, for a browser, and returns it with the lifetime to announce, if
    /// any.
    pub fn token_for_browser(&mut self, client: &str, scope: &str, now: DateTime<Utc>) -> (String, Option<u64>) {
        let access = self.give(client, scope, false, now).access;
        (access, self.announced_life(false))
    }

    /// Issues a pair of tokens as if a user had consented.
    pub fn pair(&mut self, client: &str, now: DateTime<Utc>) -> Pair {
        self.give(client, SCOPES[0], true, now)
    }

    /// Answers a token request with this form.
    pub fn exchange(&mut self, form: &Query, now: DateTime<Utc>) -> Result<Vec<u8>, Denial> {
        let unknown = denial("invalid_client", "The client is not known, or its secret is wrong");
        let client = form.get("client_id").and_then(|id| self.client(id)).ok_or(unknown)?.clone();
        match form.get("client_secret") {
            Some(secret) if secret != client.secret => return Err(unknown),
            None if client.confidential => return Err(unknown),
            _ => {}
        }
        let (pair, scope) = match form.get("grant_type") {
            Some("authorization_code") => self.redeem(form, &client, now)?,
            Some("refresh_token") => self.refresh(form, &client, now)?,
            Some("client_credentials") if !client.confidential => {
                return Err(denial("invalid_client", "The client is not confidential"));
            }
            Some("client_credentials") => {
                let scope = scope_of(form)?;
                (self.give(&client.id, &scope, false, now), scope)
            }
            _ => return Err(denial("unsupported_grant_type", "The grant type is not known")),
        };
        let mut answer = json!({ "access_token": pair.access, "token_type": "Bearer", "scope": scope });
        if let Some(refresh) = pair.refresh {
            answer["refresh_token"] = refresh.into();
        }
        if let Some(life) = self.announced_life(form.get("expires_in").is_some()) {
            answer["expires_in"] = life.into();
        }
        Ok(answer.to_string().into_bytes())
    }

    /// The access that a token gives to one request; the request counts against the token's limit of requests.
    pub fn opens(&mut self, access: &str, now: DateTime<Utc>) -> Opens {
        let Some(token) = self.tokens.iter_mut().find(|token| token.access == access) else { return Opens::Nothing };
        if token.ends.is_some_and(|end| end <= now) || token.requests_left == Some(0) {
            return Opens::Nothing;
        }
        token.requests_left = token.requests_left.map(|left| left - 1);
        if token.scope.split(' ').any(|scope| scope == SCOPES[0]) { Opens::Reading } else { Opens::NoReading }
    }

    /// Expires every access token issued so far.
    pub fn expire(&mut self) {
        for token in &mut self.tokens {
            token.requests_left = Some(0);
        }
    }

    /// Whether a refresh token is unknown or no longer valid.
    pub fn is_spent(&self, refresh: &str) -> bool {
        !self.tokens.iter().any(|token| token.refresh.as_deref() == Some(refresh))
    }

    fn redeem(&mut self, form: &Query, client: &ApiClient, now: DateTime<Utc>) -> Result<(Pair, String), Denial> {
        let wrong = denial("invalid_grant", "The code is not known, has expired, or was used");
        let code = form.get("code").unwrap_or_default();
        let place = self.codes.iter().position(|given| given.text == code).ok_or(wrong)?;
        // Any attempt to exchange a code uses it up, even a failed one.
        let code = self.codes.remove(place);
        if code.client != client.id || code.ends <= now || form.get("redirect_uri") != Some(code.redirect.as_str()) {
            return Err(wrong);
        }
        if self.rules.pkce
            && let Some(challenge) = &code.challenge
            && form.get("code_verifier").map(challenge_of).as_ref() != Some(challenge)
        {
            return Err(denial("invalid_grant", "The verifier does not belong to the code"));
        }
        Ok((self.give(&client.id, &code.scope, true, now), code.scope))
    }

    fn refresh(&mut self, form: &Query, client: &ApiClient, now: DateTime<Utc>) -> Result<(Pair, String), Denial> {
        let wrong = denial("invalid_grant", "The refresh token is not known, has expired, or was used");
        let refresh = form.get("refresh_token").ok_or(wrong)?;
        let is_it = |token: &Token| token.refresh.as_deref() == Some(refresh) && token.client == client.id;
        let place = self.tokens.iter().position(is_it).ok_or(wrong)?;
        let scope = self.tokens[place].scope.clone();
        if self.rules.refresh_tokens == RefreshTokens::SingleUse {
            self.tokens.remove(place);
            return Ok((self.give(&client.id, &scope, true, now), scope));
        }
        let pair = self.give(&client.id, &scope, false, now);
        Ok((pair, scope))
    }

    /// Issues an access token, and also a refresh token if one is `wanted` and the rules allow refresh tokens.
    fn give(&mut self, client: &str, scope: &str, wanted: bool, now: DateTime<Utc>) -> Pair {
        let access = self.word("access");
        let wanted = wanted && self.rules.refresh_tokens != RefreshTokens::None;
        let refresh = wanted.then(|| self.word("refresh"));
        let pair = Pair { access, refresh };
        self.tokens.push(Token {
            access: pair.access.clone(),
            refresh: pair.refresh.clone(),
            client: client.to_owned(),
            scope: scope.to_owned(),
            ends: self.rules.token_life.map(|life| now + life),
            requests_left: self.rules.token_requests,
        });
        pair
    }

    fn announced_life(&self, asked: bool) -> Option<u64> {
        let announced = match self.rules.announce_life {
            AnnounceLife::Always => true,
            AnnounceLife::WhenAsked => asked,
            AnnounceLife::Never => false,
        };
        self.rules.token_life.filter(|_| announced).map(|life: Duration| life.as_secs())
    }

    /// A text that was never issued before.
    fn word(&mut self, kind: &str) -> String {
        self.given += 1;
        let hash = digest(&SHA256, format!("{} {kind} {}", self.seed, self.given).as_bytes());
        format!("{kind}-{}", URL_SAFE_NO_PAD.encode(hash))
    }
}

/// The requested scope, or a denial if it is missing or any part of it is unknown.
pub fn scope_of(asked: &Query) -> Result<String, Denial> {
    let scope = asked.get("scope").unwrap_or_default();
    let mut words = scope.split(' ').filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() || words.any(|word| !SCOPES.contains(&word)) {
        return Err(denial("invalid_scope", "The scope is missing, or holds what is not known"));
    }
    Ok(scope.to_owned())
}

/// The S256 challenge of a PKCE verifier.
fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}
