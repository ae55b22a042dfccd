//! The same answers of a cloud give the same files that OS Migrate 1.0.5 wrote from them.
//!
//! `OSM_GOLDEN_DIR` names a folder like `public/` beside this file, recorded from any cloud.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the test ends there")]

mod answer;
mod difference;
mod export;
mod json;
mod recording;
mod replay;
