//! Datasets: the result of a run, whatever happened to the runs before it.

mod crashes;
mod model;
mod modes;
mod places;
