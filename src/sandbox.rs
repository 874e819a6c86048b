//! A faithful Zendesk Chat account on loopback: what the real service is known to do, oddities included. It shares no
//! code with the connector, so that one misreading of the service cannot pass on both sides.

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
        // Serving never fails: a connection that does is the affair of that connection.
        tokio::spawn(async move { _ = served.await });
        Ok(Self { address, service, _stop: stop })
    }

    /// Where it answers, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it serves.
    pub fn account(&self) -> &Account {
        &self.service.account
    }

    /// The last hundred thousand requests, in the order of their arrival.
    pub fn requests(&self) -> Vec<Logged> {
        locked(&self.service.log).requests()
    }

    /// A pair of tokens for an API client, as if somebody had let it in.
    pub fn pair(&self, client: &str) -> Pair {
        locked(&self.service.desk).pair(client, self.service.clock.now())
    }

    /// Whether a refresh token does not work, or no longer.
    pub fn is_spent(&self, refresh: &str) -> bool {
        locked(&self.service.desk).is_spent(refresh)
    }

    /// Ends the life of every access token that was given out.
    pub fn expire_tokens(&self) {
        locked(&self.service.desk).expire();
    }

    /// Lets nothing go wrong any more.
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
