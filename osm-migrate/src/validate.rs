//! The check of a data directory's resource files.

use crate::{DataDir, Result};

/// Every error of every resource file of the directory, duplicates across files included.
///
/// # Errors
/// The directory cannot be read.
pub fn validate(data_dir: &DataDir) -> Result<Vec<osm_model::Error>> {
    Ok(osm_model::validate(&data_dir.texts()?))
}
