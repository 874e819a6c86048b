//! Tests of the client against services that misbehave in every way of the retry table, on a paused clock.

mod server;
mod tokens;

use std::sync::Mutex;

use chrono::TimeZone;
use secrecy::SecretString;
use server::{Server, Step, answer};

use super::*;

/// The time of day in these tests.
fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()
}

fn api(origin: &str) -> Api {
    let access = Access::from(SecretString::from("the-token"));
    let origin = origin.parse().unwrap();
    Api { origin, access, secrets: Secrets::default(), requests_per_minute: 60_000.0, concurrency: 4, attended: false }
}

fn client(server: &Server) -> Client {
    Client::new(api(&server.url), Clock::fixed(noon())).unwrap()
}

fn request(limit: Option<u32>) -> Request {
    Request { path: "incremental/chats".to_owned(), query: vec![("start_time", "17".to_owned())], limit }
}

/// Parses any body that begins with `{` as text.
fn text(body: Body) -> Result<String, Malformed> {
    match String::from_utf8(body.into_parts().0) {
        Ok(text) if text.starts_with('{') => Ok(text),
        _ => Err(Malformed("not JSON".to_owned())),
    }
}

/// Sends a request. Returns its result and all its waits, except those for the quota.
async fn fetch(client: &Client, limit: Option<u32>) -> (Result<Answer<String>, Error>, Vec<Wait>) {
    let waits = Mutex::new(Vec::new());
    let watch = |wait: &Wait| {
        if wait.reason != WaitReason::Quota {
            waits.lock().unwrap().push(wait.clone());
        }
    };
    let answer = client.fetch(&request(limit), None, &watch, text).await;
    (answer, waits.into_inner().unwrap())
}

const MINUTE: Duration = Duration::from_mins(1);

/// Sends a request to a service that misbehaves in its first two responses and then returns a page.
async fn asked_thrice(misbehave: impl Fn() -> Step + Send + Sync + 'static) -> (Answer<String>, Vec<Wait>, Server) {
    let server = Server::start(move |n| if n < 2 { misbehave() } else { Step::Send(answer(200, "", "{}")) }).await;
    let (answer, waits) = fetch(&client(&server), Some(1000)).await;
    assert_eq!(server.seen().len(), 3);
    (answer.unwrap(), waits, server)
}

/// Sends a request to a service that always misbehaves. Returns the error and the number of requests.
async fn asked_in_vain(misbehave: impl Fn() -> Step + Send + Sync + 'static) -> (Error, usize) {
    let server = Server::start(move |_| misbehave()).await;
    let (answer, _) = fetch(&client(&server), Some(1000)).await;
    (answer.unwrap_err(), server.seen().len())
}

fn backed_off(waits: &[Wait]) -> bool {
    waits.len() == 2 && waits.iter().all(|wait| matches!(wait.reason, WaitReason::Backoff { .. }))
}

fn gzipped(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_page_takes_one_request_and_no_time() {
    let server = Server::start(|_| Step::Send(answer(200, "", "{}"))).await;
    let client = client(&server);
    let began = Instant::now();
    for _ in 0..20 {
        let (answer, waits) = fetch(&client, Some(1000)).await;
        let answer = answer.unwrap();
        assert_eq!((answer.value.as_str(), answer.limit, waits), ("{}", Some(1000), vec![]));
    }
    assert_eq!((client.requests(), server.seen().len()), (20, 20));
    assert_eq!(began.elapsed(), Duration::ZERO, "no time-out may fire while the network works");
}

#[tokio::test(start_paused = true)]
async fn a_request_says_what_it_wants_and_who_asks() {
    let server = Server::start(|_| Step::Send(answer(200, "", "{}"))).await;
    let mut wanted = request(None);
    wanted.query.push(("fields", "chats(*)".to_owned()));
    let api = api(&server.url);
    Client::new(api, Clock::fixed(noon())).unwrap().fetch(&wanted, None, &|_| (), text).await.unwrap();
    let head = server.seen()[0].head.to_lowercase();
    assert!(head.starts_with("get /incremental/chats?start_time=17&fields=chats%28*%29 http/1.1\r\n"), "{head}");
    let version = env!("CARGO_PKG_VERSION");
    for header in ["authorization: bearer the-token", "accept-encoding: gzip", "accept: application/json"] {
        assert!(head.contains(header), "{head}");
    }
    assert!(head.contains(&format!("user-agent: source-zendesk-chat/{version}\r\n")), "{head}");
}

#[tokio::test(start_paused = true)]
async fn a_path_cannot_leave_the_origin() {
    let server = Server::start(|_| Step::Send(answer(200, "", "{}"))).await;
    let client = client(&server);
    for path in ["//evil.example/x", "/../x", "https://evil.example/x", "x?limit=1#y", "@evil.example"] {
        let request = Request { path: path.to_owned(), query: vec![], limit: None };
        client.fetch(&request, None, &|_| (), text).await.unwrap();
    }
    let asked = server.asked();
    let expected = ["/evil.example/x", "/x", "/https:/evil.example/x", "/x%3Flimit=1%23y", "/@evil.example"];
    assert_eq!(asked, expected.map(|path| format!("GET {path} HTTP/1.1")));
}

#[tokio::test(start_paused = true)]
async fn passing_statuses_are_asked_again() {
    for status in [408, 410, 500, 502, 503, 504] {
        let (_, waits, _) = asked_thrice(move || Step::Send(answer(status, "", "later"))).await;
        assert!(backed_off(&waits), "{status}: {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_stays_is_reported_with_what_the_service_said() {
    let (error, requests) = asked_in_vain(|| Step::Send(answer(503, "", r#"{"error":"Down for repair"}"#))).await;
    assert_eq!((error.kind(), requests), (Kind::Unreachable, 7));
    let expected = "incremental/chats: the service answered 503 (Service Unavailable) seven times: Down for repair";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.cause::<Refusal>().unwrap().status, 503);
}

#[tokio::test(start_paused = true)]
async fn a_final_status_is_reported_at_once() {
    let rows = [
        (301, Kind::Refused { status: 301 }),
        (400, Kind::Refused { status: 400 }),
        (401, Kind::Unauthorized),
        (403, Kind::Forbidden),
        (404, Kind::NotFound),
        (422, Kind::Refused { status: 422 }),
    ];
    for (status, kind) in rows {
        let (error, requests) = asked_in_vain(move || Step::Send(answer(status, "", "so it is"))).await;
        assert_eq!((error.kind(), requests), (kind, 1));
        assert_eq!(error.cause::<Refusal>().unwrap().said.as_deref(), Some("so it is"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_breaks_off_is_still_a_refusal() {
    let (error, requests) =
        asked_in_vain(|| Step::SendAndReset(b"HTTP/1.1 403 No\r\ncontent-length: 9\r\n\r\nno".to_vec())).await;
    assert_eq!((error.kind(), requests), (Kind::Forbidden, 1));
}

#[tokio::test(start_paused = true)]
async fn the_token_does_not_follow_a_redirect() {
    let other = Server::start(|_| Step::Send(answer(200, "", "{}"))).await;
    let location = format!("location: {}/elsewhere\r\n", other.url);
    let (error, requests) = asked_in_vain(move || Step::Send(answer(301, &location, ""))).await;
    assert_eq!((error.kind(), requests), (Kind::Refused { status: 301 }, 1));
    assert_eq!(error.to_string(), "incremental/chats: the service answered 301 (Moved Permanently): it gave no reason");
    assert!(other.seen().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_the_service_echoes_is_not_repeated() {
    let (error, _) = asked_in_vain(|| Step::Send(answer(401, "", "unknown token the-token"))).await;
    assert_eq!(error.to_string(), "incremental/chats: the service answered 401 (Unauthorized): unknown token ****");
    assert!(!format!("{error:?}").contains("the-token"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let steps: [fn() -> Step; 8] = [
        || Step::SendAndReset(Vec::new()),
        || Step::SendAndClose(Vec::new()),
        || Step::SendAndReset(b"HTTP/1.1 200 OK\r\nconte".to_vec()),
        || Step::SendAndReset(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()),
        || Step::SendAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()),
        || Step::SendAndClose(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\n{".to_vec()),
        || Step::SendAndClose(b"I am not HTTP at all\r\n\r\n".to_vec()),
        || Step::SendAndClose(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<half a pa".to_vec()),
    ];
    for (row, step) in steps.into_iter().enumerate() {
        let (_, waits, _) = asked_thrice(step).await;
        assert!(backed_off(&waits), "{row}: {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_asked_for_again() {
    let steps: [fn() -> Step; 5] = [
        || Step::Send(answer(200, "", "")),
        || Step::Send(answer(204, "", "")),
        || Step::Send(answer(200, "content-type: text/html\r\n", "<html>")),
        || Step::Send(answer(200, "content-encoding: gzip\r\n", "not gzip at all")),
        || Step::Send(answer(200, "content-encoding: gzip\r\n", &gzipped("{\"a\":1}")[..20])),
    ];
    for (row, step) in steps.into_iter().enumerate() {
        let (_, waits, _) = asked_thrice(step).await;
        assert!(backed_off(&waits), "{row}: {waits:?}");
    }
    let (error, requests) = asked_in_vain(|| Step::Send(answer(200, "", "<html>"))).await;
    assert_eq!((error.kind(), requests), (Kind::Unreachable, 7));
    let expected = "incremental/chats: the service gave an answer that cannot be read seven times: not JSON";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_compressed_answer_is_unpacked() {
    let server = Server::start(|_| Step::Send(answer(200, "content-encoding: gzip\r\n", gzipped("{\"a\":1}")))).await;
    assert_eq!(fetch(&client(&server), None).await.0.unwrap().value, "{\"a\":1}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_is_given_up_after_a_minute_and_asked_again() {
    let began = Instant::now();
    let (_, waits, _) = asked_thrice(|| Step::SendAndStall(Vec::new())).await;
    assert!(backed_off(&waits), "{waits:?}");
    let waited: Duration = waits.iter().map(|wait| wait.duration).sum();
    assert!(began.elapsed() >= 2 * MINUTE + waited && began.elapsed() < 2 * MINUTE + waited + Duration::from_secs(1));

    let half = || Step::SendAndStall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec());
    let (_, waits, _) = asked_thrice(half).await;
    let what = "the service fell silent for 60 s".to_owned();
    assert_eq!(waits[0].reason, WaitReason::Backoff { what });
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_steady_answer_is_waited_for() {
    let server = Server::start(|_| Step::SendLate(Duration::from_secs(59), answer(200, "", "{}"))).await;
    let (answer, waits) = fetch(&client(&server), None).await;
    assert!(answer.is_ok() && waits.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_made_names_the_host() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(api(&url), Clock::fixed(noon())).unwrap();
    let (answer, _) = fetch(&client, None).await;
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), client.requests()), (Kind::Unreachable, 7));
    let told = error.to_string();
    assert!(told.starts_with("incremental/chats: no connection to 127.0.0.1 could be made seven times: "), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_speak_tls_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let client = Client::new(api(&url), Clock::fixed(noon())).unwrap();
    let told = fetch(&client, None).await.0.unwrap_err().to_string();
    let expected = "incremental/chats: no secure connection to 127.0.0.1 could be made seven times: ";
    assert!(told.starts_with(expected), "{told}");
    // An attended client gives up at once, without retries.
    let attended = Client::new(Api { attended: true, ..api(&url) }, Clock::fixed(noon())).unwrap();
    let error = fetch(&attended, None).await.0.unwrap_err();
    assert_eq!((error.kind(), attended.requests()), (Kind::Unconnected, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_is_asked_for_in_halves() {
    let limits = Limits { body_bytes: 1000, ..Limits::USUAL };
    // The first body states its length, the second does not, and the third is small only while it is compressed.
    let server = Server::start(|n| {
        Step::Send(match n {
            0 => answer(200, "", "{".repeat(1001)),
            1 => {
                format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{}\r\n0\r\n\r\n", "{".repeat(1001))
                    .into()
            }
            2 => answer(200, "content-encoding: gzip\r\n", gzipped(&"{".repeat(1001))),
            _ => answer(200, "", "{".repeat(1000)),
        })
    })
    .await;
    let client = Client::within(limits, api(&server.url), Clock::fixed(noon())).unwrap();
    let (answer, waits) = fetch(&client, Some(1000)).await;
    assert_eq!((answer.unwrap().limit, waits), (Some(125), vec![]));
    let limits = server.asked().iter().map(|line| line[line.find("limit=").unwrap()..].to_owned()).collect::<Vec<_>>();
    assert_eq!(limits, ["limit=1000 HTTP/1.1", "limit=500 HTTP/1.1", "limit=250 HTTP/1.1", "limit=125 HTTP/1.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_that_cannot_be_halved_is_a_failure() {
    let limits = Limits { body_bytes: 1000, ..Limits::USUAL };
    for (limit, requests) in [(None, 7), (Some(4), 9)] {
        let server = Server::start(|_| Step::Send(answer(200, "", "{".repeat(2000)))).await;
        let client = Client::within(limits, api(&server.url), Clock::fixed(noon())).unwrap();
        let error = fetch(&client, limit).await.0.unwrap_err();
        assert_eq!((error.kind(), client.requests()), (Kind::Unreachable, requests));
        assert_eq!(error.to_string(), "incremental/chats: the service's answer was larger than 1000 bytes seven times");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_asked_for_in_halves() {
    let server = Server::start(|n| match n {
        0 | 1 => Step::SendAndTrickle(b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n{".to_vec()),
        _ => Step::Send(answer(200, "", "{}")),
    })
    .await;
    let began = Instant::now();
    let (answer, waits) = fetch(&client(&server), Some(1000)).await;
    assert_eq!((answer.unwrap().limit, waits), (Some(250), vec![]));
    let took = began.elapsed();
    assert!(took >= 10 * MINUTE && took < 10 * MINUTE + Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_obeyed_exactly() {
    let rows = [
        ("retry-after: 0\r\n", 0),
        ("retry-after: 1\r\n", 1),
        ("retry-after: 900\r\n", 900),
        ("retry-after: Sun, 01 Mar 2026 12:00:30 GMT\r\n", 30),
        ("date: Sun, 01 Mar 2026 13:00:00 GMT\r\nretry-after: Sun, 01 Mar 2026 13:00:07 GMT\r\n", 7),
        ("retry-after: Sun, 01 Mar 2026 11:00:00 GMT\r\n", 0),
    ];
    for status in [429, 503] {
        for (headers, seconds) in rows {
            let (_, waits, server) = asked_thrice(move || Step::Send(answer(status, headers, ""))).await;
            let duration = Duration::from_secs(seconds);
            assert_eq!(waits, vec![Wait { duration, reason: WaitReason::RateLimited }; 2], "{headers}");
            let seen = server.seen();
            let apart = seen[1].at - seen[0].at;
            assert!(apart >= duration && apart < duration + Duration::from_millis(10), "{headers}: {apart:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_without_retry_after_is_a_back_off() {
    for headers in ["", "retry-after: soon\r\n", "retry-after: -5\r\n"] {
        let (_, waits, _) = asked_thrice(move || Step::Send(answer(429, headers, ""))).await;
        let [first, second] = &waits[..] else { panic!("{waits:?}") };
        assert_eq!([&first.reason, &second.reason], [&WaitReason::RateLimited; 2]);
        let back_off = |wait: &Wait, least: u64| (least..=2 * least).contains(&wait.duration.as_secs());
        assert!(back_off(first, 1) && back_off(second, 2), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_longer_than_a_run_waits_is_reported_at_once() {
    for headers in ["retry-after: 960\r\n", "retry-after: Sun, 01 Mar 2026 12:16:00 GMT\r\n"] {
        let (error, requests) = asked_in_vain(move || Step::Send(answer(429, headers, "Too many"))).await;
        assert_eq!((error.kind(), requests), (Kind::RateLimited, 1));
        let expected = "incremental/chats: the service answered 429 (Too Many Requests) and asked for a pause of 960 s, \
                        longer than a run waits: Too many";
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_stays_is_reported_as_such() {
    let (error, requests) = asked_in_vain(|| Step::Send(answer(429, "retry-after: 2\r\n", "Too many"))).await;
    assert_eq!((error.kind(), requests), (Kind::RateLimited, 7));
    let expected = "incremental/chats: the service answered 429 (Too Many Requests) seven times: Too many";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_every_request_of_the_account() {
    let server = Server::start(|n| match n {
        0 => Step::Send(answer(429, "retry-after: 60\r\n", "")),
        _ => Step::Send(answer(200, "", "{}")),
    })
    .await;
    let client = client(&server);
    let late = async {
        // By now the first request has received its 429.
        sleep(Duration::from_secs(20)).await;
        fetch(&client, None).await
    };
    let ((first, _), (second, waits)) = tokio::join!(fetch(&client, None), late);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(waits, [Wait { duration: Duration::from_secs(40), reason: WaitReason::RateLimited }]);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen[1..].iter().all(|later| later.at - seen[0].at >= MINUTE));
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_than_agreed_are_under_way() {
    let second = Duration::from_secs(1);
    let server = Server::start(move |_| Step::SendLate(second, answer(200, "", "{}"))).await;
    let client = client(&server);
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let client = client.clone();
        tasks.spawn(async move { fetch(&client, None).await.0.unwrap().value });
    }
    assert_eq!(tasks.join_all().await, vec!["{}"; 12]);
    assert!(began.elapsed() >= 3 * second && began.elapsed() < 4 * second, "four at once: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_large_body_arrives_whole() {
    let body = format!("{{{}", "x".repeat(8 << 20));
    let page = body.clone();
    let server = Server::start(move |_| Step::Send(answer(200, "", &page))).await;
    let (answer, waits) = fetch(&client(&server), None).await;
    assert!(answer.unwrap().value == body && waits.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_server_gives_the_time_with_its_first_answer_whatever_it_is() {
    let server = Server::start(|n| match n {
        0 => Step::Send(answer(500, "date: Sun, 01 Mar 2026 11:59:00 GMT\r\n", "")),
        _ => Step::Send(answer(200, "date: Sun, 01 Mar 2026 18:00:00 GMT\r\n", "{}")),
    })
    .await;
    let client = client(&server);
    assert_eq!(client.server_clock(), None);
    fetch(&client, None).await.0.unwrap();
    assert_eq!(client.server_clock(), Some(noon() - MINUTE));
}

#[tokio::test(start_paused = true)]
async fn a_first_answer_without_a_clock_settles_that_there_is_none() {
    let server = Server::start(|n| match n {
        0 => Step::Send(answer(500, "date: some day\r\n", "")),
        _ => Step::Send(answer(200, "date: Sun, 01 Mar 2026 18:00:00 GMT\r\n", "{}")),
    })
    .await;
    let client = client(&server);
    fetch(&client, None).await.0.unwrap();
    assert_eq!(client.server_clock(), None);
}
