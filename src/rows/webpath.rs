//! `chat_webpath`: the pages that a visitor saw.

use crate::json;
use crate::position;
use crate::rows::chat::{Chat, List};
use crate::rows::column::{Column, Form, integer, same};
use crate::rows::row::{Row, RowTexts};
use crate::rows::text::{inner, read};

/// The columns for members of an entry.
pub const COLUMNS: &[Column] =
    &[same("timestamp", Form::Instant), same("to", Form::Text), same("from", Form::Text), same("title", Form::Text)];

/// From this size on, a number counts milliseconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// Appends a row for each page.
pub fn write(chat: &Chat<'_>, rows: &mut RowTexts) {
    for (seq, entry) in chat.list(List::Webpath).enumerate() {
        let mut row = chat.row(rows, "|", seq);
        row.plain("seq", Some(seq));
        if entry.text.starts_with('[') {
            row.inner("form", "array");
            write_array(entry.text, &mut row);
        } else {
            if entry.is_object() {
                row.inner("form", "object");
            }
            row.entry(entry, COLUMNS, &[]);
            write_place(entry.text("to"), &mut row);
        }
        row.end();
    }
}

/// Writes an entry of the form `[epoch seconds, to, from, title]`.
fn write_array(array: &str, row: &mut Row<'_>) {
    for (at, value) in json::elements(array).into_iter().enumerate() {
        let place = at.to_string();
        let seconds = integer(value).filter(|seconds| (0..MILLISECONDS).contains(seconds));
        match (at, COLUMNS.get(at), seconds.and_then(|_| position::epoch(value)).and_then(position::written)) {
            (0, _, Some(written)) => row.inner("timestamp", &written),
            (_, Some(column), _) => row.value(column.name, column.form, value, &[&place]),
            (_, None, _) => row.extra(&[&place], value),
        }
        if at == 1 {
            write_place(inner(value), row);
        }
    }
}

/// Writes the host and the path of a page.
fn write_place(to: Option<&str>, row: &mut Row<'_>) {
    let Some(to) = to.map(read) else { return };
    let (host, path) = place(&to);
    if let Some(host) = host {
        row.text("to_host", &host.to_lowercase());
    }
    if let Some(path) = path {
        row.text("to_path", path);
    }
}

/// The host and the path of a URL, without a port and without what was asked of the page.
fn place(url: &str) -> (Option<&str>, Option<&str>) {
    let rest = match url.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || is_scheme(scheme) => rest,
        _ => {
            let path = url.starts_with('/').then(|| before(url, &['?', '#']));
            return (None, path);
        }
    };
    let authority = before(rest, &['/', '?', '#', '\\']);
    let path = before(&rest[authority.len()..], &['?', '#']);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let path = if path.is_empty() { "/" } else { path };
    (Some(host).filter(|host| !host.is_empty()), Some(path))
}

/// Whether a text is what stands before the slashes of a URL.
fn is_scheme(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.strip_suffix(':').is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(is_part))
}

/// What stands before the first of some characters.
fn before<'text>(text: &'text str, ends: &[char]) -> &'text str {
    text.split(ends).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_path_are_those_of_the_url() {
        for (url, host, path) in [
            ("https://shop.example/help?order=5#top", Some("shop.example"), Some("/help")),
            ("https://shop.example", Some("shop.example"), Some("/")),
            ("http://ana:pw@shop.example:8080?x=/y", Some("shop.example"), Some("/")),
            ("https://[2001:db8::1]:80/a", Some("[2001:db8::1]"), Some("/a")),
            ("https://[2001:db8::1]/a", Some("[2001:db8::1]"), Some("/a")),
            ("//shop.example/a", Some("shop.example"), Some("/a")),
            ("/help?next=https://x.example/", None, Some("/help")),
            ("file:///etc/hosts", None, Some("/etc/hosts")),
            ("mailto:ana@example.org", None, None),
            ("see https://x.example", None, None),
            ("", None, None),
        ] {
            assert_eq!(place(url), (host, path), "{url}");
        }
    }
}
