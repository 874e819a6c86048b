//! Where records go. A sink *accepts* a page at once and makes it *durable* in its own time; a frontier handed over as a
//! checkpoint may be told to anyone only when all that was accepted before it is durable.

pub mod airbyte;
pub mod parquet;
