//! Limits and quotas.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::Path;
use serde_json::{Value, json};

use super::{admin_only, own_url};
use crate::api::{Answer, Call, json};
use crate::quota::Quotas;

pub(super) async fn limits(call: Call) -> Answer {
    own_url(&call)?;
    let world = call.cloud.world();
    let (quotas, cinder, project) = (&world.quotas, &world.cinder, &call.caller.project_id);
    let absolute = json!({
        "maxTotalVolumes": quotas.volumes,
        "maxTotalSnapshots": quotas.snapshots,
        "maxTotalVolumeGigabytes": quotas.gigabytes,
        "maxTotalBackups": 10,
        "maxTotalBackupGigabytes": 1000,
        "totalVolumesUsed": cinder.volumes_of(project),
        "totalSnapshotsUsed": cinder.snapshots_of(project),
        "totalGigabytesUsed": cinder.gigabytes_of(project),
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    });
    Ok(json(200, &json!({"limits": {"rate": [], "absolute": absolute}})))
}

fn set(quotas: &Quotas, project: &str) -> Value {
    json!({
        "id": project,
        "volumes": quotas.volumes,
        "snapshots": quotas.snapshots,
        "gigabytes": quotas.gigabytes,
        "per_volume_gigabytes": -1,
        "backups": 10,
        "backup_gigabytes": 1000,
        "groups": 10,
    })
}

pub(super) async fn quotas(call: Call, Path((_, project)): Path<(String, String)>) -> Answer {
    own_url(&call)?;
    if project != call.caller.project_id {
        admin_only(&call, "volume_extension:quotas:show")?;
    }
    let world = call.cloud.world();
    let mut body = set(&world.quotas, &project);
    let cinder = &world.cinder;
    let mut used = BTreeMap::from([
        ("volumes".to_owned(), json!(cinder.volumes_of(&project))),
        ("snapshots".to_owned(), json!(cinder.snapshots_of(&project))),
        ("gigabytes".to_owned(), json!(cinder.gigabytes_of(&project))),
    ]);
    for kind in cinder.types.iter() {
        let (volumes, gigabytes) = cinder.use_of_type(&project, &kind.name);
        for (name, count) in [("volumes", json!(volumes)), ("gigabytes", json!(gigabytes))] {
            let name = format!("{name}_{}", kind.name);
            body[&name] = json!(world.quotas.by_volume_type.get(&name).copied().unwrap_or(-1));
            used.insert(name, count);
        }
    }
    if call.query.flag("usage") {
        for (name, used) in used {
            body[&name] = json!({"limit": body[&name], "in_use": used, "reserved": 0});
        }
    }
    Ok(json(200, &json!({"quota_set": body})))
}

pub(super) async fn defaults(call: Call, Path((_, project)): Path<(String, String)>) -> Answer {
    Ok(json(200, &json!({"quota_set": set(&call.cloud.quotas(), &project)})))
}

pub(super) async fn update(call: Call, Path((_, project)): Path<(String, String)>, body: Bytes) -> Answer {
    admin_only(&call, "volume_extension:quotas:update")?;
    let wanted: BTreeMap<String, Value> = call.read(&body, "quota_set")?;
    let mut world = call.cloud.world();
    let quotas = &mut world.quotas;
    let fields = [
        ("volumes", &mut quotas.volumes),
        ("snapshots", &mut quotas.snapshots),
        ("gigabytes", &mut quotas.gigabytes),
    ];
    for (name, limit) in fields {
        *limit = wanted.get(name).and_then(Value::as_i64).unwrap_or(*limit);
    }
    Ok(json(200, &json!({"quota_set": set(&world.quotas, &project)})))
}
