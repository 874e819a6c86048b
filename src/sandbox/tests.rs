//! The service as a client meets it, over real connections.

mod client;
mod exports;
mod faults;
mod gates;
mod lists;
mod sign_in;
