//! The commands, one file each.

/// Serves a Zendesk Chat account on loopback.
pub mod sandbox;
