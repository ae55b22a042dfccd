//! `osm-cli vmware inventory`, `seed`, `cutover` and `migrate`

mod kit;

use std::io::{Read as _, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use osm_migrate::agent::{self, Secret, VirtV2v};
use osm_migrate::vars::KitVars;
use osm_migrate::vmware::{Conversion, MachineMigration, MachineOptions, Phase};
use osm_migrate::{BootCheck, Cancel, DataDir, SeedOptions, Vars};
use osm_vmware::{Machine, Session, SessionConfig};
use secrecy::SecretString;
use serde::Serialize;

use super::migrate::cancel_on_interrupt;
use super::setup::{Setup, Side, warn_of};
use super::{Globals, flows};
use crate::args::{Convert, Inventory, Machines, MigrateMachines, Vmware, Vsphere};
use crate::{exit, output};

pub(crate) async fn run(globals: &Globals<'_>, arguments: Vmware) -> Result<ExitCode> {
    match arguments {
        Vmware::Inventory(inventory) => take_inventory(globals, *inventory).await,
        Vmware::Seed(machines) => work(globals, *machines, |_| Phase::Seed).await,
        Vmware::Cutover(machines) => work(globals, *machines, |_| Phase::CutOver).await,
        Vmware::Migrate(migrate) => {
            let MigrateMachines { machines, cbt_sync, cutover } = *migrate;
            let phase =
                |kit: &KitVars| kit::phase(cbt_sync.unwrap_or(kit.cbt_sync), cutover.unwrap_or(kit.cutover));
            work(globals, machines, phase).await
        }
    }
}

async fn take_inventory(globals: &Globals<'_>, arguments: Inventory) -> Result<ExitCode> {
    let Inventory { names, regexes, data_dir, vars, check, mut vsphere } = arguments;
    let vars = (!vars.is_empty()).then(|| Vars::load(&vars)).transpose()?;
    let kit = kit::of(vars.as_ref())?;
    warn_of(vars.as_ref(), output::event_sink(globals.output).as_ref());
    let filter = kit::filter(&names, &regexes, vars.as_ref(), &kit)?;
    kit::fill_in_vsphere(&mut vsphere, &kit);
    let session = Session::connect(config(vsphere, &kit)?).await?;
    let data_dir = data_dir.or_else(|| vars.as_ref()?.data_dir.clone()).filter(|_| !check).map(DataDir::new);
    let machines = osm_migrate::vmware::inventory(&session, &filter, data_dir.as_ref()).await?;
    if let Some(data_dir) = &data_dir {
        kit::fill_plan(data_dir, &filter, &kit)?;
    }
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

async fn work(
    globals: &Globals<'_>,
    mut arguments: Machines,
    phase: impl FnOnce(&KitVars) -> Phase,
) -> Result<ExitCode> {
    let setup = Setup::new(globals, &arguments.data)?;
    let events = output::event_sink(globals.output);
    setup.warn(events.as_ref());
    let kit = kit::of(setup.vars.as_ref())?;
    kit::fill_in(&mut arguments, setup.vars.as_ref(), &kit);
    let filter = kit::filter(&arguments.names, &arguments.regexes, setup.vars.as_ref(), &kit)?;
    kit::insist_on_planned(setup.data_dir(), &arguments.names, &kit)?;
    if !arguments.check {
        kit::fill_plan(setup.data_dir(), &filter, &kit)?;
    }
    let options = options(&arguments);
    let config = config(arguments.vsphere, &kit)?;
    let reach = reach(&config);
    let dst = setup.connect(Side::Dst, arguments.dst.as_deref()).await?;
    let host = setup.host(Side::Dst, arguments.dst_host.as_deref())?.open(&dst).await;
    let host = host.context("the conversion host of dst")?;
    let vsphere = Session::connect(config).await?;
    let data_dir = setup.data_dir().clone();
    let cancel = Cancel::default();
    let interrupt = tokio::spawn(cancel_on_interrupt(cancel.clone()));
    let stay = tokio::spawn({
        let vsphere = vsphere.clone();
        async move { vsphere.stay().await }
    });
    let migration = MachineMigration {
        vsphere: vsphere.clone(),
        reach,
        dst,
        host,
        state: Arc::new(data_dir.open_state()?),
        data_dir,
        events: Arc::clone(&events),
        options,
        cancel,
    };
    let summary = migration.run(&filter, phase(&kit)).await;
    interrupt.abort();
    stay.abort();
    if let Err(error) = vsphere.log_out().await {
        tracing::debug!(%error, "the session ends by itself");
    }
    Ok(flows::closed(&summary?, events.as_ref()))
}

fn options(arguments: &Machines) -> MachineOptions {
    let usual = MachineOptions::default();
    MachineOptions {
        check: arguments.check,
        machines: arguments.machines,
        disks: arguments.disks,
        ways: if arguments.ways.is_empty() { usual.ways.clone() } else { arguments.ways.clone() },
        enable_tracking: arguments.enable_cbt,
        patience: Duration::from_secs(arguments.shutdown_wait),
        snapshot_wait: Duration::from_secs(arguments.snapshot_wait),
        hard_off: !arguments.no_hard_off,
        conversion: match arguments.convert {
            Convert::None => Conversion::None,
            Convert::VirtV2v => Conversion::VirtV2v(VirtV2v {
                program: arguments.virt_v2v.clone(),
                virtio_win: arguments.virtio_win.clone(),
                virtio_win_sha256: arguments.virtio_win_sha256.clone(),
                scratch: arguments.scratch.clone(),
                words: arguments.virt_v2v_words.clone(),
            }),
        },
        data_only: arguments.data_only,
        final_sync: !arguments.no_final_sync,
        accept_data_loss: arguments.accept_data_loss,
        passes: arguments.passes.unwrap_or(if arguments.max_downtime.is_some() {
            SeedOptions::MANY_PASSES
        } else {
            1
        }),
        max_downtime: arguments.max_downtime.map(Duration::from_secs),
        until: arguments.until,
        per_host: arguments.per_esxi_host,
        per_vcenter: arguments.per_vcenter,
        create_flavor: arguments.create_flavor,
        boot_check: (arguments.check_console.is_some() || arguments.check_port.is_some()).then(|| {
            BootCheck {
                console: arguments.check_console.clone(),
                port: arguments.check_port,
                wait: Duration::from_secs(arguments.check_wait),
            }
        }),
        prove: !arguments.no_read_back,
        compare_all: arguments.compare_all,
        trust_kit: arguments.trust_kit_seed,
        volume_types: arguments.volume_types.iter().cloned().collect(),
        volume_type: arguments.volume_type.clone(),
        zone: arguments.zone.clone(),
        timeout: arguments.timeout.map_or(usual.timeout, Duration::from_secs),
        segment: arguments.segment_mib.max(1) << 20,
    }
}

/// How agents on the conversion host reach the vSphere: as this program does.
fn reach(config: &SessionConfig) -> agent::Vsphere {
    agent::Vsphere {
        server: config.server.clone(),
        user: config.user.clone(),
        password: Secret(config.password.clone()),
        authorities: config.authorities.clone(),
        thumbprint: config.thumbprint.map(|thumbprint| thumbprint.to_string()),
    }
}

fn config(arguments: Vsphere, kit: &KitVars) -> Result<SessionConfig> {
    kit::insist_on_verified(&arguments, kit)?;
    let Vsphere { server, user, password_file, ca, thumbprint } = arguments;
    let server = kit::required(server, "no vCenter is named", "--server HOST", "vcenter_hostname")?;
    let user = kit::required(user, "no user of the vCenter is named", "--user USER", "vcenter_username")?;
    let password = match password_file {
        Some(file) => Some(
            password(&file)
                .with_context(|| format!("the password cannot be read from {}", file.display()))?,
        ),
        None => kit.password.clone(),
    };
    let of_the_user = "the user of the vCenter has no password";
    let password = kit::required(password, of_the_user, "--password-file FILE", "vcenter_password")?;
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .with_context(|| format!("the authorities cannot be read from {}", path.display()))
    };
    let authorities = ca.as_deref().map(read).transpose()?;
    Ok(SessionConfig { server, user, password, authorities, thumbprint })
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
