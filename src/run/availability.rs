//! Which failure of a stream only means that the account does not have it.

use crate::error::Kind;

/// What is known of a stream that failed.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is a circumstance of its own")]
pub struct Circumstances {
    /// Whether a page of it came before.
    pub begun: bool,
    /// Whether an earlier run has read it.
    pub known: bool,
    /// Whether the user asked for it by name.
    pub named: bool,
    /// Whether what the account does not have is passed over, though it was named.
    pub skip_unavailable: bool,
}

/// Whether a stream is passed over, as the account does not have it. One that an earlier run has read is missed, one that
/// was named is wanted, and of one that has begun something is lost: those are errors.
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
        // Begun, known, named, skipped: passed over?
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
