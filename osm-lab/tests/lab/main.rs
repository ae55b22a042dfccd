//! The lab as a client sees it: over HTTP, and through the files it holds.

mod faults;
mod http;
mod identity;
mod images;
mod networks;
mod seeds;
mod servers;
mod volumes;
