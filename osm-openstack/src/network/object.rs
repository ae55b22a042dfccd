//! What distinguishes one type of Neutron object from another: its words.

use serde::de::DeserializeOwned;

use super::{
    FloatingIp, NetworkObject, Port, QosPolicy, Router, SecurityGroup, SecurityGroupRule, Segment, Subnet,
};
use super::{NetworkFlavor, SubnetPool};

/// A type of object in Neutron.
pub trait Object: DeserializeOwned + Send {
    /// The path of all of them.
    const COLLECTION: &'static str;
    /// The key of a list of them.
    const PLURAL: &'static str;
    /// The key of one.
    const SINGULAR: &'static str;
    /// What listing is called in messages.
    const LIST: &'static str;
    /// What reading one is called in messages.
    const SHOW: &'static str;
    /// What making one is called in messages.
    const CREATE: &'static str;
    /// What changing one is called in messages.
    const UPDATE: &'static str;
    /// What deleting one is called in messages.
    const DELETE: &'static str;

    /// Its id.
    fn id(&self) -> &str;
    /// Its name, if the type has names.
    fn name(&self) -> Option<&str>;
    /// The project that owns it, if the type has owners.
    fn project_id(&self) -> Option<&str>;
}

macro_rules! objects {
    ($($ty:ty { $singular:literal, $plural:literal, $collection:literal, $word:literal, $words:literal, $name:expr, $project:expr })*) => {$(
        impl Object for $ty {
            const COLLECTION: &'static str = $collection;
            const PLURAL: &'static str = $plural;
            const SINGULAR: &'static str = $singular;
            const LIST: &'static str = concat!("list ", $words);
            const SHOW: &'static str = concat!("show ", $word);
            const CREATE: &'static str = concat!("create ", $word);
            const UPDATE: &'static str = concat!("update ", $word);
            const DELETE: &'static str = concat!("delete ", $word);

            fn id(&self) -> &str {
                &self.id
            }

            fn name(&self) -> Option<&str> {
                let name: fn(&Self) -> Option<&str> = $name;
                name(self)
            }

            fn project_id(&self) -> Option<&str> {
                let project: fn(&Self) -> Option<&str> = $project;
                project(self)
            }
        }
    )*};
}

objects! {
    NetworkObject { "network", "networks", "networks", "network", "networks", |it| Some(&it.name), |it| it.project_id.as_deref() }
    Subnet { "subnet", "subnets", "subnets", "subnet", "subnets", |it| Some(&it.name), |it| it.project_id.as_deref() }
    Router { "router", "routers", "routers", "router", "routers", |it| Some(&it.name), |it| it.project_id.as_deref() }
    Port { "port", "ports", "ports", "port", "ports", |it| it.name.as_deref(), |it| it.project_id.as_deref() }
    SecurityGroup {
        "security_group", "security_groups", "security-groups", "security group", "security groups",
        |it| Some(&it.name), |it| it.project_id.as_deref()
    }
    SecurityGroupRule {
        "security_group_rule", "security_group_rules", "security-group-rules", "security group rule", "security group rules",
        |_| None, |it| it.project_id.as_deref()
    }
    FloatingIp {
        "floatingip", "floatingips", "floatingips", "floating IP", "floating IPs",
        |it| it.floating_ip_address.as_deref(), |it| it.project_id.as_deref()
    }
    QosPolicy { "policy", "policies", "qos/policies", "QoS policy", "QoS policies", |it| it.name.as_deref(), |it| it.project_id.as_deref() }
    SubnetPool { "subnetpool", "subnetpools", "subnetpools", "subnet pool", "subnet pools", |it| it.name.as_deref(), |it| it.project_id.as_deref() }
    Segment { "segment", "segments", "segments", "segment", "segments", |it| it.name.as_deref(), |_| None }
    NetworkFlavor { "flavor", "flavors", "flavors", "network flavor", "network flavors", |it| it.name.as_deref(), |_| None }
}
