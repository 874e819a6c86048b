//! Copies the data of a Zendesk Chat account, completely and incrementally, to where people analyse it.
//!
//! In reading order: what the service offers ([`source`]), the credentials and the address of an account ([`access`]),
//! the requests to it ([`client`]), the derivation of [`rows`] from a record and their conversion into the [`columns`] of
//! a [`dataset`], the outputs ([`sink`]), the course of a [`run`], and the [`commands`].

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
pub mod rows;
pub mod run;
pub mod sandbox;
pub mod secrets;
pub mod signals;
pub mod sink;
pub mod source;
pub mod stdout;
pub mod wire;
