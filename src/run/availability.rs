//! Decides whether a stream's failure only means that the account does not have the stream.

use crate::error::Kind;

/// What is known about a stream that failed.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is a circumstance of its own")]
pub struct Circumstances {
    /// Whether one of its pages arrived before the failure.
    pub begun: bool,
    /// Whether an earlier run has read it.
    pub known: bool,
    /// Whether the user named it.
    pub named: bool,
    /// Whether a stream that the account does not have is skipped even if the user named it.
    pub skip_unavailable: bool,
}

/// Whether a stream is skipped, because the account does not have it. In three cases the failure is an error instead:
/// an earlier run has read the stream, the user named it (unless `skip_unavailable` is set), or it failed after its
/// first page, so that records are missing.
pub fn is_unavailable(kind: Kind, circumstances: Circumstances) -> bool {
    let Circumstances { begun, known, named, skip_unavailable } = circumstances;
    let absent = matches!(kind, Kind::Forbidden | Kind::NotFound) && !begun;
    absent && !known && (skip_unavailable || !named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_absent_new_and_not_asked_for_is_passed_over() {
        // Begun, known, named, `skip_unavailable`: is the stream skipped?
        let table = [
            (false, false, false, false, true),
            (false, false, true, false, false),
            (false, false, true, true, true),
            (false, true, false, false, false),
            (false, true, true, true, false),
            (true, false, false, false, false),
            (true, false, true, true, false),
        ];
        for (begun, known, named, skip_unavailable, expected) in table {
            let circumstances = Circumstances { begun, known, named, skip_unavailable };
            for kind in [Kind::Forbidden, Kind::NotFound] {
                assert_eq!(is_unavailable(kind, circumstances), expected, "{kind:?} {circumstances:?}");
            }
            for kind in [Kind::Unauthorized, Kind::Unreachable, Kind::Paging, Kind::Refused { status: 400 }] {
                assert!(!is_unavailable(kind, circumstances), "{kind:?} {circumstances:?}");
            }
        }
    }
}
