//! The account's quota: how many requests per minute may be sent, and the pauses that the service asks for.

use std::num::NonZeroU32;
use std::sync::PoisonError;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::{Rhythm, Wait, WaitReason, Watch};

/// A minute, plus half a second because some requests take longer to reach the service than others.
const WINDOW: Duration = Duration::from_millis(60_500);

/// The slowest and the fastest pace that is distinguished, in requests per minute: one request in two years, and more
/// than a machine can send.
const PACES: (f64, f64) = (1e-6, 1e8);

/// Time from tokio's clock, so that a test's paused clock runs minutes of throttling in milliseconds.
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

/// The factor by which the pace drops when the service refuses a request for lack of quota.
const EBB: f64 = 0.7;

/// The share of the full pace that is regained in a minute without a refusal.
const FLOOD: f64 = 0.1;

/// The smallest share of the full pace to which refusals can lower it.
const LEAST: f64 = 0.02;

/// How many more requests to keep under way than the pace and the exchange time alone require, because exchanges differ
/// in length.
const SPARE: f64 = 1.25;

/// Admits requests in the order of their arrival, so that no span of 60 seconds ever holds more than the quota. If
/// other programs use the same quota, refusals lower the pace further, and it recovers over time.
pub struct Throttle {
    line: Mutex<()>,
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    paused_until: watch::Sender<Instant>,
    clock: TokioClock,
    full: Duration,
    tide: std::sync::Mutex<Tide>,
}

/// The current pace: lowered by refusals, recovering over time.
#[derive(Default)]
struct Tide {
    /// The share of the full pace after the last reduction, and the time of that reduction.
    slowed: Option<(f64, Instant)>,
    /// When the last request was admitted.
    last: Option<Instant>,
}

impl Tide {
    /// The share of the full pace that is available now.
    fn share(&self, now: Instant) -> f64 {
        let Some((share, since)) = self.slowed else { return 1.0 };
        let minutes = now.saturating_duration_since(since).as_secs_f64() / 60.0;
        (share + FLOOD * minutes).min(1.0)
    }
}

impl Throttle {
    /// A throttle for `requests_per_minute`, rounded down to a whole number if above one. A long run uses at least 97 %
    /// of that.
    pub fn new(requests_per_minute: f64) -> Self {
        let started = Instant::now();
        let clock = TokioClock { started };
        let quota = quota(requests_per_minute);
        Self {
            line: Mutex::new(()),
            limiter: RateLimiter::direct_with_clock(quota, clock.clone()),
            paused_until: watch::Sender::new(started),
            clock,
            full: quota.replenish_interval(),
            tide: std::sync::Mutex::default(),
        }
    }

    /// Waits until one request may be sent; it counts as sent at that moment.
    pub async fn admit(&self, watch: &Watch<'_>) {
        // Only the first request in line waits for the quota, and the others wait for the first, so that none overtakes
        // another or wakes in vain.
        let _head = self.line.lock().await;
        loop {
            self.pause_over(watch).await;
            let early = self.early();
            let duration = if early.is_zero() {
                let Err(early) = self.limiter.check() else { break };
                early.wait_time_from(self.clock.now())
            } else {
                early
            };
            watch(&Wait { duration, reason: WaitReason::Quota });
            tokio::time::sleep(duration).await;
        }
        self.tide().last = Some(Instant::now());
    }

    /// How much longer a request must wait at the pace that refusals have left.
    fn early(&self) -> Duration {
        let (tide, now) = (self.tide(), Instant::now());
        let share = tide.share(now);
        let next = tide.last.filter(|_| share < 1.0).map(|last| last + self.full.div_f64(share));
        next.map(|next| next.saturating_duration_since(now)).unwrap_or_default()
    }

    /// Records that the service refused a request for lack of quota. This lowers the pace, unless the request was sent
    /// before the last reduction.
    pub fn refused(&self, sent: Instant) {
        let (mut tide, now) = (self.tide(), Instant::now());
        if tide.slowed.is_none_or(|(_, since)| sent > since) {
            let share = (tide.share(now) * EBB).max(LEAST);
            debug!("the service refuses requests: going on at {:.0} % of the pace", share * 100.0);
            tide.slowed = Some((share, now));
        }
    }

    /// How many concurrent requests are needed to keep up the pace, or, if the caller processes responses more slowly
    /// than that, to keep the caller busy.
    pub fn useful(&self, rhythm: Rhythm) -> usize {
        let pace = self.full.div_f64(self.tide().share(Instant::now()));
        // No extra requests if processing is the bottleneck: the more work there is at once, the longer each piece
        // takes.
        let (pace, spare) = if rhythm.taking > pace { (rhythm.taking, 1.0) } else { (pace, SPARE) };
        let exchanges = rhythm.exchange.as_secs_f64() / pace.as_secs_f64();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small number, or as many as there are"
        )]
        let useful = (exchanges * spare).ceil() as usize;
        useful.max(1)
    }

    fn tide(&self) -> std::sync::MutexGuard<'_, Tide> {
        self.tide.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits no request before `moment`. While the account is over its limit, any further request would only be
    /// refused again.
    pub fn pause_until(&self, moment: Instant) {
        self.paused_until.send_modify(|until| *until = moment.max(*until));
    }

    /// Waits until no pause is in force.
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

/// The burst and the steady pace that together admit at most `requests_per_minute` in any closed minute, wherever it
/// begins.
fn quota(requests_per_minute: f64) -> Quota {
    let requests = requests_per_minute.clamp(PACES.0, PACES.1);
    // A fraction of a request cannot be sent: 1.5 per minute would need minutes with two requests. Below one per
    // minute, there are minutes with none.
    let requests = if requests > 1.0 { requests.floor() } else { requests };
    let burst = (requests / 50.0).floor().max(1.0);
    // The burst is sent at once, then one request per period: `burst + (requests - burst)` fit into a window.
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

    /// The times at which requests are admitted that arrive after these idle times.
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

    /// Whether every closed span of 60 seconds, wherever it begins, holds at most `allowed` admissions.
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
            // From the first of n requests to the last, n - 1 periods pass.
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
        // The last request arrives at the very moment when the second is due, and its task wakes before that of the
        // second.
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
    async fn a_wait_for_the_quota_is_reported() {
        let throttle = Throttle::new(1.0);
        let waits = std::sync::Mutex::new(Vec::new());
        let watch = |wait: &Wait| waits.lock().unwrap().push(wait.clone());
        throttle.admit(&watch).await;
        assert!(waits.lock().unwrap().is_empty());
        throttle.admit(&watch).await;
        assert_eq!(*waits.lock().unwrap(), [Wait { duration: WINDOW, reason: WaitReason::Quota }]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_slows_what_follows_and_the_pace_comes_back() {
        let throttle = Throttle::new(200.0);
        let pace = async || {
            throttle.admit(&unwatched).await;
            let began = Instant::now();
            throttle.admit(&unwatched).await;
            began.elapsed()
        };
        while pace().await.is_zero() {}
        let full = pace().await;
        let sent = Instant::now();
        sleep(Duration::from_secs(1)).await;
        throttle.refused(sent);
        throttle.refused(sent);
        let slow = pace().await.as_secs_f64() / full.as_secs_f64();
        assert!((1.35..1.43).contains(&slow), "those that were under way count once: {slow}");
        sleep(MINUTE).await;
        let slow = pace().await.as_secs_f64() / full.as_secs_f64();
        assert!((1.2..1.3).contains(&slow), "{slow}");
        sleep(2 * MINUTE).await;
        while pace().await.is_zero() {}
        assert_eq!(pace().await, full);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_are_useful_than_the_pace_and_the_taker_need() {
        let rhythm = |exchange, taking| Rhythm {
            exchange: Duration::from_millis(exchange),
            taking: Duration::from_millis(taking),
        };
        let throttle = Throttle::new(200.0);
        let useful = [0, 200, 300, 1_000, 2_000].map(|exchange| throttle.useful(rhythm(exchange, 10)));
        assert_eq!(useful, [1, 1, 2, 5, 9]);
        // At a pace that no caller can keep up with, the caller's speed decides.
        let throttle = Throttle::new(1e8);
        let useful = [5, 10, 100].map(|exchange| throttle.useful(rhythm(exchange, 10)));
        assert_eq!(useful, [1, 1, 10]);
        throttle.refused(Instant::now());
        assert!(throttle.useful(rhythm(1_000, 0)) > 1_000);
    }

    /// Runs two jobs that are both configured with the account's whole quota. Returns how many requests each of them
    /// got through per minute, counted from the start of the second job, and the most refusals that one request met in
    /// a row.
    async fn two_jobs(minutes: usize, fixed_window: bool) -> ([Vec<usize>; 2], u32) {
        const QUOTA: usize = 200;
        let began = Instant::now();
        let passed = Arc::new(std::sync::Mutex::new(Vec::<(usize, Instant)>::new()));
        let worst = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let head_start = Duration::from_secs(90);
        let mut workers = tokio::task::JoinSet::new();
        for job in 0..2 {
            let throttle = Arc::new(Throttle::new(200.0));
            for _ in 0..5 {
                let (throttle, passed, worst) = (Arc::clone(&throttle), Arc::clone(&passed), Arc::clone(&worst));
                workers.spawn(async move {
                    sleep(head_start * u32::try_from(job).unwrap()).await;
                    let mut in_a_row = 0;
                    while began.elapsed() < head_start + MINUTE * u32::try_from(minutes).unwrap() {
                        throttle.admit(&unwatched).await;
                        let sent = Instant::now();
                        let wait = {
                            let mut passed = passed.lock().unwrap();
                            let minute = |at: Instant| (at - began).as_secs() / 60;
                            let counts = |at: Instant| {
                                if fixed_window { minute(at) == minute(sent) } else { sent - at < MINUTE }
                            };
                            let oldest = passed.iter().map(|(_, at)| *at).find(|at| counts(*at));
                            let full = passed.iter().rev().take_while(|(_, at)| counts(*at)).count() >= QUOTA;
                            match oldest.filter(|_| full) {
                                Some(oldest) if !fixed_window => Some(MINUTE.saturating_sub(sent - oldest)),
                                Some(_) => Some(Duration::from_secs(60 - (sent - began).as_secs() % 60)),
                                None => {
                                    passed.push((job, sent));
                                    None
                                }
                            }
                        };
                        sleep(Duration::from_secs(1)).await;
                        in_a_row = if wait.is_some() { in_a_row + 1 } else { 0 };
                        worst.fetch_max(in_a_row, std::sync::atomic::Ordering::Relaxed);
                        if let Some(wait) = wait {
                            // The service's `Retry-After` is in whole seconds.
                            let wait = Duration::from_secs(wait.as_secs() + 1);
                            throttle.refused(sent);
                            throttle.pause_until(Instant::now() + wait);
                        }
                    }
                });
            }
        }
        workers.join_all().await;
        let mut counts = [vec![0; minutes], vec![0; minutes]];
        for (job, at) in passed.lock().unwrap().iter() {
            let since = at.saturating_duration_since(began + head_start);
            let minute = usize::try_from(since.as_secs() / 60).unwrap();
            if *at >= began + head_start && minute < minutes {
                counts[*job][minute] += 1;
            }
        }
        (counts, worst.load(std::sync::atomic::Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn two_jobs_on_one_quota_both_get_on() {
        for fixed_window in [false, true] {
            let (counts, worst) = two_jobs(40, fixed_window).await;
            let late = counts.each_ref().map(|counts| counts[20..].iter().sum::<usize>() / 20);
            assert!(late.iter().all(|&count| count >= 60), "{fixed_window}: {late:?}");
            assert!(late.iter().sum::<usize>() >= 160, "{fixed_window}: {late:?}");
            assert!(worst <= 3, "{fixed_window}: {worst}");
        }
    }
}
