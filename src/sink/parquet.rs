//! The sink of `dump`: a dataset of Parquet files.

mod commit_policy;
mod limits;
mod merge;
mod open_files;
mod parquet_file;
mod row_builders;
mod summary;
mod writer;

pub use limits::Limits;
pub use parquet_file::rows_of;
pub use summary::Summary;
pub use writer::Parquet;
