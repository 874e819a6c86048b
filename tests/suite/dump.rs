//! Datasets: what a run makes of what was there, whatever happened to the runs before it.

mod crashes;
mod model;
mod modes;
mod places;
