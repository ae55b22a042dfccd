//! Nova keypairs.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A keypair of a user; its private half is nobody's but theirs.
pub type Keypair = Entry<KeypairParams, KeypairInfo>;

record! {
    /// What of a keypair is imported.
    #[derive(Default)]
    pub struct KeypairParams: Params {
        /// Name, by which its user finds it again.
        name: Option<String>,
        /// Public half.
        public_key: Option<String>,
        /// `ssh` or `x509`.
        r#type: Option<String>,
        /// Its user; [`crate::AUTH`] for the user one is authenticated as.
        user_ref: Option<Reference>,
    }
}

record! {
    /// What the source said of a keypair.
    #[derive(Default)]
    pub struct KeypairInfo: Info {
        /// Time of creation.
        created_at: Option<String>,
        /// Fingerprint of the public half.
        fingerprint: Option<String>,
        /// Its name once more: Nova has no other id.
        id: Option<String>,
        /// `deleted`
        is_deleted: Option<bool>,
        /// User by id.
        user_id: Option<String>,
    }
}

impl Params for KeypairParams {
    const TYPE: &'static str = "openstack.compute.Keypair";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
