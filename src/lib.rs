//! Moves a Zendesk Chat account's data to wherever people analyse it.

pub mod client;
pub mod clock;
pub mod error;
