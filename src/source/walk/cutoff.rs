//! CUTOFF: up to where exports are read. Later records may not be settled yet.

use crate::position::Nanos;

/// The service refuses to be asked for what is younger than this.
pub const SETTLING: Nanos = 300_000_000_000;

/// The distance kept from that bound, for clocks that differ.
pub const MARGIN: Nanos = 60_000_000_000;

/// Up to where a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutoff {
    /// The moment, which is not read itself.
    pub at: Nanos,
    /// Whether the two clocks differ by more than the margin: whoever watches should know.
    pub clocks_differ: bool,
}

impl Cutoff {
    /// By the machine's own clock, and by the service's if its answer told the time: the earlier of both decides.
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
        // The machine's clock, the service's, the cutoff, and whether they differ; in seconds.
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
