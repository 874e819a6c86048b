//! Tests of an access token's life, against a service that ends it as each test requires.

use super::*;
use crate::access::oauth::Registration;

/// A client that signs in with its own ID and secret.
fn by_itself(server: &Server) -> Client {
    let registration = Registration { id: "ours".to_owned(), secret: Some("s+cret".into()) };
    let access = Access { token: None, renewal: Some(Renewal::ClientCredentials(registration)) };
    Client::new(Api { access, ..api(&server.url) }, Clock::fixed(noon())).unwrap()
}

fn token(life: &str) -> Step {
    Step::Send(answer(200, "", format!(r#"{{"access_token":"t","token_type":"Bearer"{life}}}"#)))
}

fn page() -> Step {
    Step::Send(answer(200, "", "{}"))
}

fn refused() -> Step {
    Step::Send(answer(401, "", ""))
}

/// The requests so far, each as `token` or `page`.
fn asked(server: &Server) -> Vec<&'static str> {
    let kind = |line: &String| if line.starts_with("POST /oauth2/chat/token ") { "token" } else { "page" };
    server.asked().iter().map(kind).collect()
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_time_is_over_is_not_sent_any_more() {
    let server = Server::start(|n| if n % 3 == 0 { token(r#","expires_in":60"#) } else { page() }).await;
    let client = by_itself(&server);
    for wait in [0, 59, 1, 59] {
        sleep(Duration::from_secs(wait)).await;
        fetch(&client, None).await.0.unwrap();
    }
    assert_eq!(asked(&server), ["token", "page", "page", "token", "page", "page"]);
    let seen = server.seen();
    assert_eq!(seen[0].body, "grant_type=client_credentials&scope=read&client_id=ours&client_secret=s%2Bcret");
    assert!(seen[0].head.to_lowercase().contains("content-type: application/x-www-form-urlencoded"));
    assert!(!seen[0].head.to_lowercase().contains("authorization"));
    assert!(seen[1].head.to_lowercase().contains("authorization: bearer t\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_life_that_nobody_stated_ends_with_a_refusal() {
    let server = Server::start(|n| match n {
        0 | 3 => token(""),
        2 => refused(),
        _ => page(),
    })
    .await;
    let client = by_itself(&server);
    for _ in 0..2 {
        fetch(&client, None).await.0.unwrap();
    }
    assert_eq!(asked(&server), ["token", "page", "page", "token", "page"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_new_token_does_not_help_fails() {
    let server = Server::start(|n| if n % 2 == 0 { token("") } else { refused() }).await;
    let error = fetch(&by_itself(&server), None).await.0.unwrap_err();
    assert_eq!((error.kind(), asked(&server)), (Kind::Unauthorized, vec!["token", "page"]));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_for_less_than_a_request_waits_is_renewed_when_its_turn_comes() {
    let server = Server::start(|n| match n {
        0 | 3 => token(""),
        2 => refused(),
        _ => page(),
    })
    .await;
    let slow = Api { requests_per_minute: 1.0, ..api(&server.url) };
    let renewal = Renewal::ClientCredentials(Registration { id: "ours".to_owned(), secret: None });
    let client =
        Client::new(Api { access: Access { token: None, renewal: Some(renewal) }, ..slow }, Clock::fixed(noon()));
    let client = client.unwrap();
    for _ in 0..2 {
        fetch(&client, None).await.0.unwrap();
    }
    let seen = server.seen();
    assert_eq!(asked(&server), ["token", "page", "page", "token", "page"]);
    assert!(seen[3].at - seen[2].at >= Duration::from_secs(59), "it waits first, and then it is renewed");
    assert!(seen[4].at - seen[3].at < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn no_token_for_one_request_is_none_for_all() {
    for (status, kind, asked_for) in [(401, Kind::SignIn, 1), (400, Kind::SignIn, 1), (503, Kind::Unreachable, 7)] {
        let server = Server::start(move |_| Step::Send(answer(status, "", r#"{"error":"invalid_client"}"#))).await;
        let client = by_itself(&server);
        for _ in 0..2 {
            let error = fetch(&client, None).await.0.unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
        }
        assert_eq!(asked(&server), vec!["token"; asked_for]);
        assert_eq!(client.ended().await.unwrap().kind(), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_holds_no_token_is_asked_for_again() {
    let server = Server::start(|n| match n {
        0 => Step::Send(answer(200, "", "<html>")),
        1 => Step::Send(answer(200, "", r#"{"access_token":"a b"}"#)),
        2 => token(""),
        _ => page(),
    })
    .await;
    fetch(&by_itself(&server), None).await.0.unwrap();
    assert_eq!(asked(&server), ["token", "token", "token", "page"]);
}
