//! Keypairs: the one thing whose name is its id.

use axum::body::Bytes;
use axum::extract::Path;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::listing::answer;
use super::state::Keypair;
use super::{admin_only, refuse};
use crate::api::{Answer, Call, Refusal, empty, json};
use crate::clock::{column, now};
use crate::digest::md5;
use crate::quota::Quotas;

/// The fingerprint of an SSH public key: the MD5 of its blob.
pub(crate) fn fingerprint(public_key: &str) -> Option<String> {
    let blob = public_key.split_whitespace().nth(1)?.trim_end_matches('=');
    let blob = STANDARD_NO_PAD.decode(blob).ok()?;
    let digest = md5(&blob);
    let pairs: Vec<&str> = (0..16).filter_map(|index| digest.get(2 * index..2 * index + 2)).collect();
    Some(pairs.join(":"))
}

/// Whose keypairs are meant; only administrators may mean others'.
fn user(call: &Call) -> Result<String, Refusal> {
    match call.query.get("user_id").filter(|_| call.at_least(2, 10)) {
        Some(user) if user != call.caller.user_id => {
            admin_only(call, "os_compute_api:os-keypairs:index")?;
            Ok(user.to_owned())
        }
        _ => Ok(call.caller.user_id.clone()),
    }
}

fn brief(call: &Call, pair: &Keypair) -> Value {
    let mut body = json!({"name": pair.name, "public_key": pair.public_key, "fingerprint": pair.fingerprint});
    if call.at_least(2, 2) {
        body["type"] = json!(pair.kind);
    }
    body
}

pub(super) async fn list(call: Call) -> Answer {
    let user = user(&call)?;
    let world = call.cloud.world();
    let mut rows: Vec<&Keypair> = world.nova.keypairs.iter().filter(|pair| pair.user_id == user).collect();
    rows.sort_by(|left, right| left.name.cmp(&right.name));
    let wrapped = |pair: &Keypair| json!({"keypair": brief(&call, pair)});
    // Keypairs come in pages since 2.35.
    if call.at_least(2, 35) {
        return answer(&call, "keypairs", rows, wrapped);
    }
    let rows: Vec<Value> = rows.into_iter().map(wrapped).collect();
    Ok(json(200, &json!({"keypairs": rows})))
}

pub(super) async fn show(call: Call, Path(name): Path<String>) -> Answer {
    let user = user(&call)?;
    let world = call.cloud.world();
    let pair = world.nova.keypairs.iter().find(|pair| pair.name == name && pair.user_id == user);
    let pair = pair.ok_or_else(|| no_pair(&name, &user))?;
    let mut body = brief(&call, pair);
    body["user_id"] = json!(pair.user_id);
    body["created_at"] = json!(column(pair.created));
    body["deleted"] = json!(false);
    body["deleted_at"] = Value::Null;
    body["id"] = json!(pair.number);
    body["updated_at"] = Value::Null;
    Ok(json(200, &json!({"keypair": body})))
}

fn no_pair(name: &str, user: &str) -> Refusal {
    refuse(404, format!("Keypair {name} not found for user {user}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    #[serde(default)]
    public_key: Option<String>,
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    user_id: Option<String>,
}

pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let Create { name, public_key, kind, user_id } = call.read(&body, "keypair")?;
    let user_id = match user_id {
        Some(user) if user != call.caller.user_id => {
            admin_only(&call, "os_compute_api:os-keypairs:create")?;
            user
        }
        _ => call.caller.user_id.clone(),
    };
    let extra = if call.at_least(2, 92) { "@." } else { "" };
    let good =
        |letter: char| letter.is_ascii_alphanumeric() || "_- ".contains(letter) || extra.contains(letter);
    if name.is_empty() || !name.chars().all(good) {
        let message = format!(
            "An invalid 'name' value was provided. The name must be: Only expected characters: \
             [_- {extra}0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ]"
        );
        return Err(refuse(400, message));
    }
    let Some(public_key) = public_key else {
        return Err(refuse(
            400,
            "Invalid input for field/attribute keypair. 'public_key' is a required property",
        ));
    };
    let fingerprint = fingerprint(&public_key);
    let fingerprint =
        fingerprint.ok_or_else(|| refuse(400, "Keypair data is invalid: failed to generate fingerprint"))?;
    let mut world = call.cloud.world();
    let limit = world.quotas.key_pairs;
    let own = world.nova.keypairs.iter().filter(|pair| pair.user_id == user_id);
    if own.clone().any(|pair| pair.name == name) {
        return Err(refuse(409, format!("Key pair '{name}' already exists.")));
    }
    if !Quotas::allows(limit, own.count(), 1) {
        return Err(refuse(403, "Quota exceeded, too many key pairs."));
    }
    let number = world.nova.keypairs.len() as u64 + 1;
    let kind = kind.unwrap_or_else(|| "ssh".to_owned());
    let pair = Keypair { number, name, user_id, kind, public_key, fingerprint, created: now() };
    let mut body = brief(&call, &pair);
    body["user_id"] = json!(pair.user_id);
    world.nova.keypairs.push(pair);
    Ok(json(if call.at_least(2, 2) { 201 } else { 200 }, &json!({"keypair": body})))
}

pub(super) async fn delete(call: Call, Path(name): Path<String>) -> Answer {
    let user = user(&call)?;
    let mut world = call.cloud.world();
    let before = world.nova.keypairs.len();
    world.nova.keypairs.retain(|pair| pair.name != name || pair.user_id != user);
    if world.nova.keypairs.len() == before {
        return Err(no_pair(&name, &user));
    }
    Ok(empty(if call.at_least(2, 2) { 204 } else { 202 }))
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn a_fingerprint_is_that_of_the_key_blob() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOGuc76SI1qmLevmZOkb+xmlm5hfvdDnXBQ6pDwiSKHs a comment";
        let expected = "5f:20:7f:44:29:13:71:be:cf:6c:32:2d:6c:8d:c1:c6";
        assert_eq!(fingerprint(key).as_deref(), Some(expected));
    }
}
