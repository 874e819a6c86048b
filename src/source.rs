//! What the service offers, without I/O: the table of streams, what an answer holds, the rules by which an export is read,
//! and the forms in which it is kept how far that came.

pub mod page;
pub mod state_format;
pub mod streams;
pub mod walk;
