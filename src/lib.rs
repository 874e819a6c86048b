//! Moves a Zendesk Chat account's data, completely and incrementally, to wherever people analyse it.

pub mod client;
pub mod clock;
pub mod config;
pub mod conform;
pub mod error;
pub mod logging;
pub mod output;
pub mod page;
pub mod plan;
pub mod position;
pub mod protocol;
pub mod secrets;
pub mod signals;
pub mod sink;
pub mod state;
pub mod state_file;
pub mod streams;
pub mod sync;
pub mod walk;
