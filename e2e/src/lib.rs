//! Scenarios that run on the lab and on real OpenStack clouds alike, and the rules of the house
//! that a machine can check. The scenarios are in `tests/`; here is the stage they play on.

#![forbid(unsafe_code)]

pub mod arrival;
mod command;
mod guest;
mod stage;

pub use self::command::{Run, osm_cli};
pub use self::guest::Guest;
pub use self::stage::{Side, Stage};
