//! `osm-cli export`, `validate`, `import`: whole flows over the resource files.

use std::process::ExitCode;

use anyhow::Result;
use osm_migrate::{DataDir, Event, Summary};
use osm_model::{FilterSet, Kind, NameFilter};
use serde_json::json;

use super::{Globals, code_of};
use crate::args::{self, Selection};
use crate::{exit, output};

pub(crate) async fn export(globals: &Globals<'_>, arguments: args::Export) -> Result<ExitCode> {
    let (kinds, filters) = arguments.selection.resolve()?;
    let session = globals.connect(&arguments.src).await?;
    let data_dir = DataDir::new(arguments.data.data_dir);
    let events = output::event_sink(globals.output);
    let summary = osm_migrate::export(&session, &kinds, &filters, &data_dir, events.as_ref()).await?;
    Ok(closed(&summary, events.as_ref()))
}

pub(crate) async fn import(globals: &Globals<'_>, arguments: args::Import) -> Result<ExitCode> {
    let (kinds, filters) = arguments.selection.resolve()?;
    let data_dir = DataDir::new(arguments.data.data_dir);
    if !accepted(globals, &data_dir)? {
        return Ok(ExitCode::from(exit::USAGE));
    }
    let session = globals.connect(&arguments.dst).await?;
    let events = output::event_sink(globals.output);
    let summary = osm_migrate::import(&session, &kinds, &filters, &data_dir, events.as_ref()).await?;
    Ok(closed(&summary, events.as_ref()))
}

pub(crate) fn validate(globals: &Globals<'_>, arguments: &args::Validate) -> Result<ExitCode> {
    let data_dir = DataDir::new(&arguments.data.data_dir);
    if !accepted(globals, &data_dir)? {
        return Ok(ExitCode::from(exit::USAGE));
    }
    if globals.is_json() {
        output::json_line(&json!({"event": "valid"}));
    } else {
        println!("no errors in {}", data_dir.path().display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the files hold no error; prints each error they hold.
pub(super) fn accepted(globals: &Globals<'_>, data_dir: &DataDir) -> Result<bool> {
    let errors = osm_migrate::validate(data_dir)?;
    for error in &errors {
        let error = format!("{:#}", anyhow::Error::msg(error.to_string()));
        if globals.is_json() {
            output::json_line(&json!({"event": "invalid", "error": error}));
        } else {
            eprintln!("{error}");
        }
    }
    if !errors.is_empty() && !globals.is_json() {
        eprintln!("osm-cli: {} errors in {}", errors.len(), data_dir.path().display());
    }
    Ok(errors.is_empty())
}

/// Tells the summary, and gives its exit code.
pub(super) fn closed(summary: &Summary, events: &dyn osm_migrate::EventSink) -> ExitCode {
    events.emit(&Event::Summary(summary.clone()));
    code_of(summary)
}

impl Selection {
    /// The kinds and name filters that were asked for.
    fn resolve(&self) -> Result<(Vec<Kind>, FilterSet)> {
        let mut kinds = Vec::new();
        for word in &self.kinds {
            kinds.push(word.parse::<Kind>().map_err(|_| {
                let known: Vec<_> = Kind::IN_ORDER.iter().map(|kind| kind.word()).collect();
                exit::usage(format!("there is no kind `{word}`; the kinds are {}", known.join(", ")))
            })?);
        }
        if kinds.is_empty() {
            kinds.extend(Kind::IN_ORDER);
        }
        let mut filters = FilterSet::default();
        if !self.names.is_empty() || !self.regexes.is_empty() {
            let mut filter = NameFilter::exact(&self.names);
            for pattern in &self.regexes {
                filter = filter.or(NameFilter::regex(pattern)?);
            }
            for kind in &kinds {
                filters.set(*kind, filter.clone());
            }
        }
        Ok((kinds, filters))
    }
}
