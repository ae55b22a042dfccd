//! `osm-cli id-map`

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use osm_migrate::IdMap;

use super::Globals;
use super::setup::Setup;
use crate::args::{self, MapFormat};
use crate::{exit, output};

pub(crate) fn run(globals: &Globals<'_>, arguments: &args::IdMap) -> Result<ExitCode> {
    let setup = Setup::new(globals, &arguments.data)?;
    let data_dir = setup.data_dir();
    let map = data_dir.read_id_map()?.ok_or_else(|| {
        let (file, path) = (IdMap::FILE_NAME, data_dir.path().display());
        exit::usage(format!("there is no {file} in {path}: import or migrate something from it first"))
    })?;
    if globals.is_json() {
        for moved in map.entries() {
            let mut line = serde_json::to_value(moved)?;
            line["event"] = "id_map".into();
            output::json_line(&line);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let text = match arguments.format {
        MapFormat::Yaml => map.to_yaml(),
        MapFormat::Csv => map.to_csv(),
        MapFormat::Terraform => map.to_terraform(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
