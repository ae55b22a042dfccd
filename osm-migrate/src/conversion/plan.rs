//! What a conversion host is to be: names as OS Migrate gives them, unless said otherwise.

/// The name of everything that a conversion host needs, but of the host.
const NAME: &str = "os_migrate_conv";

/// A conversion host and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPlan {
    /// The image it boots from: any small Linux with an SSH server and, unless `accept-new` is said, cloud-init.
    pub image: String,
    /// Its flavor; needed where there is no server yet.
    pub flavor: Option<String>,
    /// The network it is in.
    pub network: NetworkPlan,
    /// How it is reached from outside of its network.
    pub floating_ip: FloatingIpPlan,
    /// Whether the floating IP stays when the host is deleted.
    pub keep_floating_ip: bool,
    /// Its security group.
    pub security_group: String,
    /// Its keypair in Nova.
    pub keypair: String,
    /// Boot from a volume of so many GiB, which dies with the server.
    pub boot_volume_gib: Option<u64>,
    /// Its availability zone.
    pub zone: Option<String>,
    /// From where SSH is let in.
    pub ssh_from: Vec<String>,
    /// From where the agents of the other host are let in, besides the other host as far as it is known.
    pub link_from: Vec<String>,
}

/// The network of a conversion host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Its name, or the id of one that is there.
    pub name: String,
    /// Whether it is made, with a subnet and a router, and deleted; else it must be there.
    pub managed: bool,
    /// The network beyond the router, where floating IPs are from.
    pub external: Option<String>,
    /// The name of the subnet.
    pub subnet: String,
    /// The name of the router.
    pub router: String,
    /// The subnet's addresses.
    pub cidr: String,
    /// The first and the last address for servers.
    pub pool: Option<(String, String)>,
    /// The router's address.
    pub gateway: Option<String>,
    /// Its name servers. Conversion hosts install nothing, so none are needed.
    pub dns: Vec<String>,
    /// Its MTU, when not that of the cloud.
    pub mtu: Option<u64>,
}

/// The floating IP of a conversion host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FloatingIpPlan {
    /// None: the host is reached in its network.
    None,
    /// One that was made for conversion hosts and is free, else a new one.
    Any,
    /// This address: the project's if it has it, else asked for.
    Address(String),
}

impl Default for HostPlan {
    fn default() -> Self {
        Self {
            image: NAME.to_owned(),
            flavor: None,
            network: NetworkPlan::default(),
            floating_ip: FloatingIpPlan::Any,
            keep_floating_ip: false,
            security_group: NAME.to_owned(),
            keypair: NAME.to_owned(),
            boot_volume_gib: None,
            zone: None,
            ssh_from: vec!["0.0.0.0/0".to_owned()],
            link_from: Vec::new(),
        }
    }
}

impl Default for NetworkPlan {
    fn default() -> Self {
        Self {
            name: NAME.to_owned(),
            managed: true,
            external: None,
            subnet: NAME.to_owned(),
            router: NAME.to_owned(),
            cidr: "192.168.10.0/24".to_owned(),
            pool: None,
            gateway: None,
            dns: Vec::new(),
            mtu: None,
        }
    }
}
