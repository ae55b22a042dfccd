//! The session against servers that behave as the API documents say.
#![allow(clippy::unwrap_used, reason = "the test ends there")]

mod auth;
mod discovery;
mod paging;
mod retry;
mod support;
mod tls;
