//! CUTOFF: the moment up to which exports are read. Later records may still be incomplete.

use crate::position::Nanos;

/// The service refuses a start that is younger than this.
pub const SETTLING: Nanos = 300_000_000_000;

/// A further distance, for clocks that differ.
pub const MARGIN: Nanos = 60_000_000_000;

/// The moment where a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutoff {
    /// The moment. Records at it are not read.
    pub at: Nanos,
    /// Whether the two clocks differ by more than `MARGIN`. If so, the run logs a warning.
    pub clocks_differ: bool,
}

impl Cutoff {
    /// The cutoff by the earlier of two clocks: the machine's own, and the service's if its response named the time.
    pub fn of(own: Nanos, server: Option<Nanos>) -> Self {
        let server = server.unwrap_or(own);
        let clocks_differ = own.abs_diff(server) > MARGIN.unsigned_abs();
        Self { at: own.min(server) - SETTLING - MARGIN, clocks_differ }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn cutoff_is_six_minutes_before_the_earlier_clock() {
        // The machine's clock, the service's clock, the cutoff, and whether the clocks differ; in seconds.
        let table = [
            (10_000, None, 9_640, false),
            (10_000, Some(10_000), 9_640, false),
            (10_000, Some(10_060), 9_640, false),
            (10_000, Some(10_061), 9_640, true),
            (10_000, Some(9_940), 9_580, false),
            (10_000, Some(9_939), 9_579, true),
            (10_000, Some(0), -360, true),
        ];
        for (own, server, at, clocks_differ) in table {
            let cutoff = Cutoff::of(own * SECOND, server.map(|server| server * SECOND));
            assert_eq!(cutoff, Cutoff { at: at * SECOND, clocks_differ }, "{own} {server:?}");
        }
    }
}
