//! Decides when a long read is committed before its end, and whether the end of a read is committed.

use chrono::TimeDelta;

use super::Limits;
use crate::sink::End;

/// What a writer has accepted since its last commit.
#[derive(Debug, Clone, Copy)]
pub struct Uncommitted {
    /// The size of its JSON, in bytes.
    pub bytes: usize,
    /// Whether there is a position from which a later run can continue.
    pub has_position: bool,
    /// Whether accepted rows may have been lost.
    pub broken: bool,
}

/// Whether a checkpoint is committed at once. A commit costs requests and leaves small files; uncommitted records must
/// be read again.
pub fn is_due(limits: &Limits, bytes: usize, since_last: TimeDelta) -> bool {
    bytes >= limits.uncommitted || since_last >= limits.unsaved
}

/// Whether the end of a read is committed. A read that broke off is committed only if it brought rows, lost none, and
/// left a position from which a later run can continue.
pub fn ends_in_commit(end: End, uncommitted: Uncommitted) -> bool {
    let Uncommitted { bytes, has_position, broken } = uncommitted;
    end != End::Early || (bytes > 0 && has_position && !broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_due_by_size_or_by_time() {
        let limits = Limits { uncommitted: 100, unsaved: TimeDelta::seconds(120), ..Limits::default() };
        let table = [(0, 0, false), (99, 119, false), (100, 0, true), (0, 120, true), (500, 500, true)];
        for (bytes, seconds, due) in table {
            assert_eq!(is_due(&limits, bytes, TimeDelta::seconds(seconds)), due, "{bytes} {seconds}");
        }
    }

    #[test]
    fn a_read_that_broke_off_is_committed_as_far_as_another_can_go_on() {
        // The bytes, whether there is a position, whether rows may be lost, and whether a read that broke off is
        // committed.
        let table = [(1, true, false, true), (0, true, false, false), (1, false, false, false), (1, true, true, false)];
        for (bytes, has_position, broken, committed) in table {
            let uncommitted = Uncommitted { bytes, has_position, broken };
            assert_eq!(ends_in_commit(End::Early, uncommitted), committed, "{uncommitted:?}");
            assert!(ends_in_commit(End::WithGap, uncommitted) && ends_in_commit(End::Whole(7), uncommitted));
        }
    }
}
