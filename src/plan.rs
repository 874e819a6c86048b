//! What a run will read: the catalog, the table and the state, joined before any request is made.

use crate::conform::Conform;
use crate::error::{Error, Kind};
use crate::position::Frontier;
use crate::protocol::{Configured, SyncMode};
use crate::state::Saved;
use crate::streams::{self, Stream};
use crate::walk::{Terms, Walk};

pub mod dump;

/// One stream to be read.
#[derive(Debug)]
pub struct Planned {
    /// Which one.
    pub stream: Stream,
    /// Whether the user asked for it by name.
    pub named: bool,
    /// Whether it is read onwards from its state.
    pub onwards: bool,
    /// Whether an earlier run has read it.
    pub known: bool,
    /// How far it was delivered before this run.
    pub delivered: Option<Frontier>,
    /// What asks for its pages.
    pub walk: Walk,
    /// How its records are written.
    pub conform: Conform,
}

/// Everything a run will do.
#[derive(Debug, Default)]
pub struct Plan {
    /// The streams that can be read.
    pub streams: Vec<Planned>,
    /// The streams that cannot, by name, and why.
    pub refused: Vec<(String, Error)>,
}

/// Joins what is asked for with what there is. Without a catalog every stream is read, onwards where that loses no change.
pub fn build(catalog: Option<&[Configured]>, saved: &Saved, terms: &Terms) -> Plan {
    let mut plan = Plan::default();
    let Some(catalog) = catalog else {
        for stream in streams::all() {
            let onwards = stream.output.onwards;
            plan.add(stream, Request { named: false, onwards, selected: None }, saved, terms);
        }
        return plan;
    };
    for Configured { name, mode, selected } in catalog {
        let Some(stream) = streams::named(name) else {
            let error = Error::new(Kind::Catalog, format!("This source has no stream {name}"));
            plan.refused.push((name.clone(), error));
            continue;
        };
        // A stream without a cursor can only be read in full, whatever the catalog says; some runners always say incremental.
        let onwards = *mode == SyncMode::Incremental && stream.output.cursor.is_some();
        plan.add(stream, Request { named: true, onwards, selected: selected.as_deref() }, saved, terms);
    }
    plan
}

/// How one stream is asked for.
#[derive(Clone, Copy)]
struct Request<'a> {
    named: bool,
    onwards: bool,
    selected: Option<&'a [String]>,
}

impl Plan {
    fn add(&mut self, stream: Stream, request: Request<'_>, saved: &Saved, terms: &Terms) {
        let Request { named, onwards, selected } = request;
        let delivered = match if onwards { saved.delivered(stream) } else { Ok(None) } {
            Ok(delivered) => delivered,
            Err(error) => return self.refused.push((stream.output.name.to_owned(), error)),
        };
        let walk = Walk::new(stream, terms, delivered.as_ref());
        let conform = Conform::new(stream.output, selected);
        let known = saved.knows(stream.output.name);
        self.streams.push(Planned { stream, named, onwards, known, delivered, walk, conform });
    }
}

#[cfg(test)]
mod tests;
