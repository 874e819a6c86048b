//! Moves a Zendesk Chat account's data, completely and incrementally, to wherever people analyse it.
//!
//! In reading order: what the service offers ([`source`]), how an account is reached ([`access`]) and asked ([`client`]),
//! how its records become columns ([`columns`]) of a [`dataset`], where they go ([`sink`]), what a [`run`] reads of them, and
//! the [`commands`].

pub mod access;
pub mod atomic_file;
pub mod cli;
pub mod client;
pub mod clock;
pub mod columns;
pub mod commands;
pub mod config;
pub mod dataset;
pub mod error;
pub mod json;
pub mod logging;
pub mod nearest;
pub mod position;
pub mod progress;
pub mod protocol;
pub mod run;
pub mod sandbox;
pub mod secrets;
pub mod signals;
pub mod sink;
pub mod source;
pub mod stdout;
pub mod wire;
