//! The listener on localhost to which the browser is redirected after the consent page.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::page::{Page, handover};
use crate::access::oauth::{self, Issued, Response};
use crate::error::{Error, Kind};

/// The maximum size of a request body, in bytes.
const MOST: usize = 64 * 1024;

/// How long the browser may take to fetch the last page.
const PARTING: Duration = Duration::from_secs(5);

/// A listener for one OAuth response.
pub struct Loopback {
    redirect: String,
    callbacks: mpsc::Receiver<Callback>,
    stop: watch::Sender<bool>,
    serving: JoinSet<io::Result<()>>,
}

/// The OAuth response that counts, and the browser that waits for the result.
pub struct Callback {
    /// The credential in the response, or the error that it reports.
    pub brought: Result<Brought, Error>,
    /// Takes the page that the browser is to show.
    pub answer: oneshot::Sender<Page>,
}

/// The credential in an OAuth response.
pub enum Brought {
    /// A code to be exchanged for a token.
    Code(SecretString),
    /// The token itself.
    Token(Issued),
}

/// The shared state of the request handlers.
struct Porter {
    port: u16,
    response: Response,
    state: SecretString,
    nonce: SecretString,
    /// Taken by the first response that counts; no later one finds it.
    callbacks: Mutex<Option<mpsc::Sender<Callback>>>,
}

/// The decision about a request.
enum Reply {
    /// Show a page.
    Show(Page),
    /// Show the page whose script posts the URL fragment, which only the browser sees.
    HandOver,
    /// Pass the OAuth response on.
    Answer(Result<Brought, Error>),
}

impl Loopback {
    /// Listens on `port` of localhost for a response that carries `state`.
    pub async fn open(port: u16, response: Response, state: &SecretString) -> Result<Self, Error> {
        let taken = |error| {
            Error::new(Kind::Port, format!("The answer of the browser cannot be waited for on port {port}"))
                .because(error)
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(taken)?;
        let port = listener.local_addr().map_err(taken)?.port();
        let mut listeners = vec![listener];
        // A browser may resolve `localhost` to either address. A machine may lack IPv6.
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(taken(error)),
            Err(_) => {}
        }
        let (sender, callbacks) = mpsc::channel(1);
        let (state, nonce) = (state.clone(), oauth::unguessable()?);
        let porter = Arc::new(Porter { port, response, state, nonce, callbacks: Mutex::new(Some(sender)) });
        let router = Router::new().fallback(serve).with_state(porter);
        let (stop, _) = watch::channel(false);
        let mut serving = JoinSet::new();
        for listener in listeners {
            let (router, mut stopped) = (router.clone(), stop.subscribe());
            let stopped = async move { _ = stopped.wait_for(|stop| *stop).await };
            serving.spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await });
        }
        Ok(Self { redirect: format!("http://localhost:{port}"), callbacks, stop, serving })
    }

    /// The redirect URL, as it is registered for the API client.
    pub fn redirect(&self) -> &str {
        &self.redirect
    }

    /// Waits for the response that counts.
    pub async fn callback(&mut self) -> Result<Callback, Error> {
        let callback = self.callbacks.recv().await;
        callback.ok_or_else(|| Error::new(Kind::Internal, "The browser can no longer be waited for"))
    }

    /// Sends the browser its last page, and returns once it is delivered or time is up.
    pub async fn close(mut self, answer: oneshot::Sender<Page>, page: Page) {
        // If the tab was closed meanwhile, nobody receives the page.
        let _ = answer.send(page);
        let _ = self.stop.send(true);
        let ended = async { while self.serving.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(PARTING, ended).await;
    }
}

async fn serve(State(porter): State<Arc<Porter>>, request: Request) -> axum::response::Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MOST).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    let query = parts.uri.query().unwrap_or_default();
    let verdict = porter.judge(&parts.method, parts.uri.path(), query, &parts.headers, &body);
    let by_script = parts.method == Method::POST;
    let page = match verdict {
        Reply::HandOver => {
            return porter.respond(200, "text/html; charset=utf-8", handover(porter.nonce.expose_secret()));
        }
        Reply::Show(page) => page,
        Reply::Answer(brought) => porter.pass_on(brought).await,
    };
    if by_script {
        porter.respond(page.status, "application/json", page.json())
    } else {
        porter.respond(page.status, "text/html; charset=utf-8", page.html(porter.nonce.expose_secret()))
    }
}

impl Porter {
    /// Decides how to reply to a request. Changes no state.
    fn judge(&self, method: &Method, path: &str, query: &str, headers: &HeaderMap, body: &str) -> Reply {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        // A browser leaves the default port out of `Host`.
        let port = if self.port == 80 { String::new() } else { format!(":{}", self.port) };
        let hosts = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}{port}"));
        // With another name in `Host`, the request may come from a page of another site.
        let host = text(header::HOST).unwrap_or_default();
        if !hosts.iter().any(|known| known == host) {
            return Reply::Show(Page::nothing());
        }
        match (method, path, self.response) {
            (&Method::GET, "/", Response::Token) if query.is_empty() => Reply::HandOver,
            (&Method::GET, "/", _) => self.answer(query),
            (&Method::POST, "/token", Response::Token) if text(header::ORIGIN) == Some(&format!("http://{host}")) => {
                self.answer(body)
            }
            _ => Reply::Show(Page::nothing()),
        }
    }

    /// Reads an OAuth response. It counts only if it carries the `state` of this sign-in.
    fn answer(&self, query: &str) -> Reply {
        let members: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let text = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if text("state") != Some(self.state.expose_secret()) {
            return Reply::Show(Page::unasked());
        }
        if let Some(error) = text("error") {
            return Reply::Answer(Err(refused(error, text("error_description"))));
        }
        match self.response {
            Response::Code => match text("code").filter(|code| !code.is_empty()) {
                Some(code) => Reply::Answer(Ok(Brought::Code(code.into()))),
                None => Reply::Show(Page::unasked()),
            },
            Response::Token => match Issued::of_fragment(query) {
                Ok(issued) => Reply::Answer(Ok(Brought::Token(issued))),
                Err(_) => Reply::Show(Page::unasked()),
            },
        }
    }

    /// Passes the first response on, and waits for the page that shows its result. Later responses change nothing.
    async fn pass_on(&self, brought: Result<Brought, Error>) -> Page {
        let first = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(callbacks) = first else { return Page::again() };
        let (answer, page) = oneshot::channel();
        let passed = callbacks.send(Callback { brought, answer }).await;
        match (passed, page.await) {
            (Ok(()), Ok(page)) => page,
            _ => Page::failed("The program was ended"),
        }
    }

    fn respond(&self, status: u16, kind: &'static str, content: String) -> axum::response::Response {
        let nonce = self.nonce.expose_secret();
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let mut response = axum::response::Response::new(Body::from(content));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// The error for a refusal by the account. The words of the service are cut to one short line.
fn refused(error: &str, description: Option<&str>) -> Error {
    let word = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    let said = description.map_or_else(|| word(error), |description| format!("{}: {}", word(error), word(description)));
    let sentence = match error {
        "access_denied" => "The sign-in was denied in the browser",
        "invalid_scope" => "The account does not give this API client what `--scope` asks for",
        "unsupported_response_type" | "unauthorized_client" => {
            "The account does not let this API client sign in this way: try another `--flow`"
        }
        _ => "The account did not let the API client in",
    };
    Error::new(Kind::SignIn, format!("{sentence}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn porter(response: Response) -> Porter {
        let (sender, _) = mpsc::channel(1);
        Porter { port: 8080, response, state: "s".into(), nonce: "n".into(), callbacks: Mutex::new(Some(sender)) }
    }

    fn headers(host: &'static str, origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
        headers
    }

    /// The reply to a GET of `/` with a query.
    fn shown(response: Response, query: &str) -> String {
        name(&porter(response).judge(&Method::GET, "/", query, &headers("localhost:8080", None), ""))
    }

    fn name(verdict: &Reply) -> String {
        match verdict {
            Reply::Show(page) => format!("{} {}", page.status, page.title),
            Reply::HandOver => "hand over".to_owned(),
            Reply::Answer(Ok(Brought::Code(code))) => format!("code {}", code.expose_secret()),
            Reply::Answer(Ok(Brought::Token(issued))) => format!("token {}", issued.access.expose_secret()),
            Reply::Answer(Err(error)) => error.to_string(),
        }
    }

    #[test]
    fn only_the_answer_to_the_own_question_counts() {
        assert_eq!(shown(Response::Code, "code=c%2F&state=s"), "code c/");
        let strays =
            ["", "code=c", "code=c&state=", "code=c&state=t", "state=s", "code=&state=s", "error=access_denied"];
        for query in strays {
            assert_eq!(shown(Response::Code, query), "400 Nothing was done", "{query}");
        }
    }

    #[test]
    fn a_refusal_is_shown() {
        let denied = shown(Response::Code, "error=access_denied&error_description=No%0Away&state=s");
        assert_eq!(denied, "The sign-in was denied in the browser: access_denied: Noway");
        let scope = shown(Response::Token, "error=invalid_scope&state=s");
        assert_eq!(scope, "The account does not give this API client what `--scope` asks for: invalid_scope");
    }

    #[test]
    fn a_token_is_handed_over_by_the_page_that_was_served_and_by_no_other() {
        let porter = porter(Response::Token);
        let post =
            |path, host, origin, body| name(&porter.judge(&Method::POST, path, "", &headers(host, origin), body));
        let own = Some("http://localhost:8080");
        let fragment = "access_token=t&token_type=Bearer&state=s";
        assert_eq!(post("/token", "localhost:8080", own, fragment), "token t");
        assert_eq!(post("/token", "localhost:8080", own, "access_token=t&state=x"), "400 Nothing was done");
        assert_eq!(post("/token", "localhost:8080", own, "state=s"), "400 Nothing was done");
        for (host, origin) in [
            ("localhost:8080", None),
            ("localhost:8080", Some("https://evil.example")),
            ("evil.example:8080", Some("http://evil.example:8080")),
            ("localhost:9090", Some("http://localhost:9090")),
        ] {
            assert_eq!(post("/token", host, origin, fragment), "404 There is nothing here", "{host} {origin:?}");
        }
        assert_eq!(name(&porter.judge(&Method::GET, "/", "", &headers("[::1]:8080", None), "")), "hand over");
        let usual = Porter { port: 80, ..porter };
        assert_eq!(name(&usual.judge(&Method::GET, "/", "", &headers("localhost", None), "")), "hand over");
    }

    #[test]
    fn stray_requests_meet_nothing() {
        let porter = porter(Response::Code);
        let ask =
            |method, path| name(&porter.judge(&method, path, "code=c&state=s", &headers("localhost:8080", None), ""));
        for (method, path) in [(Method::GET, "/favicon.ico"), (Method::POST, "/"), (Method::POST, "/token")] {
            assert_eq!(ask(method, path), "404 There is nothing here", "{path}");
        }
    }

    #[tokio::test]
    async fn a_second_answer_does_nothing() {
        let (sender, mut callbacks) = mpsc::channel(1);
        let porter = Porter { callbacks: Mutex::new(Some(sender)), ..porter(Response::Code) };
        let first = porter.pass_on(Ok(Brought::Code("c".into())));
        let counted = async {
            let callback = callbacks.recv().await.unwrap();
            assert_eq!(porter.pass_on(Ok(Brought::Code("d".into()))).await, Page::again());
            callback.answer.send(Page::signed_in()).unwrap();
        };
        assert_eq!(tokio::join!(first, counted).0, Page::signed_in());
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_reported() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Loopback::open(port, Response::Code, &"s".into()).await.err().unwrap();
        assert_eq!(error.kind(), Kind::Port);
        assert!(error.to_string().contains(&format!("port {port}")), "{error}");
    }
}
