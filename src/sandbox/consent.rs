//! The consent page, where users allow a client to sign in: a page with two buttons, and the redirect back to the
//! client.

use axum::http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::answer::Answer;
use super::query::Query;
use super::routes::{Service, locked};
use super::sign_in::{Denial, scope_of};

/// The path of the pages and tokens for signing in.
pub const ROOT: &str = "/oauth2/chat/";

impl Service {
    /// Answers a request below [`ROOT`].
    pub(super) fn sign_in(&self, method: &Method, path: &str, query: &str, headers: &HeaderMap, form: &str) -> Answer {
        match (method, path.strip_prefix(ROOT).unwrap_or_default()) {
            (&Method::GET, "authorizations/new") => self.ask(&Query::of(query), query),
            (&Method::POST, "authorizations") => self.decide(&Query::of(form)),
            (&Method::POST, "token") => self.token(headers, &Query::of(form)),
            _ => Answer::not_found(),
        }
    }

    /// The page that asks whether a client may sign in.
    fn ask(&self, asked: &Query, query: &str) -> Answer {
        match self.way_back(asked) {
            Err(problem) => impossible(problem),
            Ok(back) => match judged(asked) {
                Err(denial) => back.with_denial(denial),
                Ok(scope) => Answer::page(StatusCode::OK, question(asked, &scope, query)),
            },
        }
    }

    /// Handles the user's decision to allow or deny.
    fn decide(&self, form: &Query) -> Answer {
        let asked = Query::of(form.get("asked").unwrap_or_default());
        let back = match self.way_back(&asked) {
            Ok(back) => back,
            Err(problem) => return impossible(problem),
        };
        let scope = match judged(&asked) {
            Ok(scope) => scope,
            Err(denial) => return back.with_denial(denial),
        };
        if form.get("decision") != Some("allow") {
            let description = "The user denied the request";
            return back.with_denial(Denial { error: "access_denied", description });
        }
        let mut desk = locked(&self.desk);
        let now = self.clock.now();
        if back.in_fragment {
            let (token, life) = desk.token_for_browser(asked.get("client_id").unwrap_or_default(), &scope, now);
            let life = life.map(|life| ("expires_in", life.to_string()));
            let issued = [("access_token", token), ("token_type", "Bearer".to_owned()), ("scope", scope)];
            back.with(issued.into_iter().chain(life))
        } else {
            back.with([("code", desk.consent(&asked, &scope, now))])
        }
    }

    /// The redirect back to the client, or an error message if the client or its redirect URL is not registered.
    fn way_back(&self, asked: &Query) -> Result<Back, &'static str> {
        let client = asked.get("client_id").unwrap_or_default();
        if locked(&self.desk).client(client).is_none() {
            return Err("There is no API client of this ID.");
        }
        let redirect = asked.get("redirect_uri").unwrap_or_default();
        let url = Url::parse(redirect).map_err(|_| "The redirect URL is missing.")?;
        let registered = url.scheme() == "http" && url.host_str() == Some("localhost") && url.path() == "/";
        // A browser does not show a slash after the port, but the URL with a slash is a different one in a comparison.
        if !registered || redirect.ends_with('/') || url.query().is_some() {
            return Err("The redirect URL is not registered with this API client.");
        }
        let in_fragment = asked.get("response_type") == Some("token");
        Ok(Back { url, in_fragment, state: asked.get("state").map(str::to_owned) })
    }

    fn token(&self, headers: &HeaderMap, form: &Query) -> Answer {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let answer = if kind.starts_with("application/x-www-form-urlencoded") {
            locked(&self.desk).exchange(form, self.clock.now())
        } else {
            Err(Denial { error: "invalid_request", description: "The body is not a form" })
        };
        answer.map_or_else(Answer::denied, Answer::json).with("cache-control", "no-store")
    }
}

/// The requested scope, or a denial if the request is invalid.
fn judged(asked: &Query) -> Result<String, Denial> {
    if !matches!(asked.get("response_type"), Some("code" | "token")) {
        let description = "The response type is not known";
        return Err(Denial { error: "unsupported_response_type", description });
    }
    if asked.get("code_challenge").is_some() && asked.get("code_challenge_method") != Some("S256") {
        return Err(Denial { error: "invalid_request", description: "The challenge method is not known" });
    }
    scope_of(asked)
}

/// The redirect back to the client.
struct Back {
    url: Url,
    in_fragment: bool,
    state: Option<String>,
}

impl Back {
    fn with_denial(self, denial: Denial) -> Answer {
        self.with([("error", denial.error.to_owned()), ("error_description", denial.description.to_owned())])
    }

    fn with(mut self, members: impl IntoIterator<Item = (&'static str, String)>) -> Answer {
        let state = self.state.take().map(|state| ("state", state));
        let words = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(members.into_iter().chain(state))
            .finish();
        if self.in_fragment {
            self.url.set_fragment(Some(&words));
        } else {
            self.url.set_query(Some(&words));
        }
        Answer::redirect(self.url.as_str())
    }
}

fn impossible(problem: &str) -> Answer {
    Answer::page(StatusCode::BAD_REQUEST, page("This cannot be", &format!("<p>{problem}</p>")))
}

fn question(asked: &Query, scope: &str, query: &str) -> String {
    let client = escaped(asked.get("client_id").unwrap_or_default());
    let body = format!(
        "<p><strong>{client}</strong> wants to sign in to this account of made-up data.</p>\
         <p>It asks for: <code>{}</code></p>\
         <form method=\"post\" action=\"{ROOT}authorizations\">\
         <input type=\"hidden\" name=\"asked\" value=\"{}\">\
         <button name=\"decision\" value=\"allow\">Allow</button> \
         <button name=\"decision\" value=\"deny\">Deny</button></form>",
        escaped(scope),
        escaped(query)
    );
    page("May it come in?", &body)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:28rem;margin:15vh auto;padding:0 1rem}}\
         button{{font:inherit;padding:.4rem 1.4rem}}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )
}

/// Text escaped for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
