//! Moves a Zendesk Chat account's data, completely and incrementally, to wherever people analyse it.

pub mod client;
pub mod clock;
pub mod config;
pub mod conform;
pub mod error;
pub mod page;
pub mod position;
pub mod secrets;
pub mod state;
pub mod state_file;
pub mod streams;
pub mod walk;
