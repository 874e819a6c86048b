//! What the commands write and how they end, pinned word by word.

mod check;
mod command_line;
mod dry_run;
mod dump;
mod read;
mod secrets;
