//! A run: what it reads ([`plan`], and [`dump_plan`] for a dataset), and how ([`sync`]).

pub mod dump_plan;
pub mod plan;
pub mod sync;
