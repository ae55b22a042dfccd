//! What is in the clouds before anybody asks them for anything.

mod base;
mod demo;
mod fleet;
mod organisation;
mod parts;
mod small;

use std::io;

pub(crate) use base::base;
pub(crate) use demo::demo;
pub(crate) use fleet::fleet;
pub(crate) use organisation::organisation;
pub(crate) use small::{detached_volume, small};

use crate::api::Refusal;

/// A seed that the services refuse is a bug of the seed; the caller sees it as an error.
fn refused(refusal: Refusal) -> io::Error {
    io::Error::other(format!("the lab refuses its own seed: {}", refusal.message()))
}
