//! The plan: what vSphere has, as a file that a person edits.

use osm_model::NameFilter;
use osm_model::machine::{
    DiskParams, Machine, MachineDisk, MachineInfo, MachineMigration, MachineNic, MachineParams, MachinesFile,
    NicParams,
};
use osm_vmware::Session;

use crate::{DataDir, Result};

/// Reads the machines of a vSphere that pass the filter into the plan of the data directory. What was edited there
/// stays. Gives the machines.
///
/// # Errors
/// vSphere does not tell, or the plan cannot be read or written.
pub async fn inventory(
    vsphere: &Session,
    filter: &NameFilter,
    data_dir: Option<&DataDir>,
) -> Result<Vec<osm_vmware::Machine>> {
    let mut machines = vsphere.machines().await?;
    machines.retain(|machine| filter.matches(&machine.name));
    if let Some(data_dir) = data_dir {
        let found = MachinesFile {
            vcenter: vsphere.about().instance_uuid.clone(),
            machines: machines.iter().filter(|machine| !machine.template).map(planned).collect(),
        };
        let mut plan = data_dir.read_machines()?.unwrap_or_default();
        plan.merge(found);
        data_dir.write_machines(&plan)?;
    }
    Ok(machines)
}

/// A machine as nobody has edited it yet.
fn planned(machine: &osm_vmware::Machine) -> Machine {
    let disks = machine.disks.iter();
    let nics = machine.nics.iter().filter_map(|nic| Some((nic.mac.clone()?, nic)));
    Machine {
        info: MachineInfo {
            concerns: machine.concerns.iter().map(ToString::to_string).collect(),
            cpus: u64::from(machine.cpus),
            disks: disks
                .clone()
                .map(|disk| MachineDisk {
                    capacity: disk.capacity,
                    file: disk.file.clone(),
                    key: i64::from(disk.key),
                    label: disk.label.clone(),
                    ..MachineDisk::default()
                })
                .collect(),
            firmware: machine.firmware.clone(),
            guest: machine.guest.clone(),
            instance_uuid: machine.instance_uuid.clone(),
            memory_mib: machine.memory_mib,
            moref: machine.moref.clone(),
            name: machine.name.clone(),
            nics: nics
                .clone()
                .map(|(mac, nic)| MachineNic {
                    addresses: nic.addresses.clone(),
                    mac,
                    model: nic.model.clone(),
                    network: nic.network.clone(),
                    ..MachineNic::default()
                })
                .collect(),
            power: machine.power.clone(),
            secure_boot: machine.secure_boot,
            snapshots: machine.snapshots as u64,
            tools: machine.tools.clone(),
            change_tracking: machine.change_tracking,
            ..MachineInfo::default()
        },
        migration_params: MachineMigration::default(),
        params: MachineParams {
            disks: disks
                .map(|disk| DiskParams { key: i64::from(disk.key), ..DiskParams::default() })
                .collect(),
            name: machine.name.clone(),
            nics: nics.map(|(mac, _)| NicParams { mac, keep_mac: true, ..NicParams::default() }).collect(),
            ..MachineParams::default()
        },
        ..Machine::default()
    }
}
