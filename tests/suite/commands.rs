//! The output and the exit code of each command, pinned word by word.

mod check;
mod command_line;
mod dry_run;
mod dump;
mod read;
mod secrets;
