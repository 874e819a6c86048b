//! The tests of whole runs, in one binary.
//!
//! - `account`: a sandbox account under a clock that stands still, read in this process. Start here.
//! - `streams`: what holds for every stream of the table.
//! - `binary`: the built binary, run as users run it. `commands`: what it writes. `processes`: how it ends.
//! - `scenarios`: what real users met, one test each. `windows`: exports that are read side by side.
//! - `lake`: a dataset that runs of this process fill. `dump`: what they make of it.
//! - `corpus`: what no bytes may do to a parser.
//! - `faults`: what goes wrong at the service, at every request of a run.
//! - `login`: how an account is signed in to. `tokens`: what becomes of a run whose token dies.
//! - `acceptance`: what Airbyte's acceptance tests ask of a source. `transcript`: what others may read of all these runs.
//! - `imports`: who may import whom. `sinks`: what every sink promises.
//! - `table`: what holds of the table of streams itself, and of all that must agree with it.
//! - `dictionary`: the pages of the streams, which it also makes. `documents`: what holds of every document, which `markdown`
//!   takes apart.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end on the spot")]

mod acceptance;
mod account;
mod binary;
mod commands;
mod corpus;
mod dictionary;
mod documents;
mod dump;
mod faults;
mod imports;
mod lake;
mod login;
mod markdown;
mod processes;
mod scenarios;
mod sinks;
mod streams;
mod table;
mod tokens;
mod transcript;
mod windows;
