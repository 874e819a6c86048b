//! The sink of `dump`: a dataset of Parquet files.

mod commit_policy;
mod merge;
mod open_files;
mod parquet_file;
mod row_builders;
mod writer;

pub use parquet_file::rows_of;
pub use writer::{Limits, Parquet, Summary};
