//! Keypairs.

use serde::{Deserialize, Serialize};

/// A keypair.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Keypair {
    /// Its name, unique for its user.
    pub name: String,
    /// The public key.
    #[serde(default)]
    pub public_key: String,
    /// Of the public key.
    pub fingerprint: Option<String>,
    /// `ssh` or `x509`, from microversion 2.2.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its user; only when asked for one keypair.
    pub user_id: Option<String>,
    /// When it was made; only when asked for one keypair.
    pub created_at: Option<String>,
    /// Always false; only when asked for one keypair.
    pub deleted: Option<bool>,
}

/// What a new keypair shall be.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CreateKeypair {
    /// Its name.
    pub name: String,
    /// The public key.
    pub public_key: String,
    /// `ssh` or `x509`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Another user than the one authenticated as; admins only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
}
