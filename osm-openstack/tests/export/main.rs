//! Export: from a cloud's answers to files.
#![allow(clippy::unwrap_used, reason = "the test ends there")]

mod golden;
mod recorded;
#[path = "../support/mod.rs"]
mod support;
