//! A run: what it reads ([`plan`], and [`dump_plan`] for a dataset), and how ([`sync`], and [`dump_run`] for a dataset).

mod availability;
pub mod dump_plan;
pub mod dump_run;
pub mod family;
pub mod family_run;
pub mod plan;
pub mod sync;
