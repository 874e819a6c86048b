//! A run: its plan ([`plan`], or [`dump_plan`] for a dataset) and its execution ([`sync`], and [`dump_run`] for a
//! dataset).

mod availability;
pub mod dump_plan;
pub mod dump_run;
mod family;
mod family_run;
pub mod plan;
mod stages;
pub mod sync;
