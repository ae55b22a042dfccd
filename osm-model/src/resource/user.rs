//! Keystone users.

use super::{Entry, Params};
use crate::record::record;
use crate::reference::Reference;

/// A user; its password is nobody's but theirs.
pub type User = Entry<UserParams, UserInfo>;

record! {
    /// What of a user is imported.
    #[derive(Default)]
    pub struct UserParams: Params {
        /// Project of a token that asks for none.
        default_project_ref: Option<Reference>,
        /// Free text.
        description: Option<String>,
        /// Domain it is in, which must exist on the destination.
        domain_ref: Option<Reference>,
        /// Address for mail.
        email: Option<String>,
        /// `enabled`
        is_enabled: Option<bool>,
        /// Name, by which it is found again in its domain.
        name: Option<String>,
    }
}

record! {
    /// What the source said of a user.
    #[derive(Default)]
    pub struct UserInfo: Info {
        /// Default project by id.
        default_project_id: Option<String>,
        /// Domain by id.
        domain_id: Option<String>,
        /// Source id.
        id: Option<String>,
    }
}

impl Params for UserParams {
    const TYPE: &'static str = "openstack.user.User";

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}
