//! Properties that only PyYAML itself can judge: OS Migrate reads our files with it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod peer;
mod resource;
mod text;
mod value;
