//! The service as seen by a client, over real connections.

mod client;
mod exports;
mod faults;
mod gates;
mod lists;
mod sign_in;
