//! What a client sees of each fault.

use std::io;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::client::{Reply, get, get_with, options, page};
use crate::sandbox::Sandbox;
use crate::sandbox::faults::{Fault, Rule};

const EXPORT: &str = "incremental/chats?limit=20&start_time=";

/// The moment from which the tests export: 2025-01-10T00:00:00Z.
const FROM: i64 = 1_736_467_200;

/// The answers to the first two requests for a path, of which the first meets a fault.
async fn meeting_at(path: &str, fault: Fault) -> (io::Result<Reply>, Reply) {
    let mut options = options();
    options.faults = vec![Rule::of_all(1..=1, fault)];
    let sandbox = Sandbox::start(options).await.unwrap();
    let authorization = "Authorization: Bearer sandbox-token\r\nAccept-Encoding: gzip";
    (get_with(&sandbox, path, authorization).await, get(&sandbox, path).await)
}

async fn meeting(fault: Fault) -> (io::Result<Reply>, Reply) {
    meeting_at(&format!("{EXPORT}{FROM}"), fault).await
}

/// The body of an export's page as a client reads it with a fault, and without.
async fn changed(fault: Fault) -> (Vec<u8>, String) {
    let (reply, right) = meeting(fault).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, right.status), (200, 200));
    (reply.body.clone(), right.text().to_owned())
}

#[tokio::test(start_paused = true)]
async fn another_answer_comes_in_place_of_the_right_one() {
    let (reply, right) = meeting(Fault::refusal(503, ("Retry-After", "7"), "busy")).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, reply.header("retry-after"), reply.text()), (503, Some("7"), "busy"));
    assert_eq!(right.status, 200);
    assert_eq!(meeting(Fault::status(410)).await.0.unwrap().status, 410);
    for code in [200, 404] {
        let reply = meeting(Fault::Html(code)).await.0.unwrap();
        assert_eq!((reply.status, reply.header("content-type")), (code, Some("text/html; charset=utf-8")));
    }
    let reply = meeting(Fault::EmptyBody).await.0.unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_looks_like_a_broken_connection() {
    for fault in [Fault::Reset, Fault::ResetInHead, Fault::ResetAfterHead, Fault::TruncatedBody] {
        let (reply, right) = meeting(fault.clone()).await;
        let kind = reply.err().map(|error| error.kind());
        let expected =
            if fault == Fault::TruncatedBody { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::ConnectionReset };
        assert_eq!(kind, Some(expected), "{fault:?}");
        assert_eq!(right.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stall_lasts_as_long_as_it_says_and_nothing_is_missing_after_it() {
    for fault in [Fault::Stall(Duration::from_secs(90)), Fault::StallInBody(Duration::from_secs(90))] {
        let before = Instant::now();
        let (body, right) = changed(fault).await;
        assert_eq!(String::from_utf8(body).unwrap(), right);
        assert!((90..91).contains(&before.elapsed().as_secs()));
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_body_comes_with_the_length_of_that_half() {
    let (body, right) = changed(Fault::HalfBody).await;
    assert_eq!(body, &right.as_bytes()[..right.len() / 2]);
}

#[tokio::test(start_paused = true)]
async fn compressed_bodies_are_damaged_or_larger_than_they_look() {
    let inflated = |reply: &Reply| {
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
        let mut text = String::new();
        io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&reply.body[..]), &mut text).map(|_| text)
    };
    assert!(inflated(&meeting(Fault::CorruptGzip).await.0.unwrap()).is_err());
    let bomb = meeting(Fault::GzipBomb(1_000_000)).await.0.unwrap();
    assert!(bomb.body.len() < 10_000);
    assert_eq!(inflated(&bomb).unwrap().trim_end(), "[");
    assert_eq!(inflated(&bomb).unwrap().len(), 1_000_001);
}

#[tokio::test(start_paused = true)]
async fn a_page_comes_ahead_of_its_turn_or_once_more() {
    let mut arranged = options();
    arranged.faults = vec![Rule::of_all(2..=2, Fault::Ahead), Rule::of_all(3..=3, Fault::Repeat)];
    let sandbox = Sandbox::start(arranged).await.unwrap();
    let first = page(&sandbox, "chats", &format!("limit=5&start_time={FROM}")).await;
    let ahead = page(&sandbox, "chats", &first.next).await;
    let again = page(&sandbox, "chats", &ahead.next).await;
    let second = page(&sandbox, "chats", &first.next).await;
    let third = page(&sandbox, "chats", &second.next).await;
    assert_eq!(second.records.len(), 5);
    assert_eq!(again.records, second.records);
    assert_eq!(ahead.records, third.records);
}

#[tokio::test(start_paused = true)]
async fn a_page_may_end_before_it_begins() {
    let (body, right) = changed(Fault::Backwards).await;
    let (backwards, right): (Value, Value) = (serde_json::from_slice(&body).unwrap(), right.parse().unwrap());
    assert_eq!(backwards["chats"], right["chats"]);
    assert_eq!(backwards["end_time"], FROM - 1);
    assert!(backwards["next_page"].as_str().unwrap().contains(&format!("start_time={}", FROM - 1)));
}

#[tokio::test(start_paused = true)]
async fn bodies_are_written_otherwise_and_say_the_same() {
    let (body, right) = changed(Fault::NextPageOn("https://elsewhere.example".to_owned())).await;
    assert!(String::from_utf8(body).unwrap().contains(r#""next_page":"https://elsewhere.example/api/v2/chat/"#));
    assert!(!right.contains("elsewhere"));
    let (body, right) = changed(Fault::Pretty).await;
    assert!(body.contains(&b'\n') && body != right.as_bytes());
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(value(&body), value(right.as_bytes()));
    let (body, right) = changed(Fault::Extra(b"\"x\":\"\xff\",".to_vec())).await;
    assert_eq!(String::from_utf8_lossy(&body).replacen("\"x\":\"\u{fffd}\",", "", 1), right);
}
