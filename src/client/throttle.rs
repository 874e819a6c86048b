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
        // Only the head of the line waits for the quota, all others for the head: nobody overtakes or wakes in vain.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::time::sleep;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn unwatched(_: &Wait) {}

    /// When requests that come after these idle times are let through.
    fn admissions(requests_per_minute: f64, idle: impl IntoIterator<Item = Duration>) -> Vec<Instant> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let throttle = Throttle::new(requests_per_minute);
            let mut admissions = Vec::new();
            for idle in idle {
                if !idle.is_zero() {
                    sleep(idle).await;
                }
                throttle.admit(&unwatched).await;
                admissions.push(Instant::now());
            }
            admissions
        })
    }

    /// Whether no closed 60 seconds, wherever they begin, hold more than `allowed`.
    fn every_minute_keeps_to(allowed: usize, admissions: &[Instant]) -> bool {
        admissions.windows(allowed + 1).all(|window| window[allowed] - window[0] > MINUTE)
    }

    #[test]
    fn a_long_run_uses_the_quota_and_no_minute_exceeds_it() {
        for (requests_per_minute, allowed) in [
            (1.0, 1),
            (2.0, 2),
            (10.0, 10),
            (49.0, 49),
            (50.0, 50),
            (199.0, 199),
            (200.0, 200),
            (2000.0, 2000),
            (40.9, 40),
        ] {
            let minutes = 20;
            let admissions = admissions(requests_per_minute, vec![Duration::ZERO; allowed * minutes]);
            assert!(every_minute_keeps_to(allowed, &admissions), "{requests_per_minute}");
            // The last of n requests ends n - 1 periods.
            let took = (*admissions.last().unwrap() - admissions[0]).as_secs_f64() / 60.0;
            let pace = f64::from(u32::try_from(admissions.len() - 1).unwrap()) / took;
            assert!(pace >= 0.97 * f64::from(u32::try_from(allowed).unwrap()), "{requests_per_minute}: {pace}");
        }
    }

    #[test]
    fn below_one_a_minute_is_one_in_several_minutes() {
        let admissions = admissions(0.5, vec![Duration::ZERO; 10]);
        for pair in admissions.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart > 2 * MINUTE && apart.mul_f64(0.97) < 2 * MINUTE, "{apart:?}");
        }
    }

    #[test]
    fn every_positive_pace_has_a_quota() {
        for requests_per_minute in [f64::MIN_POSITIVE, 1e-9, 0.3, 1.0, 1.5, 1e4, 1e8, 1e9, f64::MAX, f64::INFINITY] {
            let quota = quota(requests_per_minute);
            let burst = u128::from(quota.burst_size().get());
            let within = burst + MINUTE.as_nanos() / quota.replenish_interval().as_nanos();
            let pace = MINUTE.as_secs_f64() / quota.replenish_interval().as_secs_f64();
            let sendable = requests_per_minute.clamp(PACES.0, PACES.1);
            let sendable = if sendable > 1.0 { sendable.floor() } else { sendable };
            assert!(
                within == 1 || within.to_string().parse::<f64>().unwrap() <= sendable,
                "{requests_per_minute}: {within}"
            );
            assert!(pace >= 0.97 * sendable, "{requests_per_minute}: {pace}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_minute_exceeds_the_quota_however_requests_come(
            allowed in 1_u32..300,
            idle in proptest::collection::vec(prop_oneof![6 => Just(0), 1 => 0_u64..2_000, 1 => 0_u64..90_000], 1..900),
        ) {
            let idle = idle.into_iter().map(Duration::from_millis);
            let admissions = admissions(f64::from(allowed), idle);
            prop_assert!(every_minute_keeps_to(allowed as usize, &admissions));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_came_first_is_let_through_first() {
        let throttle = Arc::new(Throttle::new(1.0));
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        // The last comes at the very moment when the second is to be let through, and is awake before it.
        let comes = (0..20).map(|number| (number, Duration::ZERO));
        for (number, comes_after) in std::iter::once((20, WINDOW)).chain(comes) {
            let (throttle, order) = (Arc::clone(&throttle), Arc::clone(&order));
            tasks.spawn(async move {
                sleep(comes_after).await;
                throttle.admit(&unwatched).await;
                order.lock().unwrap().push(number);
            });
            tokio::task::yield_now().await;
        }
        tasks.join_all().await;
        assert_eq!(*order.lock().unwrap(), (0..=20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_all_and_is_only_ever_made_longer() {
        let throttle = Throttle::new(60_000.0);
        let began = Instant::now();
        throttle.pause_until(began + 2 * MINUTE);
        throttle.pause_until(began + MINUTE);
        let waits = std::sync::Mutex::new(Vec::new());
        let watch = |wait: &Wait| waits.lock().unwrap().push(wait.clone());
        tokio::join!(throttle.admit(&watch), throttle.admit(&unwatched));
        assert_eq!(began.elapsed(), 2 * MINUTE);
        assert_eq!(*waits.lock().unwrap(), [Wait { duration: 2 * MINUTE, reason: WaitReason::RateLimited }]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_the_quota_is_told() {
        let throttle = Throttle::new(1.0);
        let waits = std::sync::Mutex::new(Vec::new());
        let watch = |wait: &Wait| waits.lock().unwrap().push(wait.clone());
        throttle.admit(&watch).await;
        assert!(waits.lock().unwrap().is_empty());
        throttle.admit(&watch).await;
        assert_eq!(*waits.lock().unwrap(), [Wait { duration: WINDOW, reason: WaitReason::Quota }]);
    }
}
