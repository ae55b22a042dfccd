//! One of the two clouds, and what is done to volumes in either of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use osm_openstack::block_storage::{BlockStorage, Filter, Volume};
use osm_openstack::compute::{Compute, Server};
use osm_openstack::image::Image;
use osm_openstack::network::Network;
use osm_openstack::{Method, Observation, Poll, Session, wait_for};

use super::tag;
use crate::agent::{Device, HashArgs, Identity};
use crate::host::address::find_server;
use crate::{ConversionHost, Error, ErrorKind, Result, Step};

/// How long a device may take to appear on a host that the cloud has attached it to.
const DEVICE: Duration = Duration::from_secs(120);

/// A cloud with its conversion host.
#[derive(Clone)]
pub(crate) struct Side {
    pub(crate) session: Session,
    pub(crate) compute: Compute,
    pub(crate) storage: BlockStorage,
    pub(crate) image: Image,
    pub(crate) network: Network,
    pub(crate) host: Arc<dyn ConversionHost>,
    /// The conversion host's id; empty when there is no such server.
    pub(crate) host_id: String,
    /// The ids of this side's hosts, those of other pairs included: an earlier run may have used another one.
    pub(crate) hosts: Vec<String>,
    /// How long one thing may take.
    pub(crate) limit: Duration,
}

/// A device on a conversion host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostDevice {
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    /// Whose device it must still be when it is opened.
    pub(crate) identity: Identity,
}

impl HostDevice {
    pub(crate) fn hash_args(&self, size: u64) -> HashArgs {
        HashArgs { device: self.path.clone(), size, identity: Some(self.identity.clone()) }
    }
}

impl Side {
    pub(crate) async fn open(
        session: &Session,
        host: &Arc<dyn ConversionHost>,
        limit: Duration,
    ) -> Result<Self> {
        Ok(Self {
            session: session.clone(),
            compute: session.compute().await?,
            storage: session.block_storage().await?,
            image: session.image().await?,
            network: session.network().await?,
            host: Arc::clone(host),
            host_id: String::new(),
            hosts: Vec::new(),
            limit,
        })
    }

    /// Looks the conversion host up; it must run.
    pub(crate) async fn find_host(&mut self) -> Result<()> {
        let server = find_server(&self.compute, self.host.server()).await?;
        if server.status != "ACTIVE" {
            let message = format!("the conversion host is not running but {}", server.status);
            return Err(Error::new(ErrorKind::Host, message)
                .with_object(format!("server {} ({})", server.name, server.id))
                .with_hint("start it"));
        }
        self.host_id = server.id;
        Ok(())
    }

    /// A volume that must be there.
    pub(crate) async fn volume(&self, id: &str) -> Result<Volume> {
        self.storage
            .volume(id)
            .await?
            .ok_or_else(|| Error::new(ErrorKind::Cloud, "the volume is gone").with_object(volume_name(id)))
    }

    /// Attaches a volume to a server, and returns when it is.
    ///
    /// # Errors
    /// Another server has it, or the cloud does not do it in time.
    pub(crate) async fn attach(&self, server: &str, id: &str) -> Result<()> {
        let volume = self.settled(id).await?;
        if !volume.is_attached_to(server) {
            let has_room = volume.status == "available" || volume.multiattach && volume.status == "in-use";
            if !has_room {
                return Err(in_use(&volume));
            }
            self.compute.attach_volume(server, id).await.map_err(|error| named(error.into(), id))?;
        }
        self.wait_attached(server, id).await
    }

    /// Attaches a volume to the conversion host, and takes it off any other of ours.
    pub(crate) async fn attach_to_host(&self, id: &str) -> Result<()> {
        if self.hosts.len() > 1 {
            self.take_off_hosts(id, Some(&self.host_id)).await?;
        }
        self.attach(&self.host_id, id).await
    }

    /// Takes a volume off our conversion hosts, and returns when it is attached to none of them.
    pub(crate) async fn detach_from_hosts(&self, id: &str) -> Result<()> {
        self.take_off_hosts(id, None).await
    }

    async fn take_off_hosts(&self, id: &str, but: Option<&str>) -> Result<()> {
        for host in self.hosts.iter().filter(|host| Some(host.as_str()) != but) {
            self.detach(host, id).await?;
        }
        Ok(())
    }

    async fn wait_attached(&self, server: &str, id: &str) -> Result<()> {
        let what = format!("attachment of volume {id} to server {server}");
        wait_for(&what, self.limit, Poll::default(), || async {
            let Some(volume) = self.storage.volume(id).await? else {
                return Ok(Observation::Failed("it is gone".to_owned()));
            };
            Ok(if volume.status == "in-use" && volume.is_attached_to(server) {
                Observation::Ready(())
            } else if volume.status.starts_with("error") || volume.status == "available" {
                // Nova reserves the volume before it answers: free again means that it gave up.
                Observation::failed(&volume.status, Some("the attachment failed"))
            } else {
                Observation::Pending(volume.status)
            })
        })
        .await
        .map_err(|error| named(error.into(), id))
    }

    /// Detaches a volume from a server, and returns when it is attached to nothing. A volume that
    /// is not attached to this server is left alone.
    ///
    /// # Errors
    /// The cloud does not do it in time.
    pub(crate) async fn detach(&self, server: &str, id: &str) -> Result<()> {
        let volume = self.settled(id).await?;
        if !volume.is_attached_to(server) {
            return Ok(());
        }
        if volume.attachments.len() > 1 && !volume.multiattach {
            return Err(in_use(&volume));
        }
        self.compute.detach_volume(server, id).await.map_err(|error| named(error.into(), id))?;
        let what = format!("detachment of volume {id} from server {server}");
        wait_for(&what, self.limit, Poll::default(), || async {
            let Some(volume) = self.storage.volume(id).await? else {
                return Ok(Observation::Failed("it is gone".to_owned()));
            };
            // A shared volume stays in use.
            let rests = volume.status == "available" || volume.multiattach && volume.status == "in-use";
            Ok(if rests && !volume.is_attached_to(server) {
                Observation::Ready(())
            } else if volume.status.starts_with("error") {
                Observation::failed(&volume.status, None)
            } else {
                Observation::Pending(volume.status)
            })
        })
        .await
        .map_err(|error| named(error.into(), id))
    }

    /// A volume once whatever is being done with it is done: a process that was killed may have
    /// asked for it.
    pub(crate) async fn settled(&self, id: &str) -> Result<Volume> {
        let what = format!("volume {id} at rest");
        wait_for(&what, self.limit, Poll::default(), || async {
            let Some(volume) = self.storage.volume(id).await? else {
                return Ok(Observation::Failed("it is gone".to_owned()));
            };
            let under_way = matches!(
                volume.status.as_str(),
                "creating"
                    | "downloading"
                    | "uploading"
                    | "attaching"
                    | "detaching"
                    | "reserved"
                    | "deleting"
            );
            Ok(if under_way { Observation::Pending(volume.status) } else { Observation::Ready(volume) })
        })
        .await
        .map_err(|error| named(error.into(), id))
    }

    /// A server once whatever is being done with it is done; none when it is gone.
    pub(crate) async fn settled_server(&self, id: &str) -> Result<Option<Server>> {
        let what = format!("server {id} at rest");
        let settled = wait_for(&what, self.limit, Poll::default(), || async {
            Ok(match self.compute.server(id).await? {
                Some(Server { task_state: Some(task), .. }) => Observation::Pending(task),
                server => Observation::Ready(server),
            })
        });
        Ok(settled.await?)
    }

    /// The devices of volumes that are attached to the conversion host, in their order.
    pub(crate) async fn devices(&self, volumes: &[String]) -> Result<Vec<HostDevice>> {
        let devices = self.host.devices_of(volumes, DEVICE).await?;
        let on_host = |(device, volume): (Device, &String)| {
            let identity = Identity { volume: volume.clone(), devices: self.host.devices() };
            HostDevice { path: device.path, size: device.size, identity }
        };
        Ok(devices.into_iter().zip(volumes).map(on_host).collect())
    }

    /// The volumes that this step of a job made; within one project those of other steps are here, too.
    pub(crate) async fn made_volumes(&self, job: &str, step: Step) -> Result<Vec<Volume>> {
        self.tagged_volumes(&tag::of(job, step)).await
    }

    /// The volumes that were taken from a server for a while.
    pub(crate) async fn lent_volumes(&self, server: &str) -> Result<Vec<Volume>> {
        self.tagged_volumes(&tag::pairs([(tag::LENT, server)])).await
    }

    async fn tagged_volumes(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<Volume>> {
        let filter = Filter { metadata: metadata.clone(), ..Filter::default() };
        let mut volumes = self.storage.volumes(&filter).await?;
        volumes.sort_by(|one, other| (&one.created_at, &one.id).cmp(&(&other.created_at, &other.id)));
        Ok(volumes)
    }

    /// Sets metadata of a volume.
    pub(crate) async fn tag_volume(&self, id: &str, metadata: BTreeMap<String, String>) -> Result<()> {
        let tagged = self.storage.update_metadata(id, &metadata).await;
        tagged.map_err(|error| named(error.into(), id))
    }

    /// Takes keys out of a volume's metadata; what is not there is fine.
    pub(crate) async fn untag_volume(&self, id: &str, keys: &[&str]) -> Result<()> {
        for key in keys {
            let path = format!("volumes/{id}/metadata/{key}");
            let request = self.storage.service().request("remove volume metadata", Method::DELETE, path);
            gone_is_fine(request.empty().await)?;
        }
        Ok(())
    }

    /// Takes a key out of a server's metadata; what is not there is fine.
    pub(crate) async fn untag_server(&self, id: &str, key: &str) -> Result<()> {
        let path = format!("servers/{id}/metadata/{key}");
        let request = self.compute.service().request("remove server metadata", Method::DELETE, path);
        gone_is_fine(request.empty().await)
    }

    /// Deletes a volume of ours, and returns when it is gone. Whoever was killed may have asked for
    /// it before; a second time is refused.
    pub(crate) async fn delete_volume(&self, id: &str) -> Result<()> {
        if self.storage.volume(id).await?.is_some_and(|volume| volume.status != "deleting") {
            self.storage.delete_volume(id).await?;
        }
        Ok(self.storage.wait_volume_gone(id, self.limit).await?)
    }

    /// The same with a snapshot, which cannot be deleted before it is made either. False when the cloud has
    /// tried before, and failed: then only an administrator can delete it.
    pub(crate) async fn delete_snapshot(&self, id: &str) -> Result<bool> {
        const STUCK: &str = "error_deleting";
        let what = format!("snapshot {id} at rest");
        let deletable = wait_for(&what, self.limit, Poll::default(), || async {
            Ok(match self.storage.snapshot(id).await? {
                Some(snapshot) if snapshot.status == "creating" => Observation::Pending(snapshot.status),
                found => Observation::Ready(found.map(|snapshot| snapshot.status)),
            })
        });
        match deletable.await?.as_deref() {
            Some(STUCK) => return Ok(false),
            None | Some("deleting") => {}
            Some(_) => self.storage.delete_snapshot(id).await?,
        }
        match self.storage.wait_snapshot_gone(id, self.limit).await {
            Ok(()) => Ok(true),
            Err(error) => match self.storage.snapshot(id).await? {
                Some(snapshot) if snapshot.status == STUCK => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

pub(crate) fn gone_is_fine(result: osm_openstack::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == osm_openstack::ErrorKind::NotFound => Ok(()),
        other => Ok(other?),
    }
}

fn in_use(volume: &Volume) -> Error {
    let servers: Vec<&str> =
        volume.attachments.iter().filter_map(|attachment| attachment.server_id.as_deref()).collect();
    let by = if servers.is_empty() { String::new() } else { format!(", attached to {}", servers.join(", ")) };
    Error::new(ErrorKind::Blocked, format!("the volume cannot be used: it is {}{by}", volume.status))
        .with_object(volume_name(&volume.id))
        .with_hint("detach it from the other server, or bring it to status `available`")
}

fn volume_name(id: &str) -> String {
    format!("volume {id}")
}

pub(crate) fn named(error: Error, volume: &str) -> Error {
    error.with_object(volume_name(volume))
}
