//! Making volumes: empty, or with the bytes of a snapshot, an image or another volume.

use std::collections::BTreeMap;
use std::path::PathBuf;

use axum::body::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::state::Volume;
use super::volumes::{image_metadata, view};
use super::{invalid, missing, own_url};
use crate::api::{Answer, Call, Refusal, json};
use crate::cloud::{Cloud, Service};
use crate::disk::{self, GIB};
use crate::fault::FaultKind;
use crate::glance;
use crate::quota::Quotas;
use crate::world::World;

/// What a volume is created with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VolumeSpec {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) display_description: Option<String>,
    pub(crate) size: Option<Value>,
    pub(crate) volume_type: Option<String>,
    pub(crate) availability_zone: Option<String>,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) source_volid: Option<String>,
    #[serde(rename = "imageRef", alias = "image_id")]
    pub(crate) image_id: Option<String>,
    pub(crate) metadata: Option<BTreeMap<String, String>>,
    pub(crate) multiattach: Option<bool>,
}

/// The keys the schema knows since 3.53, when it began to refuse others.
const KNOWN: [&str; 15] = [
    "name",
    "description",
    "display_name",
    "display_description",
    "size",
    "volume_type",
    "availability_zone",
    "snapshot_id",
    "source_volid",
    "imageRef",
    "image_id",
    "metadata",
    "multiattach",
    "consistencygroup_id",
    "backup_id",
];

/// Where the bytes of a new volume come from.
#[derive(Debug, Clone)]
enum Origin {
    /// Nowhere: all zeroes.
    Blank,
    /// A file of this cloud; `true` when it is an image, which is downloaded.
    File(PathBuf, bool),
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    own_url(&call)?;
    let given: Map<String, Value> = call.read(&body, "volume")?;
    let unknown = given.keys().find(|key| !KNOWN.contains(&key.as_str()));
    if let Some(key) = unknown.filter(|_| call.at_least(3, 53)) {
        return Err(invalid(format!("Additional properties are not allowed ('{key}' was unexpected)")));
    }
    let spec: VolumeSpec = call.read(&body, "volume")?;
    let fails = call.struck(|fault| matches!(fault, FaultKind::VolumeError));
    let (project_id, user_id) = (call.caller.project_id.clone(), call.caller.user_id.clone());
    let mut world = call.cloud.world();
    let id = make(&call.cloud, &mut world, (&project_id, &user_id), &spec, fails)?;
    let volume = world.cinder.volumes.get(&id).ok_or_else(|| missing("Volume", &id))?;
    Ok(json(202, &json!({"volume": view(&call, &world, volume)})))
}

fn size(spec: &VolumeSpec) -> Result<Option<u64>, Refusal> {
    let Some(value) = &spec.size else { return Ok(None) };
    let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match number {
        Some(size) if size > 0 => Ok(Some(size)),
        None if value.is_null() => Ok(None),
        _ => Err(invalid(format!("Invalid input for field/attribute size. Value: {value}."))),
    }
}

/// Begins to make a volume: it is `creating` first and gets its bytes later.
pub(crate) fn make(
    cloud: &Cloud,
    world: &mut World,
    (project_id, user_id): (&str, &str),
    spec: &VolumeSpec,
    fails: bool,
) -> Result<String, Refusal> {
    let mut wanted = size(spec)?;
    let mut volume = Volume::new(project_id, user_id, None, 0);
    volume.name = spec.name.clone().or_else(|| spec.display_name.clone());
    volume.description = spec.description.clone().or_else(|| spec.display_description.clone());
    volume.metadata = spec.metadata.clone().unwrap_or_default();
    let mut origin = Origin::Blank;
    if let Some(id) = &spec.snapshot_id {
        let snapshot = world.cinder.snapshots.get(id).filter(|row| row.project_id == project_id);
        let snapshot = snapshot.ok_or_else(|| missing("Snapshot", id))?;
        if snapshot.status != "available" {
            let message = "Invalid snapshot: Originating snapshot status must be one of 'available' values";
            return Err(invalid(message));
        }
        wanted = Some(at_least(wanted, snapshot.size, "snapshot")?);
        volume.bootable = snapshot.bootable;
        volume.image_metadata = snapshot.image_metadata.clone();
        volume.snapshot_id = Some(id.clone());
        origin = Origin::File(cloud.snapshot_file(id), false);
    } else if let Some(id) = &spec.source_volid {
        let source = world.cinder.volumes.get(id).filter(|row| row.project_id == project_id);
        let source = source.ok_or_else(|| missing("Volume", id))?;
        wanted = Some(at_least(wanted, source.size, "source volume")?);
        volume.bootable = source.bootable;
        volume.image_metadata = source.image_metadata.clone();
        volume.source_volume = Some(id.clone());
        origin = Origin::File(cloud.volume_file(id), false);
    } else if let Some(id) = &spec.image_id {
        let image = world.glance.images.get(id).filter(|image| glance::sees(image, project_id));
        let image =
            image.ok_or_else(|| invalid("Invalid image identifier or unable to access requested image."))?;
        fits(image, wanted.unwrap_or(0))?;
        volume.bootable = true;
        volume.image_metadata = image_metadata(image);
        origin = Origin::File(cloud.image_file(id), true);
    }
    let Some(size) = wanted else {
        return Err(invalid("Invalid input received: 'size' is a required property"));
    };
    volume.size = size;
    if let Some(default) = world.cinder.types.iter().next() {
        volume.kind.clone_from(&default.name);
    }
    if let Some(name) = &spec.volume_type {
        let found = world.cinder.types.iter().find(|row| row.name == *name || row.id == *name);
        let found = found.ok_or_else(|| {
            Refusal::new(Service::Cinder, 404, format!("Volume type with name {name} could not be found."))
        })?;
        volume.kind = found.name.clone();
    }
    if let Some(zone) = spec.availability_zone.as_ref().filter(|zone| !world.zones.contains(zone)) {
        return Err(invalid(format!("Invalid input received: Availability zone '{zone}' is invalid.")));
    }
    if let Some(zone) = spec.availability_zone.as_ref().or(world.zones.0.first()) {
        volume.zone.clone_from(zone);
    }
    quota(world, project_id, size)?;
    // What is asked for does not count, the type does: since Queens, and by refusal since 2023.1.
    let kind = world.cinder.types.iter().find(|it| it.name == volume.kind);
    volume.multiattach = kind.is_some_and(|it| it.multiattach);
    volume.encrypted = kind.is_some_and(|it| it.encrypted);
    quota_of_type(world, project_id, &volume.kind, size)?;
    let id = volume.id.clone();
    world.cinder.volumes.insert(volume);
    begin(cloud, id.clone(), origin, size, fails);
    Ok(id)
}

fn at_least(wanted: Option<u64>, least: u64, what: &str) -> Result<u64, Refusal> {
    match wanted {
        Some(size) if size < least => Err(invalid(format!(
            "Invalid input received: Volume size '{size}'GB cannot be smaller than the {what} size {least}GB. They \
             must be >= original {what} size."
        ))),
        Some(size) => Ok(size),
        None => Ok(least),
    }
}

fn fits(image: &glance::Image, size: u64) -> Result<(), Refusal> {
    if image.status != "active" {
        let message = format!("Invalid input received: Image {} is not active.", image.id);
        return Err(invalid(message));
    }
    let needed = image.virtual_size.or(image.size).unwrap_or(0).div_ceil(GIB);
    if size < needed {
        let message = format!(
            "Invalid input received: Size of specified image {needed}GB is larger than volume size {size}GB."
        );
        return Err(invalid(message));
    }
    if size < image.min_disk {
        let message = format!(
            "Invalid input received: Volume size {size}GB cannot be smaller than the image minDisk size {}GB.",
            image.min_disk
        );
        return Err(invalid(message));
    }
    Ok(())
}

fn quota(world: &World, project_id: &str, size: u64) -> Result<(), Refusal> {
    let over = |message: String| Err(Refusal::new(Service::Cinder, 413, message));
    let Quotas { volumes, .. } = world.quotas;
    if !Quotas::allows(volumes, world.cinder.volumes_of(project_id), 1) {
        return over(format!(
            "VolumeLimitExceeded: Maximum number of volumes allowed ({volumes}) exceeded for quota 'volumes'."
        ));
    }
    gigabytes(world, project_id, size)
}

/// Whether a project may have one more volume of a type.
fn quota_of_type(world: &World, project_id: &str, kind: &str, size: u64) -> Result<(), Refusal> {
    let limit =
        |name: &str| world.quotas.by_volume_type.get(&format!("{name}_{kind}")).copied().unwrap_or(-1);
    let (volumes, gigabytes) = world.cinder.use_of_type(project_id, kind);
    let enough = Quotas::allows(limit("volumes"), volumes, 1)
        && (limit("gigabytes") < 0
            || i64::try_from(gigabytes + size).is_ok_and(|wanted| wanted <= limit("gigabytes")));
    if enough {
        return Ok(());
    }
    let message = format!("VolumeLimitExceeded: the quota of volume type '{kind}' is exceeded.");
    Err(Refusal::new(Service::Cinder, 413, message))
}

/// Whether a project may have this many GiB more.
pub(super) fn gigabytes(world: &World, project_id: &str, size: u64) -> Result<(), Refusal> {
    let limit = world.quotas.gigabytes;
    let used = world.cinder.gigabytes_of(project_id);
    if limit < 0 || i64::try_from(used + size).is_ok_and(|wanted| wanted <= limit) {
        return Ok(());
    }
    let message = format!(
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested \
         {size}G, quota is {limit}G and {used}G has been consumed."
    );
    Err(Refusal::new(Service::Cinder, 413, message))
}

fn begin(cloud: &Cloud, id: String, origin: Origin, size: u64, fails: bool) {
    let image = matches!(origin, Origin::File(_, true));
    cloud.later(move |cloud| {
        if image && let Some(volume) = cloud.world().cinder.volumes.get_mut(&id) {
            volume.set("downloading");
        }
        let file = cloud.volume_file(&id);
        let made = match origin {
            Origin::Blank => disk::create(&file, size * GIB),
            Origin::File(source, _) => disk::copy(&source, &file, size * GIB),
        };
        let finish = move |cloud: &Cloud| {
            if let Some(volume) = cloud.world().cinder.volumes.get_mut(&id) {
                volume.set(if made.is_err() || fails { "error" } else { "available" });
            }
        };
        if image { cloud.later(finish) } else { finish(cloud) }
    });
}
