//! The Block Storage service: volumes and snapshots.
//!
//! [`BlockStorage`] is one session's view of Cinder. Each method is one
//! action of the API; what waits takes a time limit.

mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::compute::gone_is_fine;
use crate::error::{ErrorKind, Result};
use crate::session::{Service, ServiceKind, Session};
use crate::wait::{Observation, Poll, wait_for};

pub use wire::*;

impl Session {
    /// The Block Storage service of this cloud.
    ///
    /// # Errors
    /// When the catalog has none, or it cannot be reached.
    pub async fn block_storage(&self) -> Result<BlockStorage> {
        Ok(BlockStorage { service: self.service(ServiceKind::BlockStorage).await? })
    }
}

/// Cinder.
#[derive(Clone)]
pub struct BlockStorage {
    service: Service,
}

impl BlockStorage {
    /// The service itself, for what has no method here.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// A volume; none when there is no such id.
    pub async fn volume(&self, id: &str) -> Result<Option<Volume>> {
        self.service.request("show volume", Method::GET, format!("volumes/{id}")).optional("volume").await
    }

    /// The project's volumes that match.
    pub async fn volumes(&self, filter: &Filter) -> Result<Vec<Volume>> {
        // Clouds may switch filters off, so the decision is made here once more.
        let metadata = metadata_filter(filter);
        let query = query_of(filter, metadata.as_deref());
        let volumes: Vec<Volume> =
            self.service.list("list volumes", "volumes/detail", &query, "volumes").await?;
        let matches =
            |volume: &Volume| filter.matches(volume.name.as_deref(), &volume.status, &volume.metadata);
        Ok(volumes.into_iter().filter(matches).collect())
    }

    /// Makes a volume. Wait for it to be `available`.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the volume by its metadata before making another.
    pub async fn create_volume(&self, volume: &CreateVolume) -> Result<Volume> {
        let request = self.service.request("create volume", Method::POST, "volumes");
        request.json(&json!({ "volume": volume })).keyed("volume").await
    }

    /// Deletes a volume; one that is gone already is fine.
    pub async fn delete_volume(&self, id: &str) -> Result<()> {
        let request = self.service.request("delete volume", Method::DELETE, format!("volumes/{id}"));
        gone_is_fine(request.empty().await)
    }

    /// Says whether servers may boot from a volume.
    pub async fn set_bootable(&self, id: &str, bootable: bool) -> Result<()> {
        self.action("set bootable", id, &json!({"os-set_bootable": {"bootable": bootable}})).await
    }

    /// Adds to a volume's image metadata; keys not named keep their value.
    pub async fn set_image_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> Result<()> {
        self.action("set image metadata", id, &json!({"os-set_image_metadata": {"metadata": metadata}})).await
    }

    /// Takes one key out of a volume's image metadata.
    pub async fn unset_image_metadata(&self, id: &str, key: &str) -> Result<()> {
        self.action("unset image metadata", id, &json!({"os-unset_image_metadata": {"key": key}})).await
    }

    /// Begins to make a raw image of a volume that is `available`, and gives the image's id. The volume is
    /// `uploading` meanwhile; wait for the image to be `active`.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the image by its name before making another.
    pub async fn upload_to_image(&self, id: &str, name: &str) -> Result<String> {
        const ACTION: &str = "os-volume_upload_image";
        #[derive(serde::Deserialize)]
        struct Begun {
            image_id: String,
        }
        let wish = json!({"image_name": name, "disk_format": "raw", "container_format": "bare"});
        let request = self.service.request("upload volume", Method::POST, format!("volumes/{id}/action"));
        let begun: Begun = request.json(&json!({ ACTION: wish })).keyed(ACTION).await?;
        Ok(begun.image_id)
    }

    /// Adds to a volume's metadata; keys not named keep their value.
    pub async fn update_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> Result<()> {
        self.service
            .request("update volume metadata", Method::POST, format!("volumes/{id}/metadata"))
            .json(&json!({ "metadata": metadata }))
            .idempotent(true)
            .empty()
            .await
    }

    /// Gives a volume another name and description.
    pub async fn rename_volume(&self, id: &str, name: &str, description: Option<&str>) -> Result<Volume> {
        self.service
            .request("rename volume", Method::PUT, format!("volumes/{id}"))
            .json(&json!({"volume": {"name": name, "description": description}}))
            .keyed("volume")
            .await
    }

    /// Waits until a volume is in one of these statuses.
    ///
    /// # Errors
    /// `State` when it goes to an error status that is not wanted, or is gone; `Timeout`.
    pub async fn wait_volume(&self, id: &str, statuses: &[&str], limit: Duration) -> Result<Volume> {
        let what = format!("volume {id} in status {}", statuses.join(" or "));
        wait_for(&what, limit, Poll::default(), || async {
            Ok(match self.volume(id).await? {
                None => Observation::Failed("it is gone".to_owned()),
                Some(volume) => observe(volume, |volume| &volume.status, statuses),
            })
        })
        .await
    }

    /// Waits until a volume is gone.
    ///
    /// # Errors
    /// `State` when its deletion fails; `Timeout`.
    pub async fn wait_volume_gone(&self, id: &str, limit: Duration) -> Result<()> {
        wait_for(&format!("deletion of volume {id}"), limit, Poll::default(), || async {
            Ok(observe_deletion(self.volume(id).await?.map(|volume| volume.status)))
        })
        .await
    }

    /// A snapshot; none when there is no such id.
    pub async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>> {
        let request = self.service.request("show snapshot", Method::GET, format!("snapshots/{id}"));
        request.optional("snapshot").await
    }

    /// The project's snapshots that match.
    pub async fn snapshots(&self, filter: &Filter) -> Result<Vec<Snapshot>> {
        let metadata = metadata_filter(filter);
        let mut query = query_of(filter, metadata.as_deref());
        query.extend(filter.volume_id.as_deref().map(|id| ("volume_id", id)));
        let snapshots: Vec<Snapshot> =
            self.service.list("list snapshots", "snapshots/detail", &query, "snapshots").await?;
        let matches = |snapshot: &Snapshot| {
            filter.volume_id.as_ref().is_none_or(|id| *id == snapshot.volume_id)
                && filter.matches(snapshot.name.as_deref(), &snapshot.status, &snapshot.metadata)
        };
        Ok(snapshots.into_iter().filter(matches).collect())
    }

    /// Makes a snapshot of a volume; `force` allows it while the volume is in use.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the snapshot by its metadata before making another.
    pub async fn create_snapshot(
        &self,
        volume: &str,
        name: &str,
        force: bool,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let mut body = json!({"volume_id": volume, "name": name, "metadata": metadata});
        // From microversion 3.66 on, only `true` may be said.
        if force {
            body["force"] = json!(true);
        }
        let request = self.service.request("create snapshot", Method::POST, "snapshots");
        request.json(&json!({ "snapshot": body })).keyed("snapshot").await
    }

    /// Deletes a snapshot; one that is gone already is fine.
    pub async fn delete_snapshot(&self, id: &str) -> Result<()> {
        let request = self.service.request("delete snapshot", Method::DELETE, format!("snapshots/{id}"));
        gone_is_fine(request.empty().await)
    }

    /// Waits until a snapshot is in one of these statuses.
    ///
    /// # Errors
    /// `State` when it goes to an error status that is not wanted, or is gone; `Timeout`.
    pub async fn wait_snapshot(&self, id: &str, statuses: &[&str], limit: Duration) -> Result<Snapshot> {
        let what = format!("snapshot {id} in status {}", statuses.join(" or "));
        wait_for(&what, limit, Poll::default(), || async {
            Ok(match self.snapshot(id).await? {
                None => Observation::Failed("it is gone".to_owned()),
                Some(snapshot) => observe(snapshot, |snapshot| &snapshot.status, statuses),
            })
        })
        .await
    }

    /// Waits until a snapshot is gone.
    ///
    /// # Errors
    /// `State` when its deletion fails; `Timeout`.
    pub async fn wait_snapshot_gone(&self, id: &str, limit: Duration) -> Result<()> {
        wait_for(&format!("deletion of snapshot {id}"), limit, Poll::default(), || async {
            Ok(observe_deletion(self.snapshot(id).await?.map(|snapshot| snapshot.status)))
        })
        .await
    }

    /// The volume types this project may use.
    pub async fn volume_types(&self) -> Result<Vec<VolumeType>> {
        self.service.list("list volume types", "types", &[], "volume_types").await
    }

    /// The volume type of volumes that name none; none when the cloud has no such type, or keeps it
    /// to itself.
    pub async fn default_volume_type(&self) -> Result<Option<VolumeType>> {
        let request = self.service.request("show default volume type", Method::GET, "types/default");
        match request.optional("volume_type").await {
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(None),
            other => other,
        }
    }

    /// What the project may use and uses, by Cinder's names: `volumes`, `gigabytes_ssd`; nothing
    /// where the policy hides it.
    pub async fn quota(&self) -> Result<BTreeMap<String, Quota>> {
        let path = format!("os-quota-sets/{}", self.service.session().project_id());
        let request = self.service.request("show quota", Method::GET, path).query("usage", "true");
        let set: BTreeMap<String, serde_json::Value> = match request.keyed("quota_set").await {
            Ok(set) => set,
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => {
                return Ok(BTreeMap::new());
            }
            Err(error) => return Err(error),
        };
        // Beside the quotas stands the id of the project, which is no quota.
        let quota = |(name, value)| Some((name, serde_json::from_value(value).ok()?));
        Ok(set.into_iter().filter_map(quota).collect())
    }

    /// What the project may use and uses.
    pub async fn limits(&self) -> Result<Limits> {
        #[derive(serde::Deserialize)]
        struct Body {
            absolute: Limits,
        }
        let body: Body = self.service.request("show limits", Method::GET, "limits").keyed("limits").await?;
        Ok(body.absolute)
    }

    async fn action(&self, operation: &'static str, id: &str, body: &serde_json::Value) -> Result<()> {
        let path = format!("volumes/{id}/action");
        // Every action used here sets something to a value: twice is once.
        self.service.request(operation, Method::POST, path).json(body).idempotent(true).empty().await
    }
}

fn observe<T>(object: T, status: impl Fn(&T) -> &String, wanted: &[&str]) -> Observation<T> {
    let seen = status(&object).clone();
    if wanted.contains(&seen.as_str()) {
        Observation::Ready(object)
    } else if seen.starts_with("error") {
        Observation::failed(&seen, None)
    } else {
        Observation::Pending(seen)
    }
}

fn observe_deletion(status: Option<String>) -> Observation<()> {
    match status {
        None => Observation::Ready(()),
        Some(status) if status == "error_deleting" => Observation::failed(&status, None),
        Some(status) => Observation::Pending(status),
    }
}

fn query_of<'a>(filter: &'a Filter, metadata: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
    let mut query = Vec::new();
    query.extend(filter.name.as_deref().map(|name| ("name", name)));
    query.extend(filter.status.as_deref().map(|status| ("status", status)));
    query.extend(metadata.map(|metadata| ("metadata", metadata)));
    query
}

/// The metadata as Cinder's filter takes them: the text of a dictionary.
fn metadata_filter(filter: &Filter) -> Option<String> {
    if filter.metadata.is_empty() {
        return None;
    }
    serde_json::to_string(&filter.metadata).ok()
}
