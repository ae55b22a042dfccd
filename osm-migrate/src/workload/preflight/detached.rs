//! Before a detached volume is touched: it is free, and there is a place for its copy.

use std::collections::BTreeMap;

use osm_model::{Server as Workload, ServerInfo, ServerParams, Volume};
use osm_openstack::block_storage::{Filter, Volume as Live};

use super::super::detached::is_a_copy;
use super::super::disk::{Disk, Origin};
use super::super::image_metadata::of_copy;
use super::super::place::Place;
use super::super::tag;
use super::volume::NewVolume;
use super::{Demand, Preflight};
use crate::{Error, ErrorKind, Result, Step};

/// Where the move of a volume stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workload) enum Standing {
    /// Its copy is complete.
    Moved,
    /// The destination has a volume of that name which somebody else made.
    Taken,
    /// It is to be copied, or to be copied to the end.
    Open(Demand),
}

impl Preflight<'_> {
    /// Where the move of a volume stands, and what its copy needs.
    ///
    /// # Errors
    /// `Blocked` with everything that stands in the way.
    pub(in crate::workload) async fn check_volume(&self, id: &str, volume: &Volume) -> Result<Standing> {
        let copies = self.dst.made_volumes(id, Step::CreateVolumes).await?;
        let complete =
            |copy: &Live| copy.metadata.get(tag::STATE).is_some_and(|state| state == tag::COMPLETE);
        if copies.iter().any(complete) {
            return Ok(Standing::Moved);
        }
        if copies.is_empty() && self.is_taken(id, volume).await? {
            return Ok(Standing::Taken);
        }
        let blocked = |message: String| Error::new(ErrorKind::Blocked, message).with_operation("preflight");
        let Some(live) = self.src.storage.volume(id).await? else {
            return Err(
                blocked(format!("the source volume {id} is gone")).with_hint("export detached_volumes again")
            );
        };
        if let Some(holder) = self.holder(&live) {
            let message = format!("the source volume {id} is not detached any more: {holder} has it");
            return Err(
                blocked(message).with_hint("detach it, or export detached_volumes and workloads again")
            );
        }
        let place = Place::of(self.options, None, Some(&volume.params));
        let mut problems = self.volumes.lacks(&place);
        problems.extend(self.metadata_problems(volume, &live));
        if !problems.is_empty() {
            return Err(blocked(problems.join("; ")).with_hint("edit detached_volumes.yml"));
        }
        let wish = NewVolume { place, gigabytes: live.size };
        Ok(Standing::Open(self.demand_of_volume(id, &wish).await?))
    }

    /// Who has a volume, when it is not a conversion host of ours.
    fn holder(&self, live: &Live) -> Option<String> {
        let servers = live.attachments.iter().filter_map(|attachment| attachment.server_id.as_deref());
        let other = servers.into_iter().find(|server| !self.src.hosts.iter().any(|host| host == server));
        other.map(|server| format!("server {server}"))
    }

    /// Names of volumes need not be unique, but in these files they are: a second volume of the same
    /// name would be the duplicate that a run by another tool has made already.
    async fn is_taken(&self, id: &str, volume: &Volume) -> Result<bool> {
        let Some(name) = volume.params.name.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(false);
        };
        let there = self.dst.storage.volumes(&Filter::named(name)).await?;
        Ok(there.iter().any(|there| there.id != id && !is_a_copy(there)))
    }

    fn metadata_problems(&self, volume: &Volume, live: &Live) -> Vec<String> {
        let alone = Workload::new(ServerParams::default(), ServerInfo::default());
        let disk = Disk::of_guest(Origin::Data, live.bootable, Some(volume));
        let wanted = of_copy(&alone, &disk, &live.volume_image_metadata, &BTreeMap::new(), self.options);
        let mut problems = wanted.problems();
        let refused = self.options.refuses_machine_type(wanted.machine_type());
        problems.extend(refused.filter(|_| live.bootable).map(|(message, _)| message));
        problems
    }
}
