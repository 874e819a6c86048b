//! The address of an account's API: its subdomain, and the origin that every request goes to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::Url;

use crate::error::{Error, Kind};

/// One DNS label below `zendesk.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subdomain(String);

/// A URL without a path, such as `https://acme.zendesk.com`. It may use http only on this machine, where neither a
/// proxy nor the network sees what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Url);

impl fmt::Display for Subdomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Subdomain {
    /// Accepts `acme`, `acme.zendesk.com` and `https://acme.zendesk.com/`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix("https://").unwrap_or(&text);
        let text = text.strip_suffix('/').unwrap_or(text);
        let label = text.strip_suffix(".zendesk.com").unwrap_or(text);
        let allowed = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if label.is_empty() || label.len() > 63 || !allowed || label.starts_with('-') || label.ends_with('-') {
            return Err(wrong("`subdomain` is not the first part of an address like acme.zendesk.com: write `acme`"));
        }
        Ok(Self(label.to_owned()))
    }
}

impl FromStr for Origin {
    type Err = Error;

    /// Accepts only URLs to which a token can be sent safely.
    fn from_str(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|_| wrong("`base_url` is not an address"))?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        let origin = Self(url);
        let scheme = origin.0.scheme();
        let safe = scheme == "https" || (scheme == "http" && origin.is_loopback());
        if !bare || !safe || origin.0.host().is_none() {
            return Err(wrong(
                "`base_url` is not like https://host: it must use https, except to this machine itself, and end after the host",
            ));
        }
        Ok(origin)
    }
}

impl Origin {
    /// The origin that `text` gives, or else the account's own host.
    pub fn of(text: Option<&str>, subdomain: &Subdomain) -> Result<Self, Error> {
        text.map_or_else(|| format!("https://{subdomain}.zendesk.com"), str::to_owned).parse()
    }

    /// The origin as a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The host, as written in the URL.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.map_or(host == "localhost", |address| address.is_loopback())
    }
}

fn wrong(sentence: &str) -> Error {
    Error::new(Kind::Config, sentence)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_subdomain_is_one_label_however_it_is_written() {
        for text in ["acme", " ACME ", "acme.zendesk.com", "https://acme.zendesk.com", "https://acme.zendesk.com/"] {
            assert_eq!(Subdomain::parse(text).unwrap().to_string(), "acme", "{text}");
        }
    }

    #[test]
    fn no_subdomain_leads_to_another_host() {
        let attacks = [
            "",
            "a.b",
            "evil.com",
            "evil.com/",
            "evil.com/#",
            "evil.com#.zendesk.com",
            "evil.com/.zendesk.com",
            "evil.com?.zendesk.com",
            "user@host",
            "user:pass@acme.zendesk.com",
            "acme:8080",
            "http://acme.zendesk.com",
            "https://evil.com/acme.zendesk.com",
            "acme.zendesk.com.evil.com",
            "[::1]",
            "::1",
            "127.0.0.1",
            "acme\\evil",
            "acme%2eevil",
            "acme\u{2024}evil",
            "äcme",
            "\u{ff41}cme",
            "evil\u{3002}com",
            "evil\u{ff0e}com",
            "acme%2f",
            "acme%23",
            "acme\tevil",
            "acme\u{0}",
            "acme.",
            ".acme",
            "acme.zendesk.com.",
            "https://acme.zendesk.com@evil.com",
            "https://evil.com#acme.zendesk.com",
            "//evil.com",
            "javascript:alert(1)",
            "acme\nevil",
            "acme evil",
            "-acme",
            "acme-",
            "https://https://acme",
            "acme.zendesk.com//",
            "acme/../evil",
            "a".repeat(64).as_str(),
        ]
        .map(str::to_owned);
        for attack in attacks {
            assert!(Subdomain::parse(&attack).is_err(), "{attack}");
        }
    }

    #[test]
    fn a_base_that_would_give_the_token_away_is_refused() {
        let bases = [
            "http://acme.zendesk.com",
            "ftp://127.0.0.1",
            "mailto:a@acme.example",
            "https://user:secret@acme.zendesk.com",
        ];
        for base in bases {
            let error = base.parse::<Origin>().unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(!error.to_string().contains("secret"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_label_or_refused(text in "\\PC{0,70}") {
            if let Ok(Subdomain(label)) = Subdomain::parse(&text) {
                let url = Url::parse(&format!("https://{label}.zendesk.com")).unwrap();
                let host = format!("{label}.zendesk.com");
                prop_assert_eq!(url.host_str(), Some(host.as_str()));
            }
        }
    }

    fn is_loopback(base: &str) -> bool {
        Origin(base.parse().unwrap()).is_loopback()
    }

    #[test]
    fn this_machine_is_distinguished_from_others() {
        for base in ["http://127.0.0.1:80", "http://127.9.9.9", "http://[::1]:8080", "http://localhost"] {
            assert!(is_loopback(base), "{base}");
        }
        let elsewhere =
            ["http://10.0.0.1", "https://acme.zendesk.com", "http://127.0.0.1.example", "http://localhost.example"];
        for base in elsewhere {
            assert!(!is_loopback(base), "{base}");
        }
    }
}
