//! The guest made fit for the destination: never on the only copy, all its disks together.

use super::Conversion;
use super::job::MachineJob;
use super::record::{self, Record, State};
use super::volume::Copies;
use crate::agent::{AgentCommand, ConvertDisk, ConvertOrder, ConvertStep, Report, VirtV2v};
use crate::course::Done;
use crate::workload::tag::pairs;
use crate::{Error, ErrorKind, Result, Step};

impl MachineJob<'_> {
    /// What makes the guest fit.
    fn conversion(&self) -> Result<Conversion> {
        match (self.plan.migration_params.conversion.as_deref(), &self.options().conversion) {
            (None, given) => Ok(given.clone()),
            (Some("none"), _) => Ok(Conversion::None),
            (Some("virt-v2v"), Conversion::VirtV2v(how)) => Ok(Conversion::VirtV2v(how.clone())),
            (Some("virt-v2v"), Conversion::None) => Ok(Conversion::VirtV2v(VirtV2v::default())),
            (Some(other), _) => Err(Error::new(ErrorKind::Data, format!("there is no conversion `{other}`"))
                .with_object(format!("_migration_params.conversion of machine {}", self.course.name))
                .with_hint("write virt-v2v, none, or null for what the command says")),
        }
    }

    /// Whether the conversion host has what the conversion takes; asked before the machine is stopped.
    pub(super) async fn check_converter(&self) -> Result<()> {
        let Conversion::VirtV2v(how) = self.conversion()? else { return Ok(()) };
        self.convert_by(ConvertStep::Check, &how, Vec::new()).await.map(drop)
    }

    /// Converts the guest, and says so on all volumes of the machine. One that fails leaves the copies as they are.
    pub(super) async fn convert(&self, copies: &Copies) -> Result<()> {
        let Conversion::VirtV2v(how) = self.conversion()? else {
            return self
                .step(
                    Step::ConvertGuest,
                    self.mark_all(copies, "not needed, as the plan or the command says"),
                )
                .await;
        };
        let devices = self.step(Step::AttachDestination, self.attach(copies)).await?;
        let mut disks: Vec<(i32, ConvertDisk)> = Vec::new();
        for ((key, record), device) in copies.keyed().zip(devices) {
            let disk = ConvertDisk {
                device: device.path,
                volume: record.id().to_owned(),
                devices: device.identity.devices,
            };
            disks.push((key, disk));
        }
        // virt-v2v looks for the system on the first one first.
        disks.sort_by_key(|(key, _)| *key != self.boot_key());
        let disks: Vec<ConvertDisk> = disks.into_iter().map(|(_, disk)| disk).collect();
        self.step(Step::ConvertGuest, self.convert_disks(copies, &how, disks)).await?;
        self.step(Step::DetachDestination, self.detach()).await
    }

    async fn convert_disks(
        &self,
        copies: &Copies,
        how: &VirtV2v,
        disks: Vec<ConvertDisk>,
    ) -> Result<Done<()>> {
        let detail = self.convert_by(ConvertStep::Convert, how, disks.clone()).await?;
        // From here on the copies are being changed: whoever finds them so compares them with their source.
        for record in copies.all() {
            self.dst.tag_volume(record.id(), pairs([(record::STATE, State::Converting.word())])).await?;
        }
        self.convert_by(ConvertStep::Commit, how, disks).await?;
        self.mark_all(copies, &detail).await
    }

    /// The kit says of the boot volume alone that its guest is converted; it is of all.
    pub(super) async fn mark_rest(&self, copies: &Copies) -> Result<()> {
        for record in copies.all().filter(|record| !record.converted) {
            self.mark_converted(record).await?;
        }
        Ok(())
    }

    async fn mark_all(&self, copies: &Copies, detail: &str) -> Result<Done<()>> {
        for record in copies.all() {
            self.mark_converted(record).await?;
        }
        Ok(Done::new((), detail))
    }

    async fn mark_converted(&self, record: &Record) -> Result<()> {
        let words = pairs([(record::CONVERTED, "true"), (record::STATE, State::Converted.word())]);
        self.dst.tag_volume(record.id(), words).await
    }

    /// Has an agent do a step of the conversion; gives what it says.
    async fn convert_by(&self, step: ConvertStep, how: &VirtV2v, disks: Vec<ConvertDisk>) -> Result<String> {
        let order = ConvertOrder {
            step,
            job: self.course.id.to_owned(),
            disks,
            uefi: self.machine.firmware.as_deref() == Some("efi"),
            windows: self.machine.is_windows(),
            how: how.clone(),
        };
        let (mut agent, _near) = self.order(AgentCommand::Convert, &order).await?;
        match agent.last_report(|_| {}).await? {
            Some(Report::Converted { detail, warnings }) => {
                for warning in warnings {
                    self.course.warn(warning).await;
                }
                Ok(detail)
            }
            _ => Err(Error::new(ErrorKind::Agent, "the conversion ended without a result")),
        }
    }
}
