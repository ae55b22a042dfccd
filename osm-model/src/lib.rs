//! OS Migrate resource files: types, references, filters, validation. No I/O.
//!
//! A resource file holds a version and a list of [`Resource`]s. Each resource has `params`
//! (what is imported and compared), `_info` (what the source said, for the reader) and
//! `_migration_params` (how to migrate). The files are the ones that OS Migrate reads and
//! writes, byte for byte; what a file holds beyond the format is kept when it is rewritten.

#![forbid(unsafe_code)]

mod error;
mod file;
mod filter;
mod kind;
mod record;
mod reference;
mod resource;
mod validate;
pub mod yaml;

pub use error::{Context, Error, ErrorKind, Result, Retry};
pub use file::{OS_MIGRATE_VERSION, ResourceFile, Upsert};
pub use filter::{FilterSet, NameFilter};
pub use kind::Kind;
pub use record::Extra;
pub use reference::{AUTH, Reference};
pub use resource::*;
pub use validate::validate;
