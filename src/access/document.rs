//! A configuration as the user wrote it, in which new tokens are set.

use chrono::{DateTime, SecondsFormat, Utc};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::access::oauth::Issued;
use crate::error::{Error, Kind};

/// A configuration's JSON object, including the members that this program does not know.
#[derive(Clone, Default, PartialEq)]
pub struct Document(Map<String, Value>);

impl Document {
    /// Parses a configuration's text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // serde_json's own message would repeat parts of the text, which holds secrets.
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            Error::new(Kind::ConfigFile, format!("The configuration is not JSON, at {place}"))
        })?;
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(Error::new(Kind::ConfigFile, "The configuration is not a JSON object")),
        }
    }

    /// Its members.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A text in its `credentials`, such as the access token; none if it is blank.
    pub fn credential(&self, name: &str) -> Option<&str> {
        self.0.get("credentials")?.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Sets a member.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Sets the tokens that were issued at `now`. A refresh token that was not replaced stays.
    pub fn put(&mut self, issued: &Issued, now: DateTime<Utc>) {
        let credentials = self.0.entry("credentials").or_insert_with(|| Map::new().into());
        let Value::Object(credentials) = credentials else { return };
        let mut set = |name: &str, value: String| credentials.insert(name.to_owned(), value.into());
        set("access_token", issued.access.expose_secret().to_owned());
        if let Some(refresh) = &issued.refresh {
            set("refresh_token", refresh.expose_secret().to_owned());
        }
        if let Some(scope) = &issued.scope {
            set("scope", scope.clone());
        }
        match issued.lifetime.and_then(|lifetime| now.checked_add_signed(chrono::Duration::from_std(lifetime).ok()?)) {
            Some(end) => drop(set("token_expiry_date", end.to_rfc3339_opts(SecondsFormat::Secs, true))),
            // The expiry date of the old token does not apply to the new one.
            None => drop(credentials.remove("token_expiry_date")),
        }
    }

    /// The text of a file that holds the document.
    pub fn text(&self) -> String {
        format!("{:#}\n", Value::Object(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeZone;
    use serde_json::json;

    use super::*;

    fn issued(refresh: Option<&str>, seconds: Option<u64>) -> Issued {
        let lifetime = seconds.map(Duration::from_secs);
        Issued { access: "new".into(), refresh: refresh.map(Into::into), lifetime, scope: None }
    }

    fn noon() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()
    }

    #[test]
    fn new_tokens_take_the_place_of_the_old_and_all_else_stays() {
        let text = r#"{"zeta":[1,{"a":null}],"credentials":{"credentials":"oauth2.0","access_token":"old","refresh_token":"r","more":1.5},"alpha":"ä"}"#;
        let mut document = Document::parse(text).unwrap();
        document.put(&issued(Some("s"), Some(7200)), noon());
        let expected = r#"{"zeta":[1,{"a":null}],"credentials":{"credentials":"oauth2.0","access_token":"new","refresh_token":"s","more":1.5,"token_expiry_date":"2026-03-01T14:00:00Z"},"alpha":"ä"}"#;
        let compact: Value = serde_json::from_str(&document.text()).unwrap();
        assert_eq!(compact.to_string(), expected, "the order stays as well");
        document.put(&issued(None, None), noon());
        assert_eq!(document.credential("refresh_token"), Some("s"), "a refresh token that was not replaced stays");
        assert_eq!(document.credential("token_expiry_date"), None);
        assert!(Document::parse(&document.text()).unwrap() == document);
    }

    #[test]
    fn a_lifetime_beyond_all_calendars_is_none() {
        let mut document = Document::parse("{}").unwrap();
        document.put(&issued(None, Some(u64::MAX)), noon());
        assert_eq!(Value::Object(document.members().clone()), json!({ "credentials": { "access_token": "new" } }));
    }
}
