//! The sink of `dump`: a dataset of Parquet files.

mod file;
mod files;
mod lanes;
mod merge;
mod writer;

pub use file::rows_of;
pub use writer::{Limits, Parquet, Summary};
