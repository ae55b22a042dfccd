//! `osm-cli export`, `validate`, `import`: whole flows over the resource files.

use std::process::ExitCode;

use anyhow::Result;
use osm_migrate::{DataDir, Event, Summary};
use osm_model::{FilterSet, Kind, NameFilter};
use serde_json::json;

use super::setup::{Setup, Side};
use super::{Globals, code_of};
use crate::args::{self, Selection};
use crate::{exit, output};

pub(crate) async fn export(globals: &Globals<'_>, arguments: args::Export) -> Result<ExitCode> {
    let setup = Setup::new(globals, &arguments.data)?;
    let (kinds, filters) = arguments.selection.resolve(&Kind::OF_TENANT, setup.filters())?;
    let session = setup.connect(Side::Src, arguments.src.as_deref()).await?;
    let check = arguments.dry.check;
    let mut data_dir = setup.data_dir().clone();
    if check {
        data_dir = data_dir.read_only();
    } else {
        data_dir.make()?;
    }
    let events = output::sink(globals.output, check);
    setup.warn(events.as_ref());
    let options = setup.export_options();
    let summary =
        osm_migrate::export(&session, &kinds, &filters, &data_dir, events.as_ref(), &options).await?;
    Ok(closed(&summary, events.as_ref()))
}

pub(crate) async fn import(globals: &Globals<'_>, arguments: args::Import) -> Result<ExitCode> {
    let setup = Setup::new(globals, &arguments.data)?;
    let (kinds, filters) = arguments.selection.resolve(&importable(), setup.filters())?;
    if let Some(kind) = kinds.iter().find(|kind| has_disks(**kind)) {
        let instead = match kind {
            Kind::Workload => "use `osm-cli migrate`",
            _ => "use `osm-cli migrate` with --detached-volumes",
        };
        return Err(exit::usage(format!("{kind} have disks and are not imported: {instead}")));
    }
    let data_dir = setup.data_dir();
    if setup.checks_files() {
        insist_on_valid(globals, data_dir)?;
    }
    let mut session = setup.connect(Side::Dst, arguments.dst.as_deref()).await?;
    if arguments.dry.check {
        session = session.read_only();
    }
    let events = output::sink(globals.output, arguments.dry.check);
    setup.warn(events.as_ref());
    let summary = osm_migrate::import(&session, &kinds, &filters, data_dir, events.as_ref()).await?;
    Ok(closed(&summary, events.as_ref()))
}

pub(crate) fn validate(globals: &Globals<'_>, arguments: &args::Validate) -> Result<ExitCode> {
    let setup = Setup::new(globals, &arguments.data)?;
    setup.warn(output::event_sink(globals.output).as_ref());
    let data_dir = setup.data_dir();
    insist_on_valid(globals, data_dir)?;
    if globals.is_json() {
        output::json_line(&json!({"event": "valid"}));
        output::json_line(&json!({"event": "summary", "changed": false, "failed": 0}));
    } else {
        println!("no errors in {}", data_dir.path().display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The kinds of a tenant that `import` creates: all but those with disks.
pub(super) fn importable() -> Vec<Kind> {
    Kind::OF_TENANT.into_iter().filter(|kind| !has_disks(*kind)).collect()
}

/// Whether resources of this kind hold disks, which only a migration can bring over.
fn has_disks(kind: Kind) -> bool {
    matches!(kind, Kind::Workload | Kind::DetachedVolume)
}

/// Prints each error the files hold; any is an error of usage.
pub(super) fn insist_on_valid(globals: &Globals<'_>, data_dir: &DataDir) -> Result<()> {
    let errors = osm_migrate::validate(data_dir)?;
    for error in &errors {
        if globals.is_json() {
            output::json_line(&json!({"event": "invalid", "result": "failed", "error": error.to_string()}));
        } else {
            eprintln!("{error}");
        }
    }
    let count = match errors.len() {
        0 => return Ok(()),
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    Err(exit::usage(format!("{count} in {}: mend the files first", data_dir.path().display())))
}

/// Tells the summary, and gives its exit code.
pub(super) fn closed(summary: &Summary, events: &dyn osm_migrate::EventSink) -> ExitCode {
    events.emit(&Event::Summary(summary.clone()));
    code_of(summary)
}

impl Selection {
    /// The kinds and name filters that were asked for; no kind means `usual`, or what only an
    /// administrator can move. Names that are typed replace the filters of the variables.
    fn resolve(&self, usual: &[Kind], mut filters: FilterSet) -> Result<(Vec<Kind>, FilterSet)> {
        let mut kinds = Vec::new();
        for word in &self.kinds {
            kinds.push(word.parse::<Kind>().map_err(|_| {
                let known: Vec<_> = Kind::IN_ORDER.iter().map(|kind| kind.word()).collect();
                exit::usage(format!("there is no kind `{word}`; the kinds are {}", known.join(", ")))
            })?);
        }
        if kinds.is_empty() {
            kinds.extend_from_slice(if self.admin { &Kind::OF_ADMINISTRATOR } else { usual });
        }
        if let Some(filter) = named(&self.names, &self.regexes)? {
            for kind in &kinds {
                filters.set(*kind, filter.clone());
            }
        }
        Ok((kinds, filters))
    }
}

/// What was named, by names and regular expressions, if anything was.
pub(super) fn named(names: &[String], regexes: &[String]) -> Result<Option<NameFilter>> {
    if names.is_empty() && regexes.is_empty() {
        return Ok(None);
    }
    let mut filter = NameFilter::exact(names);
    for pattern in regexes {
        filter = filter.or(NameFilter::regex(pattern)?);
    }
    Ok(Some(filter))
}
