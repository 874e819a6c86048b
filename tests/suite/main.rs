//! The tests of whole runs, in one binary.
//!
//! - `account`: a sandbox account with a fixed clock, read within this process. Start here.
//! - `streams`: what holds for every stream of the table.
//! - `binary`: the built binary, run as users run it. `commands`: its output. `processes`: how it ends.
//! - `scenarios`: problems that users met, one test each. `windows`: exports that are read in parallel windows.
//! - `lake`: a dataset that runs of this process fill. `dump`: the result of such runs.
//! - `corpus`: no bytes may break a parser.
//! - `faults`: faults of the service at every request of a run.
//! - `login`: how users sign in to an account. `tokens`: runs whose token dies.
//! - `acceptance`: the checks of Airbyte's acceptance tests. `transcript`: saves output for other programs.
//! - `imports`: which module may import which. `sinks`: the contract of every sink.
//! - `table`: checks of the table of streams, and of everything that must agree with it.
//! - `dictionary`: the pages of the streams, which it also writes. `documents`: checks of every document.
//!   `markdown`: parses documents.

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
