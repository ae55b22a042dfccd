//! Which cloud to speak to and as whom: clouds.yaml, secure.yaml,
//! clouds-public.yaml and `OS_*`, with the rules of the Python SDK.
//!
//! [`ConfigSources`] says where to look, [`CloudConfig::load`] picks a cloud.
//! Everything that can be wrong with a file is found here, and said with the
//! file, the line, the key and what to do.

mod auth;
mod cloud;
mod document;
mod entry;
mod merge;
mod select;
mod sources;

pub use cloud::{CloudConfig, Interface};
pub use sources::ConfigSources;

#[cfg(test)]
mod tests;
