//! The lab as a client sees it: over HTTP, and through the files it holds.

#![allow(clippy::unwrap_used, reason = "a test helper that fails fails its test")]

mod areas;
mod faults;
mod http;
mod identity;
mod images;
mod networks;
mod nfc;
mod seeds;
mod servers;
mod soap;
mod vcenter;
mod volumes;
