//! The checks before a request is answered: tokens and the rate limit.

use std::io;
use std::time::Duration;

use super::client::{get, get_with, later, now, options, send};
use crate::sandbox::faults::{Fault, Rule};
use crate::sandbox::options::Refusal;
use crate::sandbox::{Logged, Options, Sandbox};

async fn sandbox_with(change: impl FnOnce(&mut Options)) -> Sandbox {
    let mut options = options();
    change(&mut options);
    Sandbox::start(options).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn only_the_token_opens() {
    let sandbox = sandbox_with(|options| options.token = "right".to_owned()).await;
    for headers in ["X: y", "Authorization: Bearer wrong", "Authorization: right", "Authorization: Basic right"] {
        let reply = get_with(&sandbox, "roles", headers).await.unwrap();
        assert_eq!(reply.status, 401);
        assert_eq!(reply.json()["error"], "Unauthorized");
    }
    assert_eq!(get_with(&sandbox, "roles", "Authorization: Bearer right").await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn refusals_differ_by_their_bodies() {
    let refused = async |refusal, path| get(&sandbox_with(|o| o.behaviour.refusal = Some(refusal)).await, path).await;
    let only = || vec!["account".to_owned()];
    assert_eq!(refused(Refusal::Forbidden(only()), "account").await.status, 403);
    assert_eq!(refused(Refusal::Forbidden(only()), "roles").await.status, 200);
    assert_eq!(refused(Refusal::Missing(only()), "account").await.status, 404);
    assert_eq!(refused(Refusal::Missing(only()), "roles").await.status, 200);
    assert_eq!(refused(Refusal::MissingRole, "roles").await.status, 403);
    let bodies = [
        (Refusal::NoChat, r#"{"error":"Not Found"}"#),
        (Refusal::NoChatObject, r#"{"error":{"message":"Not Found"}}"#),
        (Refusal::WrongSubdomain, r#"{"error":{"title":"No help desk at "#),
        (Refusal::UnknownHost, "<!DOCTYPE html>"),
    ];
    for (refusal, beginning) in bodies {
        let reply = refused(refusal, "roles").await;
        assert_eq!(reply.status, 404);
        assert!(reply.text().starts_with(beginning), "{}", reply.text());
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_the_limit_in_a_minute_is_refused_until_it_has_passed() {
    let sandbox = sandbox_with(|options| options.behaviour.requests_per_minute = Some(2)).await;
    assert_eq!(get(&sandbox, "roles").await.status, 200);
    later(Duration::from_millis(500)).await;
    assert_eq!(get(&sandbox, "roles").await.status, 200);
    let refused = get(&sandbox, "roles").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("60")));
    assert_eq!(refused.json()["error"], "APIRateLimitExceeded");
    later(Duration::from_secs(40)).await;
    let refused = get(&sandbox, "roles").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("20")));
    assert_eq!(refused.text(), "Number of allowed API requests per minute exceeded");
    later(Duration::from_secs(20)).await;
    assert_eq!(get(&sandbox, "roles").await.status, 200);
    assert_eq!(sandbox.peak_requests_per_minute(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_may_keep_silent_on_how_long_to_wait() {
    let silent = |options: &mut Options| {
        options.behaviour.requests_per_minute = Some(0);
        options.behaviour.retry_after = false;
    };
    let refused = get(&sandbox_with(silent).await, "roles").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
}

#[tokio::test(start_paused = true)]
async fn every_answer_carries_the_time_of_the_account() {
    let sandbox = sandbox_with(|_| ()).await;
    for path in ["roles", "nowhere"] {
        let reply = get(&sandbox, path).await;
        assert_eq!(reply.header("date"), Some("Mon, 20 Jan 2025 12:00:00 GMT"));
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    assert_eq!(now().to_rfc2822(), "Mon, 20 Jan 2025 12:00:00 +0000");
}

#[tokio::test(start_paused = true)]
async fn bodies_are_compressed_when_both_sides_want_it() {
    let compressed = async |gzip, headers: &str| {
        let sandbox = sandbox_with(|options| options.behaviour.gzip = gzip).await;
        let headers = format!("Authorization: Bearer sandbox-token\r\n{headers}");
        get_with(&sandbox, "triggers", &headers).await.unwrap()
    };
    assert_eq!(compressed(false, "Accept-Encoding: gzip").await.header("content-encoding"), None);
    assert_eq!(compressed(true, "Accept: */*").await.header("content-encoding"), None);
    let reply = compressed(true, "Accept-Encoding: br, gzip").await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&reply.body[..]), &mut text).unwrap();
    assert_eq!(text, compressed(false, "Accept: */*").await.text());
}

#[tokio::test(start_paused = true)]
async fn requests_are_logged_as_they_came() {
    let sandbox = sandbox_with(|options| options.faults = vec![Rule::of_all(2..=2, Fault::Reset)]).await;
    get(&sandbox, "agents?since_id=0&limit=500").await;
    assert!(get_with(&sandbox, "roles", "X: y").await.is_err());
    let posted = send(&sandbox, "POST /api/v2/chat/roles", "Authorization: Bearer sandbox-token", "").await.unwrap();
    assert_eq!(posted.status, 405);
    assert_eq!(send(&sandbox, "GET /other", "X: y", "").await.unwrap().status, 404);
    let logged = |path: &str, query: &str, status| Logged { path: path.into(), query: query.into(), status };
    let expected = [
        logged("/api/v2/chat/agents", "since_id=0&limit=500", Some(400)),
        logged("/api/v2/chat/roles", "", None),
        logged("/api/v2/chat/roles", "", Some(405)),
        logged("/other", "", Some(404)),
    ];
    assert_eq!(sandbox.requests(), expected);
}

#[tokio::test(start_paused = true)]
async fn answers_can_be_slow() {
    let sandbox = sandbox_with(|options| options.behaviour.latency = Duration::from_secs(3)).await;
    let before = tokio::time::Instant::now();
    get(&sandbox, "roles").await;
    assert!(before.elapsed() >= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_sandbox_answers_no_more() {
    let sandbox = sandbox_with(|_| ()).await;
    let url = sandbox.url();
    drop(sandbox);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(tokio::net::TcpStream::connect(url.replace("http://", "")).await.is_err());
}
