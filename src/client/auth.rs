//! What opens the account's API: today a bearer token that stands for the whole run.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Kind};
use crate::secrets::Secrets;

/// Opens every request, and keeps what it opens with out of everything that is said.
pub struct Credentials {
    secrets: Secrets,
    header: HeaderValue,
}

impl Credentials {
    /// Credentials of `token`, or a sentence that tells why it cannot be sent.
    pub fn new(token: &SecretString) -> Result<Self, Error> {
        if token.expose_secret().is_empty() {
            return Err(Error::new(Kind::Config, "The access token is empty"));
        }
        let Ok(mut header) = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())) else {
            return Err(Error::new(Kind::Config, "The access token holds a line break or another control character"));
        };
        header.set_sensitive(true);
        let secrets = Secrets::default();
        secrets.keep(token);
        Ok(Self { secrets, header })
    }

    /// The `Authorization` of the next request, asked for anew before each.
    pub fn authorization(&self) -> HeaderValue {
        self.header.clone()
    }

    /// What the service said, without the token should it have echoed it.
    pub fn redact(&self, said: &str) -> String {
        self.secrets.hide(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_sensitive() {
        let credentials = Credentials::new(&"abc".into()).unwrap();
        assert_eq!(credentials.authorization().to_str().unwrap(), "Bearer abc");
        assert_eq!(format!("{:?}", credentials.authorization()), "Sensitive");
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_refused_without_showing_it() {
        for token in ["", "abc\n", "a\r\nX-Injected: 1", "\u{7f}abc"] {
            let error = Credentials::new(&token.into()).err().unwrap();
            assert_eq!(error.kind(), Kind::Config);
            assert!(!error.to_string().contains("abc"), "{error}");
        }
    }

    #[test]
    fn an_echoed_token_is_removed() {
        let credentials = Credentials::new(&"abc".into()).unwrap();
        assert_eq!(credentials.redact("bad token abc, try another than abc"), "bad token ****, try another than ****");
    }
}
