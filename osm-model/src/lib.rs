//! OS Migrate resource files: types, references, filters, validation. No I/O.
//!
//! A resource file holds a version and a list of [`Resource`]s. Each resource has `params`
//! (what is imported and compared), `_info` (what the source said, for the reader) and
//! `_migration_params` (how to migrate). The files are the ones that OS Migrate reads and
//! writes, byte for byte; what a file holds beyond the format is kept when it is rewritten.
//!
//! ```
//! use osm_model::{OS_MIGRATE_VERSION, Resource, ResourceFile, SecurityGroup, Upsert};
//!
//! let mut group = SecurityGroup::default();
//! group.params.name = Some("web".to_owned());
//! group.info.id = Some("1359ec88-4873-40d2-aa0b-18ad0588f107".to_owned());
//!
//! let mut file = ResourceFile::new();
//! assert_eq!(file.upsert(Resource::SecurityGroup(group)), Upsert::Appended);
//! let text = file.to_yaml();
//! assert!(text.contains("  params:\n    description: null\n    name: web\n"));
//! assert_eq!(ResourceFile::parse(&text, OS_MIGRATE_VERSION)?, file);
//! # Ok::<(), osm_model::Error>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod file;
mod filter;
mod kind;
pub mod machine;
mod record;
mod reference;
mod resource;
mod supplement;
mod validate;
pub mod yaml;

pub use error::{Context, Error, ErrorKind, Result, Retry};
pub use file::{OS_MIGRATE_VERSION, ResourceFile, Upsert};
pub use filter::{FilterSet, NameFilter};
pub use kind::Kind;
pub use record::Extra;
pub use reference::{AUTH, Reference};
pub use resource::*;
pub use supplement::{Addition, AddressPair, Supplement};
pub use validate::validate;
