//! Conversion hosts made, checked and deleted: a server with a network, a security group, a keypair and a floating
//! IP of its own.
//!
//! Everything is found by name and made when missing, so that it can be done again at any time. What was made bears
//! a mark, and nothing else is deleted: a server or a network that was there before stays.

mod group;
mod key;
mod network;
mod plan;
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use osm_openstack::compute::{Compute, Server};
use osm_openstack::image::Image;
use osm_openstack::network::{FloatingIp, Network, NetworkObject, Object, Router, SecurityGroup, Subnet};
use osm_openstack::{ErrorKind as CloudError, Session};

pub use self::key::KeyKind;
pub use self::plan::{FloatingIpPlan, HostPlan, NetworkPlan};

use self::server::Origin;

use crate::host::{ConversionHost, Reach, SshSpec, reach};
use crate::{Error, ErrorKind, Event, EventSink, HostSpec, Outcome, Result};

/// The description of what was made; nothing without it is deleted.
const MARK: &str = "made by osm for conversion hosts";

/// The conversion host of one cloud.
pub struct Deployment {
    session: Session,
    compute: Compute,
    network: Network,
    image: Image,
    plan: HostPlan,
    ssh: SshSpec,
    /// The private key; known from the beginning, though it may be made later.
    key: PathBuf,
    key_kind: KeyKind,
    events: Arc<dyn EventSink>,
    limit: Duration,
}

/// A conversion host that answers.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// How it is reached; its address is known.
    ssh: SshSpec,
    /// Where its packets may seem to come from.
    addresses: Vec<String>,
    /// Whether it was made here; otherwise nothing is made for it, and its security groups are left alone.
    ours: bool,
}

impl Deployed {
    /// How it is reached, as `--src-host` takes it.
    pub fn spec(&self) -> HostSpec {
        HostSpec::Ssh(self.ssh.clone())
    }
}

impl Deployment {
    /// The host that `ssh` leads to, in the cloud of `session`. Its key, its file of known hosts and its user
    /// must be named in `ssh`.
    ///
    /// # Errors
    /// The cloud lacks a service, or no key is named.
    pub async fn new(
        session: Session,
        plan: HostPlan,
        ssh: SshSpec,
        key_kind: KeyKind,
        events: Arc<dyn EventSink>,
        limit: Duration,
    ) -> Result<Self> {
        let key = ssh.key.clone().ok_or_else(|| {
            Error::new(ErrorKind::Config, "no private key is named for the conversion host")
                .with_object(format!("conversion host {}", ssh.server))
                .with_hint("add key=FILE")
        })?;
        Ok(Self {
            compute: session.compute().await?,
            network: session.network().await?,
            image: session.image().await?,
            session,
            plan,
            ssh,
            key,
            key_kind,
            events,
            limit,
        })
    }

    /// Makes what is missing, waits until the host answers, and puts the agent there. For a server that somebody else
    /// has made nothing is made.
    ///
    /// # Errors
    /// Something that the plan names is not there or is ambiguous, or the host does not answer in time. What was
    /// made stays for the next time.
    pub async fn deploy(&self) -> Result<Deployed> {
        // First what must be there: nothing is made for a host that cannot be.
        let existing = self.compute.server_by_name(&self.ssh.server).await?;
        if let Some(server) = existing.clone().filter(|server| !is_marked(server)) {
            let server = self.started(server).await?;
            return self.answering(&server.id, false).await;
        }
        let fresh = existing.is_none();
        let start = match existing {
            Some(server) => Start::There(Box::new(server)),
            None => Start::New(self.origin().await?),
        };
        let needs_external = self.plan.network.managed || self.plan.floating_ip != FloatingIpPlan::None;
        let external = match needs_external {
            true => Some(self.external_network().await?),
            false => None,
        };
        let given = match self.plan.network.managed {
            true => None,
            false => Some(self.given_network().await?),
        };
        let (public, made) = key::ensure(&self.key, &self.key_kind).await?;
        self.told("private key", &self.key.display().to_string(), created_if(made));
        self.ensure_keypair(&public).await?;
        let group = self.ensure_group().await?;
        self.open_doors(&group, None).await?;
        let network = match (given, &external) {
            (None, Some(external)) => self.ensure_network(external).await?,
            (given, _) => given.ok_or_else(|| self.error("no network is planned for it", "name one"))?,
        };
        let server = match start {
            Start::There(server) => self.started(*server).await?,
            Start::New(origin) => self.create_server(&origin, &network, &group).await?,
        };
        if let Some(external) = &external {
            self.ensure_floating_ip(&server, &network, external).await?;
        }
        self.answering(&server.id, fresh).await
    }

    /// Whether both hosts are in one project, where they share what has the same name.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.session.project_id() == other.session.project_id()
    }

    /// Lets the agents of the other host in; and whoever was let in like this before, no longer. Gives whether
    /// anything was changed.
    ///
    /// # Errors
    /// The security group cannot be changed.
    pub async fn admit(&self, own: &Deployed, other: &Deployed) -> Result<bool> {
        if !own.ours {
            return Ok(false);
        }
        let addresses: Vec<String> = other.addresses.iter().map(|address| host_cidr(address)).collect();
        match self.own::<SecurityGroup>("security group", &self.plan.security_group).await? {
            Some(group) => self.open_doors(&group, Some(&addresses)).await,
            None => Err(self.error("its security group is gone", "deploy it again")),
        }
    }

    /// Looks at the host without changing anything but the agent on it.
    ///
    /// # Errors
    /// There is no such server, it does not run, or it does not answer.
    pub async fn check(&self) -> Result<Deployed> {
        let server = self.compute.server_by_name(&self.ssh.server).await?;
        let server = server.ok_or_else(|| self.error("there is no such server", "deploy it"))?;
        if server.status != "ACTIVE" {
            return Err(self.error(&format!("the server is {}", server.status), "deploy starts it"));
        }
        let deployed = self.deployed(&server).await?;
        self.open(&deployed).await?.prepare().await?;
        self.ready(&deployed);
        Ok(deployed)
    }

    /// The host, to run agents on.
    async fn open(&self, deployed: &Deployed) -> Result<Arc<dyn ConversionHost>> {
        deployed.spec().open(&self.session).await
    }

    /// Deletes what was made for the host. The key stays.
    ///
    /// # Errors
    /// A cloud refuses, or does not delete the server in time. What is in use by others is no error: it stays.
    pub async fn delete(&self) -> Result<()> {
        if let Some(server) = self.compute.server_by_name(&self.ssh.server).await? {
            self.remove_server(&server).await?;
        }
        self.remove_keypair().await?;
        self.remove_own::<SecurityGroup>("security group", &self.plan.security_group).await?;
        self.remove_network().await
    }

    /// The own project's object of this name.
    async fn own<T: Object>(&self, word: &'static str, name: &str) -> Result<Option<T>> {
        let project = self.session.project_id();
        let found = self.network.list(&[("project_id", project.as_str()), ("name", name)]).await?;
        self.only_one(word, name, found)
    }

    fn only_one<T: Object>(&self, word: &str, name: &str, mut found: Vec<T>) -> Result<Option<T>> {
        if found.len() < 2 {
            return Ok(found.pop());
        }
        let ids: Vec<&str> = found.iter().map(Object::id).collect();
        let message = format!("there are {} {word}s of this name: {}", found.len(), ids.join(", "));
        Err(Error::new(ErrorKind::Config, message)
            .with_object(format!("{word} {name}"))
            .with_hint("rename the others, or give the conversion host's another name"))
    }

    /// Deletes the own project's object of this name, if it was made here and serves nothing else.
    async fn remove_own<T: Described>(&self, word: &'static str, name: &str) -> Result<()> {
        let Some(found) = self.own::<T>(word, name).await? else { return Ok(()) };
        if !is_ours(found.description()) {
            self.told(word, name, Outcome::Exists);
            return Ok(());
        }
        match self.network.delete::<T>(found.id()).await {
            Ok(()) => self.told(word, name, Outcome::Removed),
            // Another conversion host has it.
            Err(error) if error.kind() == CloudError::Conflict => self.told(word, name, Outcome::Skipped),
            Err(error) => return Err(Error::from(error).with_object(format!("{word} {name}"))),
        }
        Ok(())
    }

    fn kept<T: Object>(&self, word: &str, found: T) -> T {
        self.told(word, found.name().unwrap_or_default(), Outcome::Unchanged);
        found
    }

    fn made<T: Object>(&self, word: &str, made: T) -> T {
        self.told(word, made.name().unwrap_or_default(), Outcome::Created);
        made
    }

    fn told(&self, word: &str, name: &str, outcome: Outcome) {
        let (host, part) = (self.ssh.server.clone(), format!("{word} {name}"));
        self.events.emit(&Event::HostPart { host, part, outcome });
    }

    fn ready(&self, deployed: &Deployed) {
        let (host, spec) = (self.ssh.server.clone(), deployed.spec().to_string());
        self.events.emit(&Event::HostReady { host, spec });
    }

    fn error(&self, message: &str, hint: &str) -> Error {
        let object = format!("conversion host {}", self.ssh.server);
        Error::new(ErrorKind::Host, message).with_object(object).with_hint(hint)
    }
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployment").field("plan", &self.plan).field("ssh", &self.ssh).finish_non_exhaustive()
    }
}

/// Whether agents of the destination's host reach those of the source's.
///
/// # Errors
/// A host does not answer.
pub async fn check_link(src: (&Deployment, &Deployed), dst: (&Deployment, &Deployed)) -> Result<Reach> {
    let (src, dst) = tokio::try_join!(src.0.open(src.1), dst.0.open(dst.1))?;
    reach(src.as_ref(), dst.as_ref()).await
}

/// What a host begins with: its server, or what one is made of.
enum Start {
    There(Box<Server>),
    New(Origin),
}

/// What Neutron describes in words.
trait Described: Object {
    fn description(&self) -> Option<&str>;
}

macro_rules! described {
    ($($object:ty)*) => {$(
        impl Described for $object {
            fn description(&self) -> Option<&str> {
                self.description.as_deref()
            }
        }
    )*};
}

described! { NetworkObject Subnet Router SecurityGroup FloatingIp }

fn is_ours(description: Option<&str>) -> bool {
    description == Some(MARK)
}

fn is_marked(server: &Server) -> bool {
    server.metadata.get(server::HOST_MARK).is_some_and(|mark| mark == MARK)
}

fn created_if(made: bool) -> Outcome {
    if made { Outcome::Created } else { Outcome::Unchanged }
}

/// The address alone, as a rule of a security group takes it.
fn host_cidr(address: &str) -> String {
    let bits = if address.contains(':') { 128 } else { 32 };
    format!("{address}/{bits}")
}
