//! A refusal by the service, in the service's own words.

use std::error::Error as StdError;
use std::fmt;

use serde_json::Value;

/// The largest number of characters that are repeated from the service's text.
const MOST_SAID: usize = 200;

/// A refusal by the service, in the service's own words: the cause of the error that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Whether the body is a web page, so that the URL is probably not an API's.
    pub html: bool,
    /// The service's own text, short and printable.
    pub said: Option<String>,
}

impl Refusal {
    /// Reads a refusal from its status, its content type and the beginning of its body; `hide` masks the secrets.
    pub(super) fn read(status: u16, content_type: Option<&str>, body: &[u8], hide: impl Fn(&str) -> String) -> Self {
        let text = String::from_utf8_lossy(body);
        let html = content_type.is_some_and(|kind| kind.starts_with("text/html")) || text.trim_start().starts_with('<');
        let said = if html { None } else { words(&text) };
        Self { status, html, said: said.map(|said| printable(&said, hide)).filter(|said| !said.is_empty()) }
    }
}

impl fmt::Display for Refusal {
    /// The service's text; the status is part of the error itself.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said {
            Some(said) => formatter.write_str(said),
            None if self.html => formatter.write_str("it sent a web page instead of data"),
            None => formatter.write_str("it gave no reason"),
        }
    }
}

impl StdError for Refusal {}

/// The text about an error in a body, in any of the forms that the service uses.
fn words(text: &str) -> Option<String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(body)) => {
            let mut said: Vec<&str> = Vec::new();
            match body.get("error") {
                Some(Value::String(error)) => said.push(error),
                Some(Value::Object(error)) => said.extend(members(error)),
                _ => {}
            }
            said.extend(members(&body));
            (!said.is_empty()).then(|| said.join(": "))
        }
        Ok(Value::String(said)) => Some(said),
        Ok(_) => None,
        // A body that begins like JSON but cannot be parsed may be data, which is not repeated.
        Err(_) if text.trim_start().starts_with(['{', '[', '"']) => None,
        Err(_) => Some(text.to_owned()),
    }
}

/// The members of an object that hold text for people.
fn members(object: &serde_json::Map<String, Value>) -> impl Iterator<Item = &str> {
    ["title", "description", "message", "error_description"].into_iter().filter_map(|name| object.get(name)?.as_str())
}

/// One line of at most `MOST_SAID` characters, without control characters and without secrets.
fn printable(said: &str, hide: impl Fn(&str) -> String) -> String {
    let words: Vec<&str> =
        said.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    // Secrets are masked before the text is shortened: half a secret could not be recognized.
    hide(&words.join(" ")).chars().take(MOST_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> Option<String> {
        Refusal::read(400, None, body.as_bytes(), str::to_owned).said
    }

    #[test]
    fn every_form_of_an_error_is_understood() {
        let forms = [
            (r#"{"error":"Unauthorized","description":"not authorized"}"#, "Unauthorized: not authorized"),
            (r#"{"error":"Not Found"}"#, "Not Found"),
            (r#"{"error":"invalid_grant","error_description":"It was used"}"#, "invalid_grant: It was used"),
            (r#"{"error":{"message":"Not Found"}}"#, "Not Found"),
            (r#"{"error":{"title":"No help desk","message":"It is not here"}}"#, "No help desk: It is not here"),
            (r#"{"message":"start_time is in the future"}"#, "start_time is in the future"),
            (r#""too many""#, "too many"),
            (
                "Number of allowed API requests\r\nper minute exceeded\n",
                "Number of allowed API requests per minute exceeded",
            ),
            ("a \u{1b}[31mred\u{7} word", "a [31mred word"),
        ];
        for (body, expected) in forms {
            assert_eq!(said(body).as_deref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn data_is_not_repeated() {
        for body in
            ["", " ", "[1]", "17", "{}", r#"{"error":17}"#, r#"{"chats":[{"visitor":"#, r#"["a","#, r#"{"chats":[]}"#]
        {
            assert_eq!(said(body), None, "{body}");
        }
    }

    #[test]
    fn a_web_page_is_distinguished_from_an_answer() {
        let by_type = Refusal::read(404, Some("text/html; charset=utf-8"), b"Page not found", str::to_owned);
        let by_look = Refusal::read(404, None, b"\n<!DOCTYPE html><html>", str::to_owned);
        for refusal in [by_type, by_look] {
            assert!(refusal.html && refusal.said.is_none());
            assert_eq!(refusal.to_string(), "it sent a web page instead of data");
        }
    }

    #[test]
    fn a_secret_at_the_end_of_what_is_repeated_leaves_no_beginning() {
        let body = format!("{} s3cret-token", "x".repeat(190));
        let hide = |said: &str| said.replace("s3cret-token", "****");
        let said = Refusal::read(400, None, body.as_bytes(), hide).said.unwrap();
        assert!(said.ends_with(" ****"), "{said}");
    }

    #[test]
    fn what_is_said_stays_short() {
        assert_eq!(said(&"é".repeat(10_000)).unwrap().chars().count(), 200);
    }
}
