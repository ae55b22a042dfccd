//! Import: from files to a cloud, once and again.
#![allow(clippy::unwrap_used, reason = "the test ends there")]

mod fake;
mod flavor;
mod golden;
mod group;
mod identity;
mod image;
mod interface;
mod reference;
#[path = "../support/mod.rs"]
mod support;
mod topology;
