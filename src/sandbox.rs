//! A simulated Zendesk Chat account on loopback. It does what the real service is known to do, oddities included. It
//! shares no code with the connector, so that a single misunderstanding of the service cannot affect both sides
//! unnoticed.

mod answer;
mod consent;
mod data;
mod export;
pub mod faults;
mod gate;
pub mod options;
mod query;
mod routes;
mod sign_in;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use data::{Account, STREAMS};
pub use gate::Logged;
pub use options::Options;
pub use sign_in::Pair;

use faults::Script;
use gate::{Gate, Log};
use routes::{Service, locked};
use sign_in::Desk;
use wire::{Door, Wire};

/// A running account; it stops when it is dropped.
pub struct Sandbox {
    address: SocketAddr,
    service: Arc<Service>,
    _stop: oneshot::Sender<()>,
}

impl Sandbox {
    /// Serves an account on 127.0.0.1, on the current runtime.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let base = options.behaviour.next_page_base.clone().unwrap_or_else(|| format!("http://{address}"));
        let service = Arc::new(Service {
            account: Account::new(&options.holdings),
            log: Mutex::new(Log::default()),
            gate: Mutex::new(Gate::new(options.behaviour.requests_per_minute)),
            script: Mutex::new(Script::new(options.faults)),
            clock: options.clock,
            token: options.token,
            desk: Mutex::new(Desk::new(options.sign_in, options.holdings.seed)),
            behaviour: options.behaviour,
            base,
            last_ends: Mutex::new(Vec::new()),
        });
        let router = Router::new().fallback(routes::serve).with_state(Arc::clone(&service));
        let (stop, stopped) = oneshot::channel::<()>();
        let served = axum::serve(Door(listener), router.into_make_service_with_connect_info::<Wire>())
            .with_graceful_shutdown(async move { _ = stopped.await });
        // Serving never returns an error: a failed connection affects only itself.
        tokio::spawn(async move { _ = served.await });
        Ok(Self { address, service, _stop: stop })
    }

    /// The base URL, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The account that it serves.
    pub fn account(&self) -> &Account {
        &self.service.account
    }

    /// The last hundred thousand requests, in the order of their arrival.
    pub fn requests(&self) -> Vec<Logged> {
        locked(&self.service.log).requests()
    }

    /// Issues a pair of tokens to an API client, as if a user had consented.
    pub fn pair(&self, client: &str) -> Pair {
        locked(&self.service.desk).pair(client, self.service.clock.now())
    }

    /// Whether a refresh token is unknown or no longer valid.
    pub fn is_spent(&self, refresh: &str) -> bool {
        locked(&self.service.desk).is_spent(refresh)
    }

    /// Expires every access token that was issued.
    pub fn expire_tokens(&self) {
        locked(&self.service.desk).expire();
    }

    /// Removes all faults: no later request meets one.
    pub fn heal(&self) {
        *locked(&self.service.script) = Script::new(Vec::new());
    }

    /// The most requests that arrived within any sixty seconds.
    pub fn peak_requests_per_minute(&self) -> usize {
        locked(&self.service.gate).peak()
    }
}

#[cfg(test)]
mod tests;
