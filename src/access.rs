//! How an account is reached and signed in to, and where what that brings is kept.

pub mod document;
pub mod oauth;
pub mod origin;
pub mod token_store;
