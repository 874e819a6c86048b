//! The OAuth 2.0 messages: URLs, forms and responses. No I/O.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::error::{Error, Kind};

/// The only scope that this program requests: it never writes.
pub const SCOPE: &str = "read";

/// The path of the consent page, below the account's base.
const CONSENT_PATH: &str = "/oauth2/chat/authorizations/new";
/// The path of the token endpoint, below the account's base, without the leading slash.
pub const TOKEN_PATH: &str = "oauth2/chat/token";

/// The requested lifetimes, in seconds, of an access token and of its refresh token: the longest that Zendesk grants.
/// Zendesk states a lifetime in its response only if the request names one.
const LIFETIMES: [(&str, &str); 2] = [("expires_in", "172800"), ("refresh_token_expires_in", "7776000")];

/// An API client as registered with the account.
#[derive(Clone)]
pub struct Registration {
    /// The client ID, which is public.
    pub id: String,
    /// The client secret, which proves that a request comes from this client. A public client's secret proves nothing.
    pub secret: Option<SecretString>,
}

/// The grant with which a new access token is requested.
pub enum Grant<'a> {
    /// The code that the browser brought back after consent.
    Code {
        /// The code.
        code: &'a SecretString,
        /// The redirect URI to which the browser brought it.
        redirect: &'a str,
        /// The PKCE verifier, which only the program that asked for consent knows.
        verifier: &'a SecretString,
        /// The scope that consent was asked for.
        scope: &'a str,
    },
    /// The refresh token that came with the last access token.
    Refresh(&'a SecretString),
    /// The client's own ID and secret, without a user.
    ClientCredentials {
        /// The scope of the new token.
        scope: &'a str,
    },
}

/// The tokens that the account issued.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The access token.
    pub access: SecretString,
    /// The refresh token, which brings the next pair of tokens and works once.
    pub refresh: Option<SecretString>,
    /// The lifetime of the access token, if stated.
    pub lifetime: Option<Duration>,
    /// The scope of the access token, if stated.
    pub scope: Option<String>,
}

/// The form in which the browser brings back the result of the consent page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// A code in the query, which only the program that asked for it can exchange for a token.
    Code,
    /// The access token itself, in the fragment, which only the browser sees.
    Token,
}

impl fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Registration({})", self.id)
    }
}

impl Grant<'_> {
    /// The form that requests a token for `client`.
    pub fn form(&self, client: &Registration) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        match self {
            Self::Code { code, redirect, verifier, scope } => {
                form.append_pair("grant_type", "authorization_code").append_pair("code", code.expose_secret());
                form.append_pair("redirect_uri", redirect).append_pair("code_verifier", verifier.expose_secret());
                form.append_pair("scope", scope).extend_pairs(LIFETIMES);
            }
            Self::Refresh(token) => {
                form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose_secret());
                form.extend_pairs(LIFETIMES);
            }
            Self::ClientCredentials { scope } => {
                form.append_pair("grant_type", "client_credentials").append_pair("scope", scope);
            }
        }
        form.append_pair("client_id", &client.id);
        if let Some(secret) = &client.secret {
            form.append_pair("client_secret", secret.expose_secret());
        }
        form.finish()
    }

    /// The error for the account's refusal of this grant; `said` is the account's own text.
    pub fn refused(&self, said: &str) -> Error {
        let error = said.split(':').next().unwrap_or_default();
        let sentence = match (self, error) {
            (Self::Refresh(_), "invalid_grant") => {
                "The refresh token is not accepted any more: each one works once, and this one was used, has expired or was revoked"
            }
            (Self::Code { .. }, "invalid_grant") => {
                "The code that the browser brought is not accepted: it was used, has expired, or was made for another client"
            }
            (Self::ClientCredentials { .. }, "invalid_client" | "unauthorized_client") => {
                "The account does not let this API client sign in by itself: its ID or secret is wrong, or it is a public client; an administrator makes it confidential with PUT /oauth/clients/{id} and {\"client_type\":\"confidential\"}, and saving it in the dashboard makes it public again"
            }
            (_, "invalid_client") => "The account does not know this API client: its ID or its secret is wrong",
            (_, "unauthorized_client" | "unsupported_grant_type") => {
                "The account does not let this API client sign in this way"
            }
            (_, "invalid_scope") => "This API client may not have what was asked for",
            _ => "The account gives no access token",
        };
        Error::new(Kind::SignIn, sentence)
    }
}

impl Issued {
    /// Parses the response of the token endpoint. An error quotes nothing of the response, which may hold tokens.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        let answer: Value = serde_json::from_slice(body).map_err(|_| "it is not JSON".to_owned())?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err("its token is of another type than Bearer".to_owned());
        }
        Self::of(text("access_token"), text("refresh_token"), answer.get("expires_in"), text("scope"))
    }

    /// Parses the fragment that the browser brought back.
    pub fn of_fragment(fragment: &str) -> Result<Self, String> {
        let members: Vec<(String, String)> = url::form_urlencoded::parse(fragment.as_bytes()).into_owned().collect();
        let text = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let lifetime = text("expires_in").map(Value::from);
        Self::of(text("access_token"), None, lifetime.as_ref(), text("scope"))
    }

    fn of(
        access: Option<&str>,
        refresh: Option<&str>,
        lifetime: Option<&Value>,
        scope: Option<&str>,
    ) -> Result<Self, String> {
        let access = access.filter(|token| is_token(token)).ok_or("it holds no access token")?;
        if refresh.is_some_and(|token| !is_token(token)) {
            return Err("its refresh token holds characters that no token has".to_owned());
        }
        // Some services write the number as text.
        let seconds = lifetime.and_then(|seconds| seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()));
        // A lifetime of zero counts as not stated: some services write it for a token that does not expire.
        let seconds = seconds.filter(|seconds| *seconds > 0);
        Ok(Self {
            access: access.into(),
            refresh: refresh.map(SecretString::from),
            lifetime: seconds.map(Duration::from_secs),
            scope: scope.map(str::to_owned),
        })
    }
}

/// Whether a text can be sent as a token: visible ASCII characters, at least one.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A request for a user's consent to a client's access.
pub struct Consent<'a> {
    /// The client that wants access.
    pub client: &'a Registration,
    /// The form in which the result is brought back.
    pub response: Response,
    /// The redirect URI to which it is brought.
    pub redirect: &'a str,
    /// The requested scope.
    pub scope: &'a str,
    /// The random state by which the response to this request is recognized.
    pub state: &'a SecretString,
    /// The PKCE verifier with which a code is exchanged.
    pub verifier: &'a SecretString,
}

impl Consent<'_> {
    /// The URL of the account's consent page for this request; `base` is the account's base.
    pub fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path(CONSENT_PATH);
        let by_code = self.response == Response::Code;
        url.query_pairs_mut()
            .append_pair("response_type", if by_code { "code" } else { "token" })
            .append_pair("client_id", &self.client.id)
            .append_pair("redirect_uri", self.redirect)
            .append_pair("scope", self.scope)
            .append_pair("state", self.state.expose_secret());
        if by_code {
            // A server without PKCE ignores these two parameters.
            url.query_pairs_mut()
                .append_pair("code_challenge", &challenge(self.verifier))
                .append_pair("code_challenge_method", "S256");
        }
        url
    }
}

/// The PKCE challenge (S256) of a verifier.
fn challenge(verifier: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose_secret().as_bytes()))
}

/// A random text that nobody can guess.
pub fn unguessable() -> Result<SecretString, Error> {
    let mut bytes = [0; 32];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::new(Kind::Internal, "The system gives no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(secret: Option<&str>) -> Registration {
        Registration { id: "an id".to_owned(), secret: secret.map(SecretString::from) }
    }

    #[test]
    fn a_challenge_is_made_as_rfc_7636_shows() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into();
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn nobody_guesses_the_same_twice() {
        let (one, other) = (unguessable().unwrap(), unguessable().unwrap());
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert_eq!(one.expose_secret().len(), 43, "as long as RFC 7636 asks of a verifier");
    }

    #[test]
    fn people_are_asked_on_the_accounts_own_host() {
        let base = "https://acme.zendesk.com".parse().unwrap();
        let ask = |response| {
            let (client, state, verifier) = (client(None), "s&t".into(), "v".into());
            let redirect = "http://localhost:8080";
            let ask =
                Consent { client: &client, response, redirect, scope: "read", state: &state, verifier: &verifier };
            ask.url(&base).to_string()
        };
        let expected = "https://acme.zendesk.com/oauth2/chat/authorizations/new?response_type=token&client_id=an+id&redirect_uri=http%3A%2F%2Flocalhost%3A8080&scope=read&state=s%26t";
        assert_eq!(ask(Response::Token), expected);
        let code = ask(Response::Code);
        assert!(code.contains("response_type=code&"), "{code}");
        assert!(code.ends_with(&format!("&code_challenge={}&code_challenge_method=S256", challenge(&"v".into()))));
    }

    #[test]
    fn forms_hold_what_each_grant_needs() {
        let (code, verifier) = ("c+d".into(), "v".into());
        let grant = Grant::Code { code: &code, redirect: "http://localhost:8080", verifier: &verifier, scope: "read" };
        let expected = "grant_type=authorization_code&code=c%2Bd&redirect_uri=http%3A%2F%2Flocalhost%3A8080&code_verifier=v&scope=read&expires_in=172800&refresh_token_expires_in=7776000&client_id=an+id&client_secret=s";
        assert_eq!(grant.form(&client(Some("s"))), expected);
        let expected = "grant_type=refresh_token&refresh_token=c%2Bd&expires_in=172800&refresh_token_expires_in=7776000&client_id=an+id";
        assert_eq!(Grant::Refresh(&code).form(&client(None)), expected);
        let expected = "grant_type=client_credentials&scope=read&client_id=an+id&client_secret=s";
        assert_eq!(Grant::ClientCredentials { scope: "read" }.form(&client(Some("s"))), expected);
    }

    #[test]
    fn answers_are_read_in_all_their_forms() {
        let read = |body: &str| {
            let issued = Issued::parse(body.as_bytes()).ok()?;
            let refresh = issued.refresh.map(|token| token.expose_secret().to_owned());
            let seconds = issued.lifetime.map(|lifetime| lifetime.as_secs());
            Some((issued.access.expose_secret().to_owned(), refresh, seconds, issued.scope))
        };
        let text = |text: &str| Some(text.to_owned());
        let bare = r#"{"access_token":"a","token_type":"Bearer","scope":"read write"}"#;
        assert_eq!(read(bare), Some(("a".to_owned(), None, None, text("read write"))));
        let full = r#"{"access_token":"a","token_type":"bearer","refresh_token":"r","expires_in":7200,"more":[]}"#;
        assert_eq!(read(full), Some(("a".to_owned(), text("r"), Some(7200), None)));
        let odd = r#"{"access_token":"a","refresh_token":null,"expires_in":"60","scope":null}"#;
        assert_eq!(read(odd), Some(("a".to_owned(), None, Some(60), None)));
        assert_eq!(read(r#"{"access_token":"a","expires_in":0}"#), Some(("a".to_owned(), None, None, None)));
        for body in ["", "[]", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a b"}"#, r#"{"access_token":17}"#] {
            assert!(read(body).is_none(), "{body}");
        }
        assert!(read(r#"{"access_token":"a","token_type":"mac"}"#).is_none());
        assert!(read(r#"{"access_token":"a","refresh_token":"r\n"}"#).is_none());
    }

    #[test]
    fn a_fragment_is_read() {
        let issued =
            Issued::of_fragment("access_token=a%2Bb&token_type=Bearer&scope=read&expires_in=60&state=s").unwrap();
        assert_eq!((issued.access.expose_secret(), issued.lifetime), ("a+b", Some(Duration::from_mins(1))));
        assert!(Issued::of_fragment("error=access_denied").is_err());
    }

    #[test]
    fn every_refusal_says_what_it_means() {
        let token = "t".into();
        let (refresh, by_itself) = (Grant::Refresh(&token), Grant::ClientCredentials { scope: "read" });
        let rows = [
            (&refresh, "invalid_grant: it was used", "each one works once"),
            (&refresh, "invalid_client", "does not know this API client"),
            (&by_itself, "invalid_client: no", "an administrator makes it confidential"),
            (&by_itself, "invalid_scope", "may not have"),
            (&by_itself, "unsupported_grant_type", "in this way"),
            (&refresh, "", "gives no access token"),
        ];
        for (grant, said, expected) in rows {
            let error = grant.refused(said);
            assert!(error.to_string().contains(expected), "{said}: {error}");
            assert_eq!(error.kind(), Kind::SignIn);
            assert!(error.hint().contains("login"));
        }
    }
}
