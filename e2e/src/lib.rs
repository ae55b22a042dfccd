//! Scenarios that run on the lab and on real OpenStack clouds alike, and the rules of the house
//! that a machine can check. The scenarios are in `tests/`; here is the stage they play on.

#![forbid(unsafe_code)]

mod command;
mod stage;

pub use self::command::{Run, osm_cli};
pub use self::stage::{Side, Stage};
