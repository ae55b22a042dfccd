//! YAML as PyYAML reads and writes it: version 1.1 scalars, the `safe_dump` layout.
//!
//! Numbers keep the text they were typed with, so that a rewritten file does not lose a digit.
//! The principal types are [`Node`] and [`Map`]; [`load`] and [`dump`] are inverse for every
//! file that `yaml.safe_dump` wrote.

mod emit;
mod load;
mod node;
mod resolve;
mod scalar;
#[cfg(test)]
mod tests;

pub use emit::dump;
pub use load::load;
pub use node::{Map, Node};
