//! Moves a Zendesk Chat account's data, completely and incrementally, to wherever people analyse it.
//!
//! In reading order: what there is to read ([`streams`]), what an answer holds ([`page`]) and where it lies
//! ([`position`]), the rules by which a stream is read ([`walk`]), how its records are written ([`conform`]) and how
//! far they were delivered ([`state`]); how an account is signed in to ([`oauth`]) and where what that brings is kept
//! ([`keeper`]); the door to the network ([`client`]) and the one to stdout ([`output`]);
//! the [`dataset`] that is kept; and what joins them: [`plan`], [`sync`], [`sink`] and the [`commands`].

pub mod cli;
pub mod client;
pub mod clock;
pub mod columns;
pub mod commands;
pub mod config;
pub mod conform;
pub mod dataset;
pub mod durable;
pub mod error;
pub mod json;
pub mod keeper;
pub mod logging;
pub mod nearest;
pub mod oauth;
pub mod origin;
pub mod output;
pub mod page;
pub mod plan;
pub mod position;
pub mod progress;
pub mod protocol;
pub mod sandbox;
pub mod secrets;
pub mod signals;
pub mod sink;
pub mod state;
pub mod state_file;
pub mod streams;
pub mod sync;
pub mod walk;
pub mod wire;
