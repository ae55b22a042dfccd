//! What the variables of the VMware migration kit say, where nothing is typed.

use anyhow::Result;
use osm_migrate::vars::KitVars;
use osm_migrate::vmware::{Phase, Way};
use osm_migrate::{DataDir, Vars};
use osm_model::{Kind, NameFilter};

use super::flows;
use crate::args::{Machines, Vsphere};
use crate::exit;

/// The kit's variables; none without a variables file.
pub(super) fn of(vars: Option<&Vars>) -> Result<KitVars> {
    Ok(vars.map(Vars::kit).transpose()?.unwrap_or_default())
}

/// What the two switches of the kit mean.
pub(super) fn phase(cbt_sync: bool, cutover: bool) -> Phase {
    match (cbt_sync, cutover) {
        (true, false) => Phase::Seed,
        (true, true) => Phase::CutOver,
        (false, _) => Phase::Cold,
    }
}

/// Fills in what is not typed.
pub(super) fn fill_in(arguments: &mut Machines, vars: Option<&Vars>, kit: &KitVars) {
    fill_in_vsphere(&mut arguments.vsphere, kit);
    if let Some(folder) = kit.library.clone().filter(|_| arguments.ways.is_empty()) {
        arguments.ways = vec![Way::Vddk(folder), Way::Datastore];
    }
    for (typed, said) in [
        (&mut arguments.data_only, kit.data_only),
        (&mut arguments.no_final_sync, kit.no_final_sync),
        (&mut arguments.accept_data_loss, kit.accept_data_loss),
        (&mut arguments.create_flavor, kit.create_flavor),
    ] {
        *typed |= said;
    }
    arguments.virt_v2v_words.splice(0..0, kit.words.iter().cloned());
    // The last one of a datastore counts.
    arguments.volume_types.splice(0..0, kit.volume_types.clone());
    let timeout = vars.and_then(|vars| vars.timeout).map(|timeout| timeout.as_secs());
    arguments.timeout = arguments.timeout.or(timeout);
    for (typed, said) in [
        (&mut arguments.dst, &kit.dst),
        (&mut arguments.volume_type, &kit.volume_type),
        (&mut arguments.zone, &kit.zone),
    ] {
        if typed.is_none() {
            typed.clone_from(said);
        }
    }
}

/// Fills in how vSphere is reached; the password is no argument.
pub(super) fn fill_in_vsphere(typed: &mut Vsphere, kit: &KitVars) {
    if typed.ca.is_none() && typed.thumbprint.is_none() {
        typed.ca.clone_from(&kit.ca);
        typed.thumbprint = kit.thumbprint.filter(|_| typed.ca.is_none());
    }
    for (typed, said) in [(&mut typed.server, &kit.server), (&mut typed.user, &kit.user)] {
        if typed.is_none() {
            typed.clone_from(said);
        }
    }
}

/// Refuses to talk to just anybody.
pub(super) fn insist_on_verified(vsphere: &Vsphere, kit: &KitVars) -> Result<()> {
    match &kit.insecure {
        Some(place) if vsphere.ca.is_none() && vsphere.thumbprint.is_none() => Err(exit::usage(format!(
            "{place} is refused: the certificate of a vCenter is always verified; name its authority with --ca (or \
             `vcenter_ca_cert`) or its fingerprint with --thumbprint (or `vcenter_thumbprint`)"
        ))),
        _ => Ok(()),
    }
}

/// What is said somewhere, or which option says it.
pub(super) fn required<T>(value: Option<T>, what: &str, option: &str, variable: &str) -> Result<T> {
    value.ok_or_else(|| exit::usage(format!("{what}: give {option}, or `{variable}` in --vars")))
}

/// Which machines: those that are typed, else those of the variables.
pub(super) fn filter(
    names: &[String],
    regexes: &[String],
    vars: Option<&Vars>,
    kit: &KitVars,
) -> Result<NameFilter> {
    Ok(match (flows::named(names, regexes)?, &kit.machines, vars) {
        (Some(typed), _, _) => typed,
        (None, Some(machines), _) => NameFilter::exact(machines),
        (None, None, Some(vars)) => vars.filters.get(Kind::Workload).clone(),
        (None, None, None) => NameFilter::all(),
    })
}

/// Writes into the plan what the variables say and the plan does not.
pub(super) fn fill_plan(data_dir: &DataDir, filter: &NameFilter, kit: &KitVars) -> Result<()> {
    if let Some(mut plan) = data_dir.read_machines()?
        && kit.plan.fill(&mut plan, filter)
    {
        data_dir.write_machines(&plan)?;
    }
    Ok(())
}

/// A machine that is named and not in the plan would be left out without a word.
pub(super) fn insist_on_planned(data_dir: &DataDir, names: &[String], kit: &KitVars) -> Result<()> {
    let wanted = match names {
        [] => kit.machines.as_deref().unwrap_or_default(),
        typed => typed,
    };
    let Some(plan) = data_dir.read_machines()? else { return Ok(()) };
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|name| !plan.machines.iter().any(|machine| machine.info.name == **name))
        .map(String::as_str)
        .collect();
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(exit::usage(format!(
            "no machine of the plan has the name {}: take the inventory with osm-cli vmware inventory, or correct the name",
            missing.join(", ")
        ))),
    }
}
