//! Signing in, as seen by a client.

use std::time::Duration;

use serde_json::Value;

use super::client::{Reply, get_with, options, send};
use crate::sandbox::Sandbox;
use crate::sandbox::options::{AnnounceLife, CONFIDENTIAL_CLIENT, PUBLIC_CLIENT, RefreshTokens, SignIn};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn sandbox(arrange: impl FnOnce(&mut SignIn)) -> Sandbox {
    let mut options = options();
    arrange(&mut options.sign_in);
    Sandbox::start(options).await.unwrap()
}

/// Posts a form.
async fn post(sandbox: &Sandbox, path: &str, form: &str) -> Reply {
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}", form.len());
    send(sandbox, &format!("POST {path}"), &headers, form).await.unwrap()
}

async fn token(sandbox: &Sandbox, form: &str) -> (u16, Value) {
    let reply = post(sandbox, "/oauth2/chat/token", form).await;
    (reply.status, reply.json())
}

/// The parameters of a request for consent, and these additional ones.
fn asked(more: &str) -> String {
    format!("client_id={PUBLIC_CLIENT}&redirect_uri=http%3A%2F%2Flocalhost%3A8080&scope=read&state=s%26t{more}")
}

/// Presses a button of the consent page and returns where the browser is redirected.
async fn press(sandbox: &Sandbox, asked: &str, decision: &str) -> String {
    let asked: String = url::form_urlencoded::byte_serialize(asked.as_bytes()).collect();
    let reply = post(sandbox, "/oauth2/chat/authorizations", &format!("asked={asked}&decision={decision}")).await;
    assert_eq!(reply.status, 302);
    reply.header("location").unwrap().to_owned()
}

/// A code issued after a user's consent.
async fn code(sandbox: &Sandbox) -> String {
    let asked = asked(&format!("&response_type=code&code_challenge={CHALLENGE}&code_challenge_method=S256"));
    let back = press(sandbox, &asked, "allow").await;
    let (code, rest) = back.strip_prefix("http://localhost:8080/?code=").unwrap().split_once('&').unwrap();
    assert_eq!(rest, "state=s%26t");
    code.to_owned()
}

fn redeem(code: &str, more: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id={PUBLIC_CLIENT}&code={code}&redirect_uri=http%3A%2F%2Flocalhost%3A8080{more}"
    )
}

async fn opens(sandbox: &Sandbox, access: &Value) -> u16 {
    let header = format!("Authorization: Bearer {}", access.as_str().unwrap());
    get_with(sandbox, "roles", &header).await.unwrap().status
}

#[tokio::test]
async fn a_code_works_once() {
    let sandbox = sandbox(|_| {}).await;
    let code = code(&sandbox).await;
    let form = redeem(&code, &format!("&code_verifier={VERIFIER}"));
    let (status, answer) = token(&sandbox, &form).await;
    assert_eq!((status, &answer["token_type"], &answer["scope"]), (200, &"Bearer".into(), &"read".into()));
    assert_eq!((answer["refresh_token"].is_string(), answer.get("expires_in")), (true, None));
    assert_eq!(opens(&sandbox, &answer["access_token"]).await, 200);
    let (status, answer) = token(&sandbox, &form).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
}

#[tokio::test]
async fn a_code_is_for_who_asked_for_it() {
    let sandbox = sandbox(|_| {}).await;
    for more in ["", "&code_verifier=wrong", "&client_secret=wrong"] {
        let (status, _) = token(&sandbox, &redeem(&code(&sandbox).await, more)).await;
        assert!(status == 400 || status == 401, "{more}");
    }
    let elsewhere = redeem(&code(&sandbox).await, &format!("&code_verifier={VERIFIER}")).replace("8080", "8081");
    assert_eq!(token(&sandbox, &elsewhere).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_code_expires_and_a_challenge_may_be_passed_over() {
    let late = sandbox(|rules| rules.code_life = Duration::ZERO).await;
    let form = redeem(&code(&late).await, &format!("&code_verifier={VERIFIER}"));
    assert_eq!(token(&late, &form).await.1["error"], "invalid_grant");
    let careless = sandbox(|rules| rules.pkce = false).await;
    assert_eq!(token(&careless, &redeem(&code(&careless).await, "")).await.0, 200);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_takes_the_old_access_token_along() {
    let sandbox = sandbox(|_| {}).await;
    let pair = sandbox.pair(PUBLIC_CLIENT);
    let form = format!("grant_type=refresh_token&client_id={PUBLIC_CLIENT}&refresh_token={}", pair.refresh.unwrap());
    let (status, answer) = token(&sandbox, &form).await;
    assert_eq!(status, 200);
    assert_eq!(opens(&sandbox, &pair.access.into()).await, 401);
    assert_eq!(opens(&sandbox, &answer["access_token"]).await, 200);
    assert_eq!(token(&sandbox, &form).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_may_last_or_be_none_at_all() {
    let lasting = sandbox(|rules| rules.refresh_tokens = RefreshTokens::Lasting).await;
    let refresh = lasting.pair(PUBLIC_CLIENT).refresh.unwrap();
    let form = format!("grant_type=refresh_token&client_id={PUBLIC_CLIENT}&refresh_token={refresh}");
    for _ in 0..2 {
        let (status, answer) = token(&lasting, &form).await;
        assert_eq!((status, answer.get("refresh_token")), (200, None));
    }
    let none = sandbox(|rules| rules.refresh_tokens = RefreshTokens::None).await;
    assert!(none.pair(PUBLIC_CLIENT).refresh.is_none());
}

#[tokio::test]
async fn only_a_confidential_client_signs_in_by_itself() {
    let sandbox = sandbox(|_| {}).await;
    let ask = |client: &str, more: &str| format!("grant_type=client_credentials&client_id={client}{more}");
    let secret = "&client_secret=sandbox-secret";
    let (status, answer) = token(&sandbox, &ask(PUBLIC_CLIENT, &format!("{secret}&scope=read"))).await;
    assert_eq!((status, &answer["error"]), (401, &"invalid_client".into()));
    assert_eq!(token(&sandbox, &ask(CONFIDENTIAL_CLIENT, "&scope=read")).await.1["error"], "invalid_client");
    assert_eq!(token(&sandbox, &ask("nobody", &format!("{secret}&scope=read"))).await.1["error"], "invalid_client");
    assert_eq!(
        token(&sandbox, &ask(CONFIDENTIAL_CLIENT, &format!("{secret}&scope=all"))).await.1["error"],
        "invalid_scope"
    );
    let (status, answer) = token(&sandbox, &ask(CONFIDENTIAL_CLIENT, &format!("{secret}&scope=write"))).await;
    assert_eq!((status, opens(&sandbox, &answer["access_token"]).await), (200, 403));
}

#[tokio::test]
async fn tokens_die_by_time_and_by_use_and_expires_in_is_sent_as_the_rules_say() {
    let short = sandbox(|rules| rules.token_life = Some(Duration::ZERO)).await;
    assert_eq!(opens(&short, &short.pair(PUBLIC_CLIENT).access.into()).await, 401);
    let worn = sandbox(|rules| rules.token_requests = Some(2)).await;
    let access = worn.pair(PUBLIC_CLIENT).access.into();
    let opened = [opens(&worn, &access).await, opens(&worn, &access).await, opens(&worn, &access).await];
    assert_eq!(opened, [200, 200, 401]);
    for (announce, unasked, asked) in [
        (AnnounceLife::Always, Some(60), Some(60)),
        (AnnounceLife::WhenAsked, None, Some(60)),
        (AnnounceLife::Never, None, None),
    ] {
        let sandbox =
            sandbox(|rules| (rules.token_life, rules.announce_life) = (Some(Duration::from_mins(1)), announce)).await;
        for (more, expected) in [("", unasked), ("&expires_in=172800", asked)] {
            let refresh = sandbox.pair(PUBLIC_CLIENT).refresh.unwrap();
            let form = format!("grant_type=refresh_token&client_id={PUBLIC_CLIENT}&refresh_token={refresh}{more}");
            assert_eq!(token(&sandbox, &form).await.1["expires_in"].as_u64(), expected, "{announce:?}");
        }
    }
}

#[tokio::test]
async fn a_browser_is_sent_back_with_what_was_decided() {
    let sandbox = sandbox(|_| {}).await;
    let denied = press(&sandbox, &asked("&response_type=code"), "deny").await;
    assert_eq!(
        denied,
        "http://localhost:8080/?error=access_denied&error_description=The+user+denied+the+request&state=s%26t"
    );
    let token = press(&sandbox, &asked("&response_type=token"), "allow").await;
    assert!(token.starts_with("http://localhost:8080/#access_token=access-"), "{token}");
    assert!(token.ends_with("&token_type=Bearer&scope=read&state=s%26t"), "{token}");
    let scope = press(&sandbox, &asked("&response_type=code").replace("scope=read", "scope=all"), "allow").await;
    assert!(scope.contains("error=invalid_scope"), "{scope}");
}

#[tokio::test]
async fn a_browser_is_sent_nowhere_that_is_not_registered() {
    let sandbox = sandbox(|_| {}).await;
    let good = asked("&response_type=code");
    for (from, to) in [
        (PUBLIC_CLIENT, "nobody"),
        ("localhost", "evil.example"),
        ("http%3A", "https%3A"),
        ("8080", "8080%2F"),
        ("8080", "8080%2Fx"),
    ] {
        let line = format!("GET /oauth2/chat/authorizations/new?{}", good.replace(from, to));
        let reply = send(&sandbox, &line, "", "").await.unwrap();
        assert_eq!((reply.status, reply.header("location")), (400, None), "{to}");
    }
}
