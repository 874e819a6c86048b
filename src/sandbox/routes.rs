//! The fifteen endpoints, and what a request has to pass before them: the script of faults, the rate limit, the token.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use tokio::time::Instant;

use super::answer::Answer;
use super::consent;
use super::data::{ACCOUNT, Account, Banned, Export, ROUTING};
use super::export;
use super::faults::Script;
use super::gate::{Gate, Log, TooMany};
use super::options::{BansLimit, Behaviour, Refusal};
use super::query::Query;
use super::sign_in::{Desk, Opens};
use super::wire::Wire;
use crate::clock::Clock;

/// The path of the Chat API on its host.
const ROOT: &str = "/api/v2/chat/";

/// The highest `limit` for agents; a higher one is refused.
const MOST_AGENTS: usize = 100;

/// The highest `limit` for bans; a higher one is reduced to this.
const MOST_BANS: usize = 1_000;

/// The `limit` for agents or bans if the request has none.
const DEFAULT_LIMIT: usize = 10;

/// The most bytes of a form.
const MOST_FORM: usize = 64 * 1024;

/// A running service.
pub struct Service {
    /// The account that it serves.
    pub account: Account,
    /// The requests so far.
    pub log: Mutex<Log>,
    /// The rate limit.
    pub gate: Mutex<Gate>,
    /// The faults.
    pub script: Mutex<Script>,
    /// Its clock.
    pub clock: Clock,
    /// The token that it always accepts.
    pub token: String,
    /// The codes and tokens issued to API clients.
    pub desk: Mutex<Desk>,
    /// How it answers.
    pub behaviour: Behaviour,
    /// What `next_page` begins with.
    pub base: String,
    /// Where the last page of each export ended.
    pub last_ends: Mutex<Vec<(Export, i64)>>,
}

/// Locks a mutex even if a holder panicked: no holder leaves the value half-changed.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request.
pub async fn serve(
    State(service): State<std::sync::Arc<Service>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    request: Request,
) -> Response {
    let (request, body) = request.into_parts();
    let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
    let number = locked(&service.log).ask(path, query);
    // A body that is too long for a form, or breaks off, counts as empty.
    let form = to_bytes(body, MOST_FORM).await.unwrap_or_default();
    let form = String::from_utf8_lossy(&form);
    // Requests for signing in do not count against the API's rate limit.
    let admitted = if path.starts_with(consent::ROOT) { Ok(()) } else { locked(&service.gate).arrive(Instant::now()) };
    let turn = locked(&service.script).next(path.strip_prefix(ROOT).unwrap_or(path), query);
    pause(service.behaviour.latency + turn.as_ref().map_or(Duration::ZERO, |turn| turn.fault.delay())).await;
    let right = |query: &str| service.answer(&request, query, &form, &admitted);
    let mut answer = turn.as_ref().map_or_else(|| right(query), |turn| turn.answer(query, right));
    if service.behaviour.gzip && accepts_gzip(&request) && !answer.is_compressed() {
        answer = answer.compressed();
    }
    let disturbance = turn.and_then(|turn| turn.fault.disturbance(answer.body().len()));
    let response = answer.into_response(service.clock.now());
    match disturbance {
        Some((place, event)) => wire.disturb(place, event),
        None => locked(&service.log).answer(number, response.status().as_u16()),
    }
    response
}

/// Waits for `duration`, unless it is zero.
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Whether the client can read a compressed body.
fn accepts_gzip(request: &Parts) -> bool {
    let accepted = request.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("gzip"))
}

impl Service {
    /// The correct answer to a request with this query instead of its own.
    fn answer(&self, request: &Parts, query: &str, form: &str, admitted: &Result<(), TooMany>) -> Answer {
        let path = request.uri.path();
        if path.starts_with(consent::ROOT) {
            let refusal = self.refusal_of_all();
            return refusal.unwrap_or_else(|| self.sign_in(&request.method, path, query, &request.headers, form));
        }
        self.admit(request, query, admitted).unwrap_or_else(|refusal| refusal)
    }

    /// The resource that a request asks for, or the refusal.
    fn admit(&self, request: &Parts, query: &str, admitted: &Result<(), TooMany>) -> Result<Answer, Answer> {
        admitted.as_ref().map_err(|too_many| self.too_many(too_many))?;
        let unknown = || self.refusal_of_all().unwrap_or_else(Answer::not_found);
        let resource = request.uri.path().strip_prefix(ROOT).ok_or_else(unknown)?;
        if let Some(refusal) = self.refusal_of_all() {
            return Err(refusal);
        }
        match self.opened(request) {
            Opens::Nothing => return Err(Answer::unauthorized()),
            Opens::NoReading => return Err(Answer::forbidden()),
            Opens::Reading => {}
        }
        self.check_access(resource)?;
        if request.method != Method::GET {
            let description = "The method is not allowed for the requested URL.";
            return Err(Answer::error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", description));
        }
        self.resource(resource, &Query::of(query))
    }

    /// The refusal of a request over the rate limit.
    fn too_many(&self, too_many: &TooMany) -> Answer {
        let answer = Answer::too_many(too_many.before);
        if !self.behaviour.retry_after {
            return answer;
        }
        let seconds = too_many.wait.as_secs() + u64::from(too_many.wait.subsec_nanos() > 0);
        answer.with("retry-after", &seconds.to_string())
    }

    /// The refusals that apply before the token is checked.
    fn refusal_of_all(&self) -> Option<Answer> {
        let body = match self.behaviour.refusal.as_ref()? {
            Refusal::NoChat => r#"{"error":"Not Found"}"#,
            Refusal::NoChatObject => r#"{"error":{"message":"Not Found"}}"#,
            Refusal::WrongSubdomain => {
                r#"{"error":{"title":"No help desk at sandbox.zendesk.com","message":"There is no help desk configured at this address. This means that the address is available and that you can claim it at http://www.zendesk.com/signup"}}"#
            }
            Refusal::UnknownHost => return Some(Answer::page_for_people(StatusCode::NOT_FOUND)),
            Refusal::Forbidden(_) | Refusal::Missing(_) | Refusal::MissingRole => return None,
        };
        Some(Answer::error_body(StatusCode::NOT_FOUND, body))
    }

    /// The access that the request's token gives.
    fn opened(&self, request: &Parts) -> Opens {
        let given = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match given.and_then(|given| given.strip_prefix("Bearer ")) {
            None => Opens::Nothing,
            Some(token) if token == self.token => Opens::Reading,
            Some(token) => locked(&self.desk).opens(token, self.clock.now()),
        }
    }

    /// Refuses a resource that the token may not read.
    fn check_access(&self, resource: &str) -> Result<(), Answer> {
        let named = |paths: &[String]| paths.iter().any(|path| path == resource);
        match &self.behaviour.refusal {
            Some(Refusal::MissingRole) => Err(Answer::forbidden()),
            Some(Refusal::Forbidden(paths)) if named(paths) => Err(Answer::forbidden()),
            Some(Refusal::Missing(paths)) if named(paths) => Err(Answer::not_found()),
            _ => Ok(()),
        }
    }

    /// The resource at a path below the root.
    fn resource(&self, resource: &str, query: &Query) -> Result<Answer, Answer> {
        if let Some(export) = resource.strip_prefix("incremental/").and_then(Export::named) {
            return self.export(export, query);
        }
        match resource {
            "account" => Ok(Answer::json(ACCOUNT.as_bytes().to_vec())),
            "routing_settings/account" => Ok(Answer::json(format!(r#"{{"data":{ROUTING}}}"#).into_bytes())),
            "agents" => self.agents(query),
            "bans" => self.bans(query),
            list => self.account.list(list).map(|records| array(&records)).ok_or_else(Answer::not_found),
        }
    }

    /// One page of an export, or the refusal of an invalid request.
    fn export(&self, export: Export, query: &Query) -> Result<Answer, Answer> {
        let request = export::Request::parse(export, query, &self.behaviour)?;
        let now = self.now();
        let last_end = locked(&self.last_ends).iter().find(|(of, _)| *of == export).map(|(_, end)| *end);
        if request.is_too_recent(self.behaviour.five_minute_rule, last_end, now) {
            return Err(Answer::bad_request("start_time must be more than five minutes in the past"));
        }
        let page = request.page(&self.account, &self.behaviour, &self.base, last_end, now);
        let mut last_ends = locked(&self.last_ends);
        last_ends.retain(|(of, _)| *of != export);
        last_ends.push((export, page.end));
        Ok(Answer::json(page.body))
    }

    /// Agents with an id of `since_id` or higher.
    fn agents(&self, query: &Query) -> Result<Answer, Answer> {
        let (since, limit) = since_and_limit(query)?;
        if limit > MOST_AGENTS {
            return Err(Answer::bad_request("limit must not be greater than 100"));
        }
        let agents = self.account.agents(self.now()).into_iter().filter(|(id, _)| *id >= since);
        Ok(array(&agents.take(limit).map(|(_, record)| record).collect::<Vec<_>>()))
    }

    /// Bans with an id of `since_id` or higher, in one array for each kind.
    fn bans(&self, query: &Query) -> Result<Answer, Answer> {
        let (since, limit) = since_and_limit(query)?;
        let limit = limit.min(MOST_BANS);
        let (mut addresses, mut visitors) = (Vec::new(), Vec::new());
        for ban in self.account.bans(self.now()).into_iter().filter(|ban| ban.id >= since) {
            if self.behaviour.bans_limit == BansLimit::Shared && addresses.len() + visitors.len() == limit {
                break;
            }
            let array = if ban.banned == Banned::Address { &mut addresses } else { &mut visitors };
            if array.len() < limit {
                array.push(ban.record);
            }
        }
        let mut members = Vec::new();
        for (name, records) in [("ip_address", addresses), ("visitor", visitors)] {
            if !(self.behaviour.omit_empty_bans && records.is_empty()) {
                members.push(format!(r#""{name}":[{}]"#, records.join(",")));
            }
        }
        Ok(Answer::json(format!("{{{}}}", members.join(",")).into_bytes()))
    }

    /// The current time in microseconds.
    fn now(&self) -> i64 {
        self.clock.now().timestamp_micros()
    }
}

/// The position and size of a page of agents or bans.
fn since_and_limit(query: &Query) -> Result<(i64, usize), Answer> {
    let since = query.get("since_id").map_or(Ok(0), str::parse);
    let limit = query.get("limit").map_or(Ok(DEFAULT_LIMIT), str::parse);
    match (since, limit) {
        (Ok(since), Ok(limit @ 1..)) => Ok((since, limit)),
        _ => Err(Answer::bad_request("since_id or limit is not a number that is allowed")),
    }
}

/// Records as one array.
fn array(records: &[String]) -> Answer {
    Answer::json(format!("[{}]", records.join(",")).into_bytes())
}
