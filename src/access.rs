//! The address of an account, signing in to it, and the storage of its tokens.

pub mod document;
pub mod oauth;
pub mod origin;
pub mod token_store;
