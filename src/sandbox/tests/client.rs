//! A deliberately simple client: it opens one connection per request and follows `next_page` unchecked.

use std::io;
use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::TcpStream;

use crate::clock::Clock;
use crate::sandbox::options::{DEFAULT_TOKEN, Holdings};
use crate::sandbox::{Options, Sandbox};

/// An answer as received.
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The fixed time of the tests: 2025-01-20T12:00:00Z.
pub fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 1, 20, 12, 0, 0).unwrap()
}

/// Options for about fifty chats, without a rate limit.
pub fn options() -> Options {
    let holdings = Holdings { chats: 1_000, ..Holdings::default() };
    let mut options = Options { clock: Clock::fixed(now()), holdings, ..Options::default() };
    options.behaviour.requests_per_minute = None;
    options
}

/// Requests a path below the Chat API's root, with the valid token.
pub async fn get(sandbox: &Sandbox, path: &str) -> Reply {
    get_with(sandbox, path, &format!("Authorization: Bearer {DEFAULT_TOKEN}")).await.unwrap()
}

/// Requests a path below the Chat API's root, with the given header lines.
pub async fn get_with(sandbox: &Sandbox, path: &str, headers: &str) -> io::Result<Reply> {
    send(sandbox, &format!("GET /api/v2/chat/{path}"), headers, "").await
}

/// Sends a request; an answer that is cut off is an error.
pub async fn send(sandbox: &Sandbox, line: &str, headers: &str, body: &str) -> io::Result<Reply> {
    let host = sandbox.url().replace("http://", "");
    let stream = TcpStream::connect(&host).await?;
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n\r\n{body}");
    let mut rest = request.as_bytes();
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    reply_of(&read_to_end(&stream).await?)
}

async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut piece) {
            Ok(0) => return Ok(all),
            Ok(read) => all.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn reply_of(bytes: &[u8]) -> io::Result<Reply> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head[9..12].parse().unwrap();
    let reply = Reply { status, head, body: bytes[end + 4..].to_vec() };
    let length = reply.header("content-length").map(|length| length.parse::<usize>().unwrap());
    if length.is_some_and(|length| length != reply.body.len()) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(reply)
}

/// One page of an export.
pub struct Page {
    pub records: Vec<String>,
    pub envelope: Value,
    pub next: String,
}

/// A page of an export; `query` is what follows the question mark.
pub async fn page(sandbox: &Sandbox, export: &str, query: &str) -> Page {
    let reply = get(sandbox, &format!("incremental/{export}?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    let envelope: Value = reply.json();
    let mut raw: std::collections::HashMap<String, Box<RawValue>> = serde_json::from_slice(&reply.body).unwrap();
    let records: Vec<Box<RawValue>> = serde_json::from_str(raw.remove(export).unwrap().get()).unwrap();
    let records: Vec<_> = records.iter().map(|record| record.get().to_owned()).collect();
    assert_eq!(envelope["count"].as_u64(), Some(records.len() as u64));
    let next = envelope["next_page"].as_str().unwrap();
    let next = next.split_once('?').unwrap().1.to_owned();
    Page { records, envelope, next }
}

/// Follows `next_page` from the beginning until a page has no new record; fails if the walk never ends.
pub async fn walk(sandbox: &Sandbox, export: &str, limit: usize) -> Vec<String> {
    let mut query = format!("fields={export}(*)&limit={limit}");
    let mut seen = std::collections::HashSet::new();
    let mut records = Vec::new();
    for _ in 0..3_000 {
        let page = page(sandbox, export, &query).await;
        let before = records.len();
        for record in page.records {
            if seen.insert(record.clone()) {
                records.push(record);
            }
        }
        if records.len() == before {
            return records;
        }
        query = page.next;
    }
    panic!("the walk of {export} does not end");
}

/// Advances tokio's paused time, which connections use, while the fixed clock of the tests stays.
pub async fn later(duration: Duration) {
    tokio::time::advance(duration).await;
}
