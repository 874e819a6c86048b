//! Requests for tokens, with retries. They have their own gate, because requests for pages hold their places in the
//! other gate while they wait for a token.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::exchange::{Question, Service};
use super::retry::{Action, Fault, Patience};
use super::{Wait, WaitReason};
use crate::access::oauth::{Issued, TOKEN_PATH};
use crate::access::origin::Origin;
use crate::error::{Error, Kind};
use crate::wire::Gate;

/// Sends requests to the account's token endpoint.
pub struct TokenRequests {
    /// The account's address.
    pub origin: Origin,
    /// Sends a request once, without retries.
    pub service: Arc<Service>,
    /// Limits how many requests for tokens are in flight.
    pub gate: Arc<Gate>,
    /// Whether a user is waiting for the result, so that fewer errors are retried.
    pub attended: bool,
}

impl TokenRequests {
    /// Posts a form to the token endpoint, with the retries of the retry table. `watch` is called at every wait.
    pub async fn ask(&self, form: &str, watch: impl Fn(&Wait)) -> Result<Issued, Error> {
        let mut url = self.origin.url().clone();
        url.set_path(TOKEN_PATH);
        let mut patience = Patience::new(self.attended);
        loop {
            let passage = self.gate.enter().await;
            let began = Instant::now();
            let question = Question::Post(url.clone(), form.to_owned());
            let answer = self.service.ask(TOKEN_PATH, question, &passage).await;
            let fault = match answer.and_then(|body| Issued::parse(&body.into_parts().0).map_err(Fault::Unreadable)) {
                Ok(issued) => return Ok(issued),
                Err(fault) => fault,
            };
            let (kind, pause) = match fault.action(None) {
                Action::Fail(kind) => return Err(patience.give_up(TOKEN_PATH, fault, kind)),
                Action::Renew => return Err(patience.give_up(TOKEN_PATH, fault, Kind::Unauthorized)),
                Action::Again(pause) => (fault.kind_at_last(), pause),
                Action::Smaller(_) => (fault.kind_at_last(), None),
            };
            let Some(duration) = patience.wait(&fault, pause, began.elapsed()) else {
                return Err(patience.give_up(TOKEN_PATH, fault, kind));
            };
            watch(&Wait { duration, reason: WaitReason::Backoff { what: fault.to_string() } });
            sleep(duration).await;
        }
    }
}
