//! What a run does to one table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tracing::info;

use super::{Mode, Pending};
use crate::position::{self, Frontier};

impl Mode {
    /// What a mode means: whether only new records are read, and whether earlier rows of a key stay.
    fn meaning(self) -> (bool, bool) {
        match self {
            Self::Overwrite => (false, false),
            Self::Append => (false, true),
            Self::IncrementalAppend => (true, true),
            Self::IncrementalDeduped => (true, false),
        }
    }

    /// Whether only new records are read.
    pub fn is_incremental(self) -> bool {
        self.meaning().0
    }

    /// Whether earlier rows of a key stay.
    pub fn appends(self) -> bool {
        self.meaning().1
    }

    /// The mode for a stream that can only be read whole.
    #[must_use]
    pub fn of_whole(self) -> Self {
        if self.appends() { Self::Append } else { Self::Overwrite }
    }
}

/// What a dump does to one table.
#[derive(Debug, Clone)]
pub struct TableTask {
    /// The mode, adapted to the stream.
    pub mode: Mode,
    /// Whether rows that the read does not bring are removed.
    pub replaces: bool,
    /// Where the read starts, unless it continues an earlier one.
    pub start: DateTime<Utc>,
    /// Where the read ends; if none, at the cutoff.
    pub end: Option<DateTime<Utc>>,
    /// How far earlier runs read the table. The table's cursor never moves back behind that.
    pub reached: Option<Frontier>,
    /// Where the table begins, if it was read before.
    pub began: Option<DateTime<Utc>>,
    /// The types of its columns, by name.
    pub columns: BTreeMap<String, String>,
}

/// What a dump does to each table, by stream.
pub type TableTasks = BTreeMap<&'static str, TableTask>;

impl TableTask {
    /// Continues a table from where it stopped or, if it brought no rows yet, from where it begins.
    pub fn goes_on(&mut self, name: &str, began: DateTime<Utc>, since: bool) {
        if since {
            info!("{name} was not read as far as `--since` yet: it goes on from where it stopped");
        } else if self.start < began {
            info!("{name} begins at {}: `--since` reads what lies before", began.format("%Y-%m-%dT%H:%M:%SZ"));
        }
        self.start = began;
    }

    /// Whether this task can continue a pending read.
    pub fn is_of(&self, pending: &Pending) -> bool {
        (pending.mode, pending.start, pending.end) == (self.mode, self.start, self.end)
            && pending.columns == self.columns
    }

    /// The table's frontier once the read has come to `now`. It never moves back, and never past a part that was not
    /// read.
    pub fn advance<'a>(&'a self, now: Option<&'a Frontier>) -> Option<&'a Frontier> {
        match (now, &self.reached) {
            // A table that was read but brought no rows has no frontier. A read that starts after the table's beginning
            // leaves a gap, so the table still gets none.
            (_, None) if self.began.is_some_and(|began| self.start > began) => None,
            (Some(Frontier::Position(position, _)), Some(Frontier::Position(before, _))) => {
                let forward = position.nanos() >= before.nanos() && position::nanos_of(self.start) <= before.nanos();
                if forward { now } else { self.reached.as_ref() }
            }
            (now, reached) => now.or(reached.as_ref()),
        }
    }

    /// Where the table begins after this task. `before` is where it began until now.
    pub fn beginning(&self, before: Option<DateTime<Utc>>, whole: bool) -> DateTime<Utc> {
        let Some(before) = before else { return self.start };
        // An earlier beginning counts only if no gap is left between it and the old one.
        let closed = whole && self.end.is_none_or(|end| end >= before);
        if closed { self.start.min(before) } else { before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Position, Unit};

    #[test]
    fn a_stream_that_is_read_whole_keeps_what_its_mode_keeps() {
        let table = [
            (Mode::Overwrite, Mode::Overwrite),
            (Mode::Append, Mode::Append),
            (Mode::IncrementalAppend, Mode::Append),
            (Mode::IncrementalDeduped, Mode::Overwrite),
        ];
        for (mode, whole) in table {
            assert_eq!((mode.of_whole(), whole.is_incremental()), (whole, false));
        }
    }

    /// A read that starts beyond the frontier does not advance it: nobody has read the part between.
    #[test]
    fn a_table_is_read_only_as_far_as_nothing_is_left_out() {
        let at =
            |seconds: i64| Frontier::Position(Position::at(i128::from(seconds) * 1_000_000_000, Unit::Seconds), vec![]);
        // The start of the read, the frontier before, where the read came to, the frontier afterwards.
        let table = [
            (0, Some(10), Some(30), Some(30)),
            (10, Some(10), Some(30), Some(30)),
            (11, Some(10), Some(30), Some(10)),
            (0, Some(10), Some(5), Some(10)),
            (0, None, Some(30), Some(30)),
            (0, Some(10), None, Some(10)),
            (0, None, None, None),
        ];
        for (start, reached, now, expected) in table {
            let task = TableTask {
                mode: Mode::Overwrite,
                replaces: false,
                start: position::utc(i128::from(start) * 1_000_000_000),
                end: None,
                reached: reached.map(at),
                began: Some(DateTime::UNIX_EPOCH).filter(|_| reached.is_some()),
                columns: BTreeMap::new(),
            };
            let now = now.map(at);
            assert_eq!(task.advance(now.as_ref()).cloned(), expected.map(at), "{start} {reached:?} {now:?}");
        }
    }
}
