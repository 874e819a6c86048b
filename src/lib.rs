//! Moves a Zendesk Chat account's data to wherever people analyse it.

pub mod clock;
pub mod commands;
pub mod error;
pub mod sandbox;
