//! `osm-cli vmware inventory`

use std::io::{Read as _, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use osm_vmware::{Machine, Session, SessionConfig};
use secrecy::SecretString;
use serde::Serialize;

use super::Globals;
use crate::args::{Vmware, Vsphere};
use crate::{exit, output};

pub(crate) async fn run(globals: &Globals<'_>, arguments: Vmware) -> Result<ExitCode> {
    let Vmware::Inventory(vsphere) = arguments;
    let session = connect(vsphere).await?;
    let machines = session.machines().await?;
    if let Err(error) = session.log_out().await {
        tracing::debug!(%error, "the session ends by itself");
    }
    let mut out = std::io::stdout().lock();
    for machine in &machines {
        match globals.is_json() {
            true => output::json_line(&serde_json::to_value(Line { event: "machine", machine })?),
            false => tell(machine, &mut out)?,
        }
    }
    Ok(ExitCode::from(exit::DONE))
}

async fn connect(arguments: Vsphere) -> Result<Session> {
    let Vsphere { server, user, password_file, ca } = arguments;
    let password = password(&password_file)
        .with_context(|| format!("the password cannot be read from {}", password_file.display()))?;
    Ok(Session::connect(SessionConfig { server, user, password, authorities: ca }).await?)
}

fn password(file: &Path) -> Result<SecretString> {
    let mut text = String::new();
    match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text)?,
        _ => std::fs::File::open(file)?.read_to_string(&mut text)?,
    };
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text.into())
}

#[derive(Serialize)]
struct Line<'m> {
    event: &'static str,
    #[serde(flatten)]
    machine: &'m Machine,
}

fn tell(machine: &Machine, out: &mut impl Write) -> std::io::Result<()> {
    let Machine { moref, name, cpus, memory_mib, disks, nics, concerns, .. } = machine;
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let (power, guest, firmware) = (word(&machine.power), word(&machine.guest), word(&machine.firmware));
    writeln!(out, "{name} ({moref}): {power}, {guest}, {firmware}, {cpus} CPUs, {memory_mib} MiB")?;
    for disk in disks {
        let file = disk.file.as_deref().unwrap_or("no file");
        writeln!(out, "  {}: {} MiB, {}, {file}", disk.label, disk.capacity >> 20, disk.place)?;
    }
    for nic in nics {
        writeln!(out, "  {}: {}, {}", nic.label, word(&nic.mac), word(&nic.network))?;
    }
    for concern in concerns {
        writeln!(out, "  {:?}: {}", concern.severity, concern.message)?;
    }
    Ok(())
}
