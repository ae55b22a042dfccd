//! What an administrator moves: projects, users, roles, keypairs of others, flavors.

use crate::clock::{new_hex_id, new_id, now};
use crate::cloud::Cloud;
use crate::keystone::{Domain, Identity, Project, User};
use crate::lab::Lab;
use crate::nova::{Flavor, Keypair, fingerprint};

/// A domain besides `Default`, with names that are in `Default` too.
const PARTNERS: &str = "partners";

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOGuc76SI1qmLevmZOkb+xmlm5hfvdDnXBQ6pDwiSKHs alice@laptop";

/// Puts an organisation into `src`: two domains, a project below another one whose id sorts before
/// its parent's, users of the same name in two domains, a role of its own, a private flavor. Of this
/// `dst` has the domains and the role only: these must be there before an import.
pub(crate) fn organisation(lab: &Lab) {
    for cloud in [lab.src(), lab.dst()] {
        let mut world = cloud.world();
        let keystone = &mut world.keystone;
        keystone.domains.insert(Domain {
            id: new_hex_id(),
            name: PARTNERS.to_owned(),
            description: "Those who are not us".to_owned(),
        });
        keystone.add_role("auditor");
    }
    fill(lab.src());
}

fn fill(cloud: &Cloud) {
    let mut world = cloud.world();
    let keystone = &mut world.keystone;
    let partners = keystone.domains.iter().find(|domain| domain.name == PARTNERS);
    let partners = partners.map(|domain| domain.id.clone()).unwrap_or_default();
    let role = |keystone: &Identity, name: &str| {
        keystone.roles.iter().find(|role| role.name == name).map(|role| role.id.clone()).unwrap_or_default()
    };
    let (member, auditor) = (role(keystone, "member"), role(keystone, "auditor"));
    let acme = add_project(keystone, format!("f{}", tail()), "acme", "default", "default");
    let dev = add_project(keystone, format!("0{}", tail()), "acme-dev", "default", &acme);
    let namesake = add_project(keystone, format!("8{}", tail()), "acme", &partners, &partners);
    let alice = add_user(keystone, "alice", "default", Some(&acme), true);
    let bob = add_user(keystone, "bob", "default", None, false);
    let other_alice = add_user(keystone, "alice", &partners, Some(&namesake), true);
    keystone.grant(&alice, &acme, &member);
    keystone.grant(&alice, &dev, &member);
    keystone.grant(&bob, &acme, &auditor);
    keystone.grant(&other_alice, &namesake, &member);
    for (user_id, name) in [(&alice, "laptop"), (&other_alice, "laptop")] {
        let number = world.nova.keypairs.len() as u64 + 1;
        world.nova.keypairs.push(Keypair {
            number,
            name: name.to_owned(),
            user_id: user_id.clone(),
            kind: "ssh".to_owned(),
            public_key: KEY.to_owned(),
            fingerprint: fingerprint(KEY).unwrap_or_default(),
            created: now(),
        });
    }
    for (name, public) in [("acme.shared", true), ("acme.own", false)] {
        let specs = [("hw:cpu_policy", "shared"), ("quota:cpu_shares", "512")];
        world.nova.flavors.insert(Flavor {
            id: new_id(),
            name: name.to_owned(),
            ram: 1024,
            disk: 2,
            vcpus: 1,
            swap: 64,
            ephemeral: 0,
            rxtx: 1.5,
            public,
            description: Some("of the organisation".to_owned()),
            specs: specs.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            access: if public { Vec::new() } else { vec![acme.clone()] },
        });
    }
}

/// A new id without its first digit.
fn tail() -> String {
    new_hex_id().split_off(1)
}

fn add_project(keystone: &mut Identity, id: String, name: &str, domain: &str, parent: &str) -> String {
    keystone.projects.insert(Project {
        id: id.clone(),
        name: name.to_owned(),
        domain_id: domain.to_owned(),
        description: format!("{name} of the organisation"),
        enabled: true,
        parent_id: parent.to_owned(),
        tags: Vec::new(),
    });
    id
}

fn add_user(
    keystone: &mut Identity,
    name: &str,
    domain: &str,
    project: Option<&String>,
    enabled: bool,
) -> String {
    let id = new_hex_id();
    keystone.users.insert(User {
        id: id.clone(),
        name: name.to_owned(),
        domain_id: domain.to_owned(),
        password: Some(format!("{name}-secret")),
        enabled,
        email: Some(format!("{name}@example.org")),
        description: None,
        default_project_id: project.cloned(),
    });
    id
}
