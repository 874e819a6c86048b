//! Rewrites correct bodies into odd or wrong ones. It works on text, so that the rest of a body stays the same byte for
//! byte.

use std::ops::Range;

use memchr::memmem;

/// Makes `next_page` begin with `base`.
pub fn next_page_on(body: &mut Vec<u8>, base: &str) {
    let Some(address) = string_after(body, br#""next_page":""#) else { return };
    let path = memmem::find(&body[address.clone()], b"/api/").unwrap_or(0);
    body.splice(address.start..address.start + path, base.bytes());
}

/// The query of `next_page`.
pub fn next_query(body: &[u8]) -> Option<String> {
    let address = string_after(body, br#""next_page":""#)?;
    let address = std::str::from_utf8(&body[address]).ok()?;
    address.split_once('?').map(|(_, query)| query.to_owned())
}

/// Sets the end of an export's page to `time`, in the unit of the export.
pub fn end_at(body: &mut Vec<u8>, time: i64) {
    for marker in [&br#""end_time":"#[..], b"start_time="] {
        let Some(found) = memmem::rfind(body, marker) else { continue };
        let begin = found + marker.len();
        let digits = body[begin..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        body.splice(begin..begin + digits, time.to_string().into_bytes());
    }
}

/// Inserts `members` at the beginning of the first record, if there is one.
pub fn extend_first_record(body: &mut Vec<u8>, members: &[u8]) {
    let Some(array) = memchr::memchr(b'[', body) else { return };
    // Only bodies of records are changed: their first array is either the whole body or its first member.
    let is_list = array == 0 || body[..array].ends_with(b"\":") && !body[1..array].contains(&b'{');
    if is_list && body.get(array + 1) == Some(&b'{') && body.get(array + 2) != Some(&b'}') {
        body.splice(array + 2..array + 2, members.iter().copied());
    }
}

/// The body with line breaks and indents between all tokens.
pub fn pretty(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in body {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            out.push(byte);
            continue;
        }
        in_string = byte == b'"';
        if matches!(byte, b'}' | b']') {
            depth = depth.saturating_sub(1);
            break_line(&mut out, depth);
        }
        out.push(byte);
        if byte == b':' {
            out.push(b' ');
        }
        if matches!(byte, b'{' | b'[' | b',') {
            depth += usize::from(byte != b',');
            break_line(&mut out, depth);
        }
    }
    out
}

/// Starts a new line, with a Windows line ending and `depth` tabs.
fn break_line(out: &mut Vec<u8>, depth: usize) {
    out.extend_from_slice(b"\r\n");
    out.resize(out.len() + depth, b'\t');
}

/// The range of the string that begins after the last `marker`, up to its closing quote.
fn string_after(body: &[u8], marker: &[u8]) -> Option<Range<usize>> {
    let begin = memmem::rfind(body, marker)? + marker.len();
    let length = memchr::memchr(b'"', &body[begin..])?;
    Some(begin..begin + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"chats":[{"id":"a"},{"id":"b"}],"count":2,"end_time":17,"end_id":"b","next_page":"http://one/api/v2/chat/incremental/chats?limit=2&start_time=17&start_id=b"}"#;

    fn rewritten(body: &str, rewrite: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = body.as_bytes().to_vec();
        rewrite(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn next_page_moves_to_another_host() {
        assert_eq!(rewritten(PAGE, |body| next_page_on(body, "https://x")), PAGE.replace("http://one", "https://x"));
        assert_eq!(rewritten("[]", |body| next_page_on(body, "https://x")), "[]");
        assert_eq!(next_query(PAGE.as_bytes()).unwrap(), "limit=2&start_time=17&start_id=b");
    }

    #[test]
    fn the_end_moves() {
        assert_eq!(rewritten(PAGE, |body| end_at(body, 5)), PAGE.replace("17", "5"));
        assert_eq!(rewritten(r#"{"end_time":1.50}"#, |body| end_at(body, -1)), r#"{"end_time":-1}"#);
    }

    #[test]
    fn the_first_record_grows_and_nothing_else() {
        let extended = |body| rewritten(body, |body| extend_first_record(body, b"\"x\":1,"));
        assert_eq!(extended(PAGE), PAGE.replace(r#"{"id":"a"}"#, r#"{"x":1,"id":"a"}"#));
        assert_eq!(extended(r#"[{"id":1},{"id":2}]"#), r#"[{"x":1,"id":1},{"id":2}]"#);
        for untouched in ["[]", r#"{"chats":[]}"#, r#"{"plan":{"tags":[{"a":1}]}}"#, "{}", ""] {
            assert_eq!(extended(untouched), untouched);
        }
    }

    #[test]
    fn pretty_bodies_say_the_same() {
        let odd = r#"{"a":"b{\"[,:\\","c":[1,{"d":null}],"e":{}}"#;
        let printed = String::from_utf8(pretty(odd.as_bytes())).unwrap();
        assert!(printed.starts_with("{\r\n\t\"a\": \"b{\\\"[,:\\\\\",\r\n\t\"c\": [\r\n\t\t1"), "{printed}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&printed), value(odd));
    }
}
