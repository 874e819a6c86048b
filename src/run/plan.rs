//! Plans what a run will read: joins the catalog, the table of streams and the state before any request is sent.

use crate::error::{Error, Kind};
use crate::nearest::nearest;
use crate::position::Frontier;
use crate::protocol::{Configured, SyncMode};
use crate::source::state_format::Saved;
use crate::source::streams::{self, Stream};
use crate::source::walk::{Bounds, Walk};

/// One stream to be read.
#[derive(Debug)]
pub struct Planned {
    /// The stream, as the table of streams declares it.
    pub stream: &'static Stream,
    /// Whether the user named it.
    pub named: bool,
    /// Whether it is read incrementally, from its saved state.
    pub incremental: bool,
    /// Whether an earlier run has read it.
    pub known: bool,
    /// How far it is delivered: by earlier runs at first, later also by the walks that this run has ended.
    pub delivered: Option<Frontier>,
    /// Where its walk begins and ends.
    pub bounds: Bounds,
    /// The members of its records that the user selected; `None` means all.
    pub selected: Option<Vec<String>>,
}

impl Planned {
    /// The walk over its endpoint if the stream is read alone.
    pub fn walk(&self) -> Walk {
        Walk::new(self.stream, &self.bounds, self.delivered.as_ref())
    }
}

/// Everything a run will do.
#[derive(Debug, Default)]
pub struct Plan {
    /// The streams that can be read.
    pub streams: Vec<Planned>,
    /// The streams that cannot be read, each with the reason.
    pub refused: Vec<(String, Error)>,
}

/// Groups streams by endpoint: the streams of a family come from the same pages.
pub fn families(streams: Vec<Planned>) -> Vec<Vec<Planned>> {
    let mut families: Vec<Vec<Planned>> = Vec::new();
    for planned in streams {
        let path = planned.stream.endpoint().path;
        // Only exports have frontiers that say which of two streams is ahead.
        let is_together =
            |family: &&mut Vec<Planned>| planned.stream.is_export() && family[0].stream.endpoint().path == path;
        match families.iter_mut().find(is_together) {
            Some(family) => family.push(planned),
            None => families.push(vec![planned]),
        }
    }
    families
}

/// Which streams are read, and how.
#[derive(Debug, Clone)]
pub enum Choice {
    /// All streams, each incrementally if that misses no change.
    All,
    /// These streams, read in the same way.
    Streams(Vec<&'static Stream>),
    /// The streams of a catalog, read as it says.
    Catalog(Vec<Configured>),
}

/// Looks up streams by name; a name that occurs twice counts once.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Stream>, Error> {
    let mut chosen: Vec<&'static Stream> = Vec::new();
    for name in names {
        let Some(stream) = streams::named(name) else {
            let known: Vec<&str> = streams::names();
            let problem = match nearest(name, known.iter().copied()) {
                Some(meant) => format!("There is no stream {name}; the nearest is {meant}"),
                None => format!("There is no stream {name}; there are {}", known.join(", ")),
            };
            return Err(Error::new(Kind::Flags, problem));
        };
        if !chosen.iter().any(|known| known.name == name) {
            chosen.push(stream);
        }
    }
    Ok(chosen)
}

/// Builds the plan from the user's choice and the saved state.
pub fn build(choice: &Choice, saved: &Saved, bounds: &Bounds) -> Plan {
    let mut plan = Plan::default();
    let (chosen, named) = match choice {
        Choice::All => (streams::all().collect(), false),
        Choice::Streams(streams) => (streams.clone(), true),
        Choice::Catalog(catalog) => return of_catalog(catalog, saved, bounds),
    };
    for stream in chosen {
        plan.add(stream, StreamRequest { named, incremental: stream.incremental, selected: None }, saved, bounds);
    }
    plan
}

fn of_catalog(catalog: &[Configured], saved: &Saved, bounds: &Bounds) -> Plan {
    let mut plan = Plan::default();
    for Configured { name, mode, selected } in catalog {
        let Some(stream) = streams::named(name) else {
            let error = Error::new(Kind::Catalog, format!("This source has no stream {name}"));
            plan.refused.push((name.clone(), error));
            continue;
        };
        // A stream without a cursor can only be read in full, whatever the catalog says: some runners always request
        // incremental.
        let incremental = *mode == SyncMode::Incremental && stream.cursor.is_some();
        plan.add(stream, StreamRequest { named: true, incremental, selected: selected.as_deref() }, saved, bounds);
    }
    plan
}

/// How one stream is to be read.
#[derive(Clone, Copy)]
struct StreamRequest<'a> {
    named: bool,
    incremental: bool,
    selected: Option<&'a [String]>,
}

impl Plan {
    fn add(&mut self, stream: &'static Stream, request: StreamRequest<'_>, saved: &Saved, bounds: &Bounds) {
        let StreamRequest { named, incremental, selected } = request;
        let delivered = match if incremental { saved.delivered(stream) } else { Ok(None) } {
            Ok(delivered) => delivered,
            Err(error) => return self.refused.push((stream.name.to_owned(), error)),
        };
        let selected = selected.map(<[String]>::to_vec);
        let known = saved.knows(stream.name);
        self.streams.push(Planned { stream, named, incremental, known, delivered, bounds: *bounds, selected });
    }
}

#[cfg(test)]
mod tests;
