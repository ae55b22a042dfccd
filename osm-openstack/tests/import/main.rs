//! Import: from files to a cloud, once and again.
#![allow(clippy::unwrap_used, reason = "the test ends there")]

mod fake;
mod golden;
mod group;
mod image;
mod interface;
mod reference;
#[path = "../support/mod.rs"]
mod support;
mod topology;
