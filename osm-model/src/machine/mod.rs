//! `machines.yml`: the machines of a vSphere, and what is to become of them.
//!
//! An inventory writes it, a person edits its `params` and `_migration_params`, and the next inventory keeps both.

mod entry;

pub use self::entry::{
    DiskParams, Machine, MachineDisk, MachineInfo, MachineMigration, MachineNic, MachineParams, NicParams,
};

use crate::error::{Context, Error, ErrorKind, Result};
use crate::record::{Field as _, Form, ProblemKind, Reader};
use crate::yaml::{self, Map, Node};

const MACHINES: &str = "machines";
const VCENTER: &str = "vcenter";

/// The machines of a vSphere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MachinesFile {
    /// The id of the vCenter that they are in; ESXi hosts have none.
    pub vcenter: Option<String>,
    /// By name.
    pub machines: Vec<Machine>,
}

impl MachinesFile {
    /// Its name in the data directory.
    pub const FILE_NAME: &str = "machines.yml";

    /// Reads the file.
    ///
    /// # Errors
    /// `Syntax` or `Field`, with the first fault and where it is.
    pub fn parse(text: &str) -> Result<Self> {
        let node = yaml::load(text)?;
        let list = node.as_map().and_then(|map| map.get(MACHINES));
        let (Some(map), Some(list)) = (node.as_map(), list.and_then(Node::as_list)) else {
            let message = format!(
                "it is a mapping with the list `{MACHINES}` in it; found {}: take the inventory again",
                node.describe()
            );
            return Err(Error::new(ErrorKind::Syntax, message));
        };
        let mut reader = Reader::default();
        let mut machines = Vec::new();
        for (index, node) in list.iter().enumerate() {
            let name = node.as_map().and_then(|map| map.get("_info")?.as_map()?.get("name")?.as_str());
            let at = name.map_or_else(|| format!("{MACHINES}[{index}]"), str::to_owned);
            machines.extend(reader.at_key(&at, |reader| Machine::read(node, reader)));
        }
        if let Some(problem) = reader.into_problems().into_iter().next() {
            let what = match problem.kind {
                ProblemKind::Unknown => format!("{}: correct its name, or take it out", problem.message),
                _ => problem.message,
            };
            let context = Context { field: Some(problem.path), ..Context::default() };
            return Err(Error::new(ErrorKind::Field, what).with_context(context));
        }
        let vcenter = map.get(VCENTER).filter(|node| !node.is_null()).map(Node::to_plain_string);
        Ok(Self { vcenter, machines })
    }

    /// The text of the file.
    pub fn to_yaml(&self) -> String {
        let mut map = Map::default();
        map.insert(Node::text(MACHINES), self.machines.write(Form::File));
        map.insert(Node::text(VCENTER), self.vcenter.write(Form::File));
        yaml::dump(&Node::Map(map))
    }

    /// Takes over what is known newly: what was edited stays, disks and cards that are new are added.
    pub fn merge(&mut self, newer: Self) {
        self.vcenter = newer.vcenter.or(self.vcenter.take());
        for machine in newer.machines {
            match self.machines.iter_mut().find(|known| known.is(&machine)) {
                Some(known) => known.renew(machine),
                None => self.machines.push(machine),
            }
        }
        self.machines.sort_by(|one, other| {
            (&one.info.name, &one.info.moref).cmp(&(&other.info.name, &other.info.moref))
        });
    }
}

impl Machine {
    /// Whether both are one machine: by the id that vCenter keeps unique, without it by reference. Never by name.
    fn is(&self, other: &Self) -> bool {
        match (&self.info.instance_uuid, &other.info.instance_uuid) {
            (Some(one), Some(other)) => one == other,
            _ => self.info.moref == other.info.moref,
        }
    }

    fn renew(&mut self, newer: Self) {
        self.info = newer.info;
        for disk in newer.params.disks {
            if !self.params.disks.iter().any(|known| known.key == disk.key) {
                self.params.disks.push(disk);
            }
        }
        for nic in newer.params.nics {
            if !self.params.nics.iter().any(|known| known.mac.eq_ignore_ascii_case(&nic.mac)) {
                self.params.nics.push(nic);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn machine(uuid: &str, name: &str) -> Machine {
        let mut machine = Machine::default();
        machine.info.instance_uuid = Some(uuid.to_owned());
        machine.info.name = name.to_owned();
        machine.params.name = name.to_owned();
        machine.params.disks = vec![DiskParams { key: 2000, ..DiskParams::default() }];
        machine
    }

    #[test]
    fn is_read_as_it_was_written() {
        let file = MachinesFile { vcenter: Some("52".into()), machines: vec![machine("a", "app01")] };
        let text = file.to_yaml();
        assert_eq!(MachinesFile::parse(&text).unwrap(), file, "{text}");
    }

    #[test]
    fn what_was_edited_stays_and_what_is_new_is_added() {
        let mut file = MachinesFile { vcenter: None, machines: vec![machine("a", "app01")] };
        file.machines[0].params.flavor = Some("m1.large".into());
        let mut renamed = machine("a", "app-one");
        renamed.params.disks.push(DiskParams { key: 2001, ..DiskParams::default() });
        file.merge(MachinesFile {
            vcenter: Some("52".into()),
            machines: vec![machine("b", "a-new"), renamed],
        });
        assert_eq!(file.machines.len(), 2);
        let known = &file.machines[1];
        assert_eq!((known.info.name.as_str(), known.params.name.as_str()), ("app-one", "app01"));
        assert_eq!(known.params.flavor.as_deref(), Some("m1.large"));
        assert_eq!(known.params.disks.len(), 2);
        assert_eq!(file.vcenter.as_deref(), Some("52"));
    }

    #[test]
    fn a_fault_names_its_machine_and_field() {
        let file = MachinesFile { vcenter: None, machines: vec![machine("a", "app01")] };
        let wrong = file.to_yaml().replace("flavor: null", "flavour: m1.large\n    flavor: null");
        let error = MachinesFile::parse(&wrong).unwrap_err();
        assert_eq!(error.context().field.as_deref(), Some("app01.params.flavour"), "{error}");
        let wrong = file.to_yaml().replace("key: 2000", "key: first");
        let error = MachinesFile::parse(&wrong).unwrap_err();
        assert_eq!(error.context().field.as_deref(), Some("app01.params.disks[0].key"), "{error}");
        for text in ["", "- a\n", "machines: {}\n"] {
            assert_eq!(MachinesFile::parse(text).unwrap_err().kind(), ErrorKind::Syntax, "{text:?}");
        }
    }
}
