//! The sink of `dump`: a dataset of Parquet files.

pub mod columns;
