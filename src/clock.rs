//! The time of day, passed as an argument: a run with a fixed clock can be repeated to the byte.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// The source of the time of day wherever a run needs it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The machine's own clock.
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock enters")]
    pub fn system() -> Self {
        Self(Arc::new(Utc::now))
    }

    /// A clock that returns the result of `now`.
    pub fn from_fn(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that stands still.
    pub fn fixed(moment: DateTime<Utc>) -> Self {
        Self::from_fn(move || moment)
    }

    /// The time of day now.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Clock({})", self.now())
    }
}
