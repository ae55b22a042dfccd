//! The services a session can speak to.

use std::fmt;

use crate::discovery::Microversion;

/// One of the services used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceKind {
    /// Keystone.
    Identity,
    /// Nova.
    Compute,
    /// Neutron.
    Network,
    /// Cinder.
    BlockStorage,
    /// Glance.
    Image,
}

impl ServiceKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Identity, Self::Compute, Self::Network, Self::BlockStorage, Self::Image];

    /// The name of the service, as OpenStack's documentation has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Compute => "compute",
            Self::Network => "network",
            Self::BlockStorage => "block-storage",
            Self::Image => "image",
        }
    }

    /// Its types in catalogs, the best first.
    pub(crate) fn service_types(self) -> &'static [&'static str] {
        match self {
            Self::Identity => &["identity"],
            Self::Compute => &["compute"],
            Self::Network => &["network"],
            // `volumev3` cannot be anything older; the others could.
            Self::BlockStorage => &["volumev3", "block-storage", "block-store", "volume"],
            Self::Image => &["image"],
        }
    }

    /// What its settings in clouds.yaml begin with, the official one first.
    pub(crate) fn config_prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Identity => &["identity"],
            Self::Compute => &["compute"],
            Self::Network => &["network"],
            Self::BlockStorage => &["block_storage", "volumev3", "volume", "block_store"],
            Self::Image => &["image"],
        }
    }

    /// The major version spoken here.
    pub(crate) fn major(self) -> u16 {
        match self {
            Self::Identity | Self::BlockStorage => 3,
            Self::Compute | Self::Network | Self::Image => 2,
        }
    }

    /// The part of the address that this version usually has.
    pub(crate) fn usual_version(self) -> &'static str {
        match self {
            Self::Identity | Self::BlockStorage => "v3",
            Self::Compute => "v2.1",
            Self::Network => "v2.0",
            Self::Image => "v2",
        }
    }

    /// The newest microversion spoken here.
    ///
    /// Compute 2.90 (Xena) lets the host name be set and is the last before
    /// bodies change that are read or written here: key pairs (2.92), host
    /// names (2.94), the server itself (2.96 and on). Block storage 3.70
    /// (Yoga) has all that is needed of volumes; what follows serves Nova.
    pub(crate) fn newest_known(self) -> Option<Microversion> {
        match self {
            Self::Compute => Some(Microversion::new(2, 90)),
            Self::BlockStorage => Some(Microversion::new(3, 70)),
            Self::Identity | Self::Network | Self::Image => None,
        }
    }

    /// What the service is called in the `OpenStack-API-Version` header.
    pub(crate) fn microversion_name(self) -> &'static str {
        match self {
            Self::BlockStorage => "volume",
            other => other.name(),
        }
    }
}

impl fmt::Display for ServiceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
