//! The `clouds.yaml` of a lab.

use std::fmt::Write;

use crate::cloud::Cloud;
use crate::keystone::Credentials;

/// Two entries for each cloud: the tenant under the cloud's name, the administrator with `-admin` added.
pub(crate) fn render(clouds: &[&Cloud]) -> String {
    let mut text = "clouds:\n".to_owned();
    for cloud in clouds {
        for (suffix, credentials) in [("", cloud.tenant()), ("-admin", cloud.admin())] {
            entry(&mut text, &format!("{}{suffix}", cloud.name()), &credentials);
        }
    }
    text
}

fn entry(text: &mut String, name: &str, credentials: &Credentials) {
    let Credentials { auth_url, username, password, project_name, .. } = credentials;
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "  {name}:\n    auth_type: password\n    auth:\n      auth_url: {auth_url}\n      username: {username}\n      \
         password: {password}\n      project_name: {project_name}\n      user_domain_name: Default\n      \
         project_domain_name: Default\n    region_name: RegionOne\n    interface: public\n    \
         identity_api_version: 3\n"
    );
}
