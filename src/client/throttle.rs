//! The account's quota: how many requests a minute may be sent, and when the service wants none at all.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};

use super::{Wait, WaitReason, Watch};

/// A minute, and half a second for requests that reach the service later than those behind them.
const WINDOW: Duration = Duration::from_millis(60_500);

/// The slowest and the fastest pace that is told apart: one request in two years, and more than a machine can send.
const PACES: (f64, f64) = (1e-6, 1e8);

/// Time as tokio tells it, so that a test's paused clock runs minutes of throttling in milliseconds.
#[derive(Clone)]
struct TokioClock {
    started: Instant,
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.started.elapsed().into()
    }
}

/// Lets requests through, first come first served, so that no 60 seconds ever see more than the quota.
pub struct Throttle {
    line: Mutex<()>,
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    paused_until: watch::Sender<Instant>,
    clock: TokioClock,
}

impl Throttle {
    /// A quota of `requests_per_minute`, of which a long run uses at least 97 % (of the whole number, above one).
    pub fn new(requests_per_minute: f64) -> Self {
        let started = Instant::now();
        let clock = TokioClock { started };
        let limiter = RateLimiter::direct_with_clock(quota(requests_per_minute), clock.clone());
        Self { line: Mutex::new(()), limiter, paused_until: watch::Sender::new(started), clock }
    }

    /// Returns when one request may be sent; it counts as sent at that moment.
    pub async fn admit(&self, watch: &Watch<'_>) {
        // Whoever is at the head of the line waits, all others wait for the head: nobody overtakes, nobody wakes in vain.
        let _head = self.line.lock().await;
        loop {
            self.pause_over(watch).await;
            let Err(early) = self.limiter.check() else {
                return;
            };
            let duration = early.wait_time_from(self.clock.now());
            watch(&Wait { duration, reason: WaitReason::Quota });
            tokio::time::sleep(duration).await;
        }
    }

    /// Lets nothing through before `moment`: over the limit, whatever is sent meanwhile only earns another refusal.
    pub fn pause_until(&self, moment: Instant) {
        self.paused_until.send_modify(|until| *until = moment.max(*until));
    }

    /// Returns when no pause is in force.
    pub async fn pause_over(&self, watch: &Watch<'_>) {
        loop {
            let until = *self.paused_until.borrow();
            let duration = until.saturating_duration_since(Instant::now());
            if duration.is_zero() {
                return;
            }
            watch(&Wait { duration, reason: WaitReason::RateLimited });
            sleep_until(until).await;
        }
    }
}

/// The burst and the steady pace of which a closed minute, wherever it begins, holds at most `requests_per_minute`.
fn quota(requests_per_minute: f64) -> Quota {
    let requests = requests_per_minute.clamp(PACES.0, PACES.1);
    // A fraction cannot be sent: 1.5 a minute would need minutes of two. Below one it is minutes of none.
    let requests = if requests > 1.0 { requests.floor() } else { requests };
    let burst = (requests / 50.0).floor().max(1.0);
    // The burst at once, then one at each further period: `burst + (requests - burst)` fit into a window.
    let period = Duration::from_secs_f64(WINDOW.as_secs_f64() / (requests - burst + 1.0));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 1 to 2,000,000")]
    let burst = NonZeroU32::new(burst as u32).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(period).unwrap_or(Quota::per_minute(NonZeroU32::MIN)).allow_burst(burst)
}
