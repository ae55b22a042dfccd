//! `osm-cli hosts deploy`, `check` and `delete`

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use osm_migrate::conversion::{Deployment, FloatingIpPlan, HostPlan, check_link};
use osm_migrate::host::Reach;
use osm_migrate::{Event, EventSink, HostSpec, Summary};

use super::Globals;
use super::setup::{Setup, Side};
use crate::args::{self, Hosts};
use crate::{exit, output};

/// How long a host may take, unless said otherwise.
const LIMIT: Duration = Duration::from_secs(600);

/// How often it is tried whether the hosts reach each other once a rule was made: each try waits some seconds for an
/// answer, and a cloud takes some to let packets through.
const TRIES: u32 = 5;

pub(crate) async fn run(globals: &Globals<'_>, arguments: Hosts) -> Result<ExitCode> {
    let counting = Arc::new(Counting { inner: output::event_sink(globals.output), parts: Mutex::default() });
    let events: Arc<dyn EventSink> = Arc::clone(&counting) as _;
    let (which, deploy) = match &arguments {
        Hosts::Deploy(deploy) => (&deploy.which, Some(deploy.as_ref())),
        Hosts::Check(which) | Hosts::Delete(which) => (which, None),
    };
    let setup = Setup::new(globals, &which.data)?;
    setup.warn(events.as_ref());
    let wanted = |side: Side, named: &Option<String>| match (named, setup.side(side)) {
        (Some(_), _) => true,
        // Both, unless one of them was chosen.
        (None, Some(vars)) => {
            which.src.is_none()
                && which.dst.is_none()
                && match &arguments {
                    Hosts::Deploy(_) => vars.deploy,
                    Hosts::Check(_) => true,
                    Hosts::Delete(_) => vars.delete,
                }
        }
        (None, None) => false,
    };
    let mut sides = [None, None];
    let clouds = [(Side::Src, &which.src, &which.src_host), (Side::Dst, &which.dst, &which.dst_host)];
    for (slot, (side, cloud, host)) in sides.iter_mut().zip(clouds) {
        if wanted(side, cloud) {
            let plan =
                plan(setup.side(side).map(|vars| vars.plan.clone()).unwrap_or_default(), which, deploy);
            let opened = open(&setup, side, (cloud.as_deref(), host.as_deref()), which, plan, &events).await;
            *slot = Some(opened.with_context(|| format!("the conversion host of {}", side.word()))?);
        }
    }
    let [src, dst] = sides;
    if src.is_none() && dst.is_none() {
        return Err(exit::usage("no cloud is named: give --src CLOUD, --dst CLOUD or both"));
    }
    match arguments {
        Hosts::Delete(_) => {
            for deployment in [src, dst].iter().flatten() {
                deployment.delete().await?;
            }
        }
        Hosts::Deploy(_) => Box::pin(together(src, dst, true, events.as_ref())).await?,
        Hosts::Check(_) => {
            Box::pin(together(src, dst, false, events.as_ref())).await?;
            return Ok(ExitCode::from(exit::DONE));
        }
    }
    let parts = counting.parts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(super::flows::closed(&parts, events.as_ref()))
}

/// Passes events on, and counts what became of the parts of hosts.
struct Counting {
    inner: Arc<dyn EventSink>,
    parts: Mutex<Summary>,
}

impl EventSink for Counting {
    fn emit(&self, event: &Event) {
        if let Event::HostPart { outcome, .. } = event {
            self.parts.lock().unwrap_or_else(PoisonError::into_inner).count(*outcome);
        }
        self.inner.emit(event);
    }
}

/// Deploys or checks what there is, and sees whether the two reach each other.
async fn together(
    src: Option<Deployment>,
    dst: Option<Deployment>,
    deploy: bool,
    events: &dyn EventSink,
) -> Result<()> {
    let one = async |deployment: Option<&Deployment>| match deployment {
        None => Ok(None),
        Some(deployment) if deploy => deployment.deploy().await.map(Some),
        Some(deployment) => deployment.check().await.map(Some),
    };
    let beside = src.as_ref().zip(dst.as_ref()).is_some_and(|(src, dst)| src.is_beside(dst));
    let (at_src, at_dst) = match beside {
        true => (one(src.as_ref()).await?, one(dst.as_ref()).await?),
        false => tokio::try_join!(one(src.as_ref()), one(dst.as_ref()))?,
    };
    let (Some((src, at_src)), Some((dst, at_dst))) = (src.zip(at_src), dst.zip(at_dst)) else {
        return Ok(());
    };
    let mut tries = if deploy && src.admit(&at_src, &at_dst).await? { TRIES } else { 1 };
    let found = loop {
        let found = check_link((&src, &at_src), (&dst, &at_dst)).await?;
        tries -= 1;
        if tries == 0 || !matches!(found, Reach::Relayed(_)) {
            break found;
        }
    };
    events.emit(&Event::HostsLinked { direct: matches!(found, Reach::Direct(_)) });
    if let Some(message) = found.advice(at_src.spec().server(), at_dst.spec().server()) {
        events.emit(&Event::Warning { workload: None, message });
    }
    Ok(())
}

/// What is typed counts more than what the variables say.
fn plan(vars: HostPlan, which: &args::Which, deploy: Option<&args::Deploy>) -> HostPlan {
    let mut plan = vars;
    if which.external_network.is_some() {
        plan.network.external.clone_from(&which.external_network);
    }
    if let Some(network) = &which.network {
        plan.network.name.clone_from(network);
        plan.network.managed = false;
    }
    if which.no_floating_ip {
        plan.floating_ip = FloatingIpPlan::None;
    }
    let Some(deploy) = deploy else { return plan };
    if let Some(image) = &deploy.image {
        plan.image.clone_from(image);
    }
    for (wish, slot) in [(&deploy.flavor, &mut plan.flavor), (&deploy.zone, &mut plan.zone)] {
        if wish.is_some() {
            slot.clone_from(wish);
        }
    }
    plan.boot_volume_gib = deploy.boot_volume.or(plan.boot_volume_gib);
    if !deploy.ssh_from.is_empty() {
        plan.ssh_from.clone_from(&deploy.ssh_from);
    }
    plan.link_from.extend(deploy.link_from.iter().cloned());
    plan
}

async fn open(
    setup: &Setup<'_>,
    side: Side,
    (cloud, host): (Option<&str>, Option<&str>),
    which: &args::Which,
    plan: HostPlan,
    events: &Arc<dyn EventSink>,
) -> Result<Deployment> {
    let HostSpec::Ssh(ssh) = setup.host(side, host)? else {
        return Err(exit::usage("a local host is this machine, which is neither made nor deleted"));
    };
    let ssh = ssh.to_deploy(&setup.conversion());
    let session = setup.connect(side, cloud).await?;
    let vars = setup.vars.as_ref();
    let limit = which.timeout.map(Duration::from_secs).or(vars.and_then(|vars| vars.deploy_timeout));
    let key_kind = vars.map(|vars| vars.key_kind.clone()).unwrap_or_default();
    let limit = limit.unwrap_or(LIMIT);
    Ok(Deployment::new(session, plan, ssh, key_kind, Arc::clone(events), limit).await?)
}
