//! One file a verb. Each turns arguments into a call of a library, and its result into text.

mod agent;
mod copy;
#[cfg(feature = "demo")]
mod demo;
mod flows;
mod hosts;
mod id_map;
mod migrate;
mod serve;
mod setup;
mod status;
mod verify;
mod vmware;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use osm_migrate::{ErrorKind, Summary};
use osm_openstack::{CloudConfig, ConfigSources, Session};
use osm_transfer::decorate::Patience;
use tokio::signal;

use crate::args::{Arguments, Command, Tuning, Vmware};
use crate::exit;

/// What every verb may need to know of the command line as a whole.
pub(crate) struct Globals<'a> {
    pub(crate) output: crate::args::Output,
    pub(crate) clouds: Option<&'a Path>,
}

/// Does what was asked for, or ends when the operator interrupts.
///
/// # Errors
/// Whatever kept it from being done; its exit code is [`exit::code_of`].
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { output, clouds, command, .. } = arguments;
    let globals = Globals { output, clouds: clouds.as_deref() };
    let ends_by_itself = command.ends_by_itself();
    if ends_by_itself {
        return Box::pin(dispatch(&globals, command)).await;
    }
    // Before the work begins, or a signal in its first moments ends the process without a word.
    let mut interrupt = signal::unix::signal(signal::unix::SignalKind::interrupt())?;
    let work = Box::pin(dispatch(&globals, command));
    // What is dropped here has written no half file: resource files are replaced whole, and what
    // clouds hold is found again.
    tokio::select! {
        ended = work => ended,
        Some(()) = interrupt.recv() => Err(exit::Interrupted.into()),
    }
}

async fn dispatch(globals: &Globals<'_>, command: Command) -> Result<ExitCode> {
    match command {
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo::run(globals, demo).await,
        Command::Export(export) => flows::export(globals, export).await,
        Command::Validate(validate) => flows::validate(globals, &validate),
        Command::Import(import) => flows::import(globals, import).await,
        Command::Migrate(migrate) => migrate::run(globals, *migrate).await,
        Command::Plan(migrate) => migrate::plan(globals, *migrate).await,
        Command::Seed(seed) => migrate::seed(globals, *seed).await,
        Command::Cutover(cutover) => migrate::cutover(globals, *cutover).await,
        Command::Rehearse(rehearse) => migrate::rehearse(globals, *rehearse).await,
        Command::Retry(retry) => migrate::retry(globals, *retry).await,
        Command::Cleanup(cleanup) => migrate::cleanup(globals, *cleanup).await,
        Command::Hosts(hosts) => Box::pin(hosts::run(globals, hosts)).await,
        Command::Status(status) => status::run(globals, status).await,
        Command::IdMap(map) => id_map::run(globals, &map),
        Command::Copy(copy) => copy::run(globals, copy).await,
        Command::Verify(verify) => verify::run(globals, verify).await,
        Command::Serve(serve) => serve::run(globals, serve).await,
        Command::Vmware(vmware) => Box::pin(vmware::run(globals, vmware)).await,
        Command::Agent(agent) => agent::run(agent).await,
    }
}

impl Command {
    /// Whether the verb itself knows what to do when the operator interrupts.
    fn ends_by_itself(&self) -> bool {
        match self {
            #[cfg(feature = "demo")]
            Self::Demo(demo) => demo.serve,
            Self::Migrate(_)
            | Self::Plan(_)
            | Self::Seed(_)
            | Self::Cutover(_)
            | Self::Rehearse(_)
            | Self::Retry(_)
            | Self::Cleanup(_)
            | Self::Vmware(Vmware::Seed(_) | Vmware::Cutover(_) | Vmware::Migrate(_))
            | Self::Serve(_)
            | Self::Agent(_) => true,
            _ => false,
        }
    }
}

impl Globals<'_> {
    /// A session with the cloud of this name.
    async fn connect(&self, cloud: &str) -> Result<Session> {
        let sources = match self.clouds {
            Some(file) => ConfigSources::file(file),
            None => ConfigSources::from_env(),
        };
        let config = CloudConfig::load(Some(cloud), &sources)?;
        Session::connect(config).await.with_context(|| format!("cannot log in to cloud {cloud}"))
    }

    fn is_json(&self) -> bool {
        self.output.is_json()
    }
}

impl Tuning {
    fn open_options(&self) -> osm_transfer::endpoint::OpenOptions {
        let mut options = osm_transfer::endpoint::OpenOptions::default();
        if let Some(connections) = self.connections {
            options.connections = connections;
        }
        options.patience = Some(Patience { attempts: self.retries, ..Patience::default() });
        options
    }
}

/// The exit code of a flow that ended.
fn code_of(summary: &Summary) -> ExitCode {
    ExitCode::from(if summary.has(ErrorKind::Mismatch) {
        exit::MISMATCH
    } else if summary.has(ErrorKind::Interrupted) {
        exit::INTERRUPTED
    } else if summary.has(ErrorKind::Auth) {
        exit::AUTHENTICATION
    } else if summary.failed > 0 && summary.failed == summary.total() && all_config(summary) {
        exit::USAGE
    } else if summary.failed > 0 {
        exit::FAILED
    } else {
        exit::DONE
    })
}

/// Whether the configuration is the reason of every failure.
fn all_config(summary: &Summary) -> bool {
    summary.failures.iter().all(|failure| failure.kind == ErrorKind::Config)
}
