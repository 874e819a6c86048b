//! Keeps secrets out of everything that is written for people.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

/// What replaces a secret.
const MASK: &str = "****";

/// The secrets of this run, in every form in which they could be quoted; clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<Vec<String>>>);

impl Secrets {
    /// Hides a secret from now on: as it is, escaped for JSON, and encoded for a URL.
    pub fn keep(&self, secret: &SecretString) {
        let plain = secret.expose_secret().to_owned();
        let escaped = serde_json::Value::from(plain.as_str()).to_string();
        let encoded: String = url::form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        let mut forms = self.0.write().unwrap_or_else(PoisonError::into_inner);
        forms.extend([plain, escaped.trim_matches('"').to_owned(), encoded]);
        forms.retain(|form| !form.is_empty());
        // The longest first, so that no form leaves the tail of a longer one behind.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
    }

    /// The text with every secret masked.
    pub fn hide(&self, text: &str) -> String {
        let forms = self.0.read().unwrap_or_else(PoisonError::into_inner);
        forms.iter().fold(text.to_owned(), |text, form| text.replace(form, MASK))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secrets(****)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_form() {
        let secrets = Secrets::default();
        secrets.keep(&SecretString::from("se\"cr/et+1"));
        for form in ["se\"cr/et+1", "se\\\"cr/et+1", "se%22cr%2Fet%2B1"] {
            assert_eq!(secrets.hide(&format!("<{form}> and <{form}>")), "<****> and <****>");
        }
    }

    #[test]
    fn a_secret_within_another_leaves_nothing_behind() {
        let secrets = Secrets::default();
        secrets.keep(&SecretString::from("abcd"));
        secrets.keep(&SecretString::from("abcdefgh"));
        assert_eq!(secrets.hide("abcdefgh abcd"), "**** ****");
    }
}
