//! What the service offers, without I/O: the table of streams, the content of a response, the cursor rules, and the
//! format of saved states.

pub mod page;
pub mod state_format;
pub mod streams;
pub mod walk;
