//! The server itself, its keypair, its floating IP, and the wait until it answers.

use std::collections::BTreeMap;

use osm_openstack::compute::{
    BlockDeviceMapping, CreateKeypair, CreateServer, GroupName, Networks, Server, ServerNetwork,
};
use osm_openstack::image::ImageFilter;
use osm_openstack::network::{FloatingIp, FloatingIpBody, NetworkObject, Port, SecurityGroup};
use osm_openstack::{ErrorKind as CloudError, Observation, Poll, wait_for};
use osm_transfer::Retry;
use tokio::time::Instant;

use super::{Deployed, Deployment, FloatingIpPlan, MARK, created_if, is_marked, is_ours, key};
use crate::host::{ConversionHost as _, SshHost, SshSpec, address};
use crate::{Error, ErrorKind, Outcome, Result};

/// The key of the mark in a server's metadata.
pub(super) const HOST_MARK: &str = "osm_conversion_host";

/// How many lines of the console are read.
const CONSOLE: u32 = 500;

/// What a server is made of.
pub(super) struct Origin {
    image: String,
    flavor: String,
}

impl Deployment {
    /// The image and the flavor, by name or id.
    pub(super) async fn origin(&self) -> Result<Origin> {
        let wanted = &self.plan.image;
        let filter = ImageFilter { name: Some(wanted.clone()), ..ImageFilter::default() };
        let mut images = self.image.list(&filter).await?;
        images.retain(|image| image.status == "active");
        images.sort_by(|one, other| other.created_at.cmp(&one.created_at));
        let image = match images.into_iter().next() {
            // Of several, the latest: images are renewed under one name.
            Some(image) => image.id,
            None => match self.image.get(wanted).await? {
                Some(image) => image.id,
                None => {
                    let hint = "upload one of any small Linux with cloud-init, or name another with --image";
                    return Err(self.error(&format!("there is no active image {wanted}"), hint));
                }
            },
        };
        let hint = "name one with --flavor: 1 or 2 VCPUs and 1 GiB of memory do";
        let Some(wanted) = &self.plan.flavor else {
            return Err(self.error("no flavor is named for it", hint));
        };
        let flavors = self.compute.flavors().await?;
        let flavor = flavors.into_iter().find(|flavor| flavor.name == *wanted || flavor.id == *wanted);
        let flavor = flavor.ok_or_else(|| self.error(&format!("there is no flavor {wanted}"), hint))?.id;
        Ok(Origin { image, flavor })
    }

    pub(super) async fn ensure_keypair(&self, public: &str) -> Result<()> {
        let name = &self.plan.keypair;
        let found = self.compute.keypair(name, None).await?;
        let made = found.is_none();
        match found {
            Some(keypair) if !key::is_same(&keypair.public_key, public) => {
                return Err(Error::new(ErrorKind::Config, "the keypair in the cloud is of another key")
                    .with_object(format!("keypair {name} and {}", self.key.display()))
                    .with_hint("name the private key of that keypair, or delete the keypair"));
            }
            Some(_) => {}
            None => {
                let keypair = CreateKeypair {
                    name: name.clone(),
                    public_key: public.to_owned(),
                    ..CreateKeypair::default()
                };
                self.compute.create_keypair(&keypair).await?;
            }
        }
        self.told("keypair", name, created_if(made));
        Ok(())
    }

    /// Keypairs cannot be marked; one of another key is another's.
    pub(super) async fn remove_keypair(&self) -> Result<()> {
        let name = &self.plan.keypair;
        let Some(keypair) = self.compute.keypair(name, None).await? else { return Ok(()) };
        if key::public(&self.key).is_none_or(|public| !key::is_same(&keypair.public_key, &public)) {
            self.told("keypair", name, Outcome::Exists);
            return Ok(());
        }
        self.compute.delete_keypair(name).await?;
        self.told("keypair", name, Outcome::Removed);
        Ok(())
    }

    pub(super) async fn create_server(
        &self,
        origin: &Origin,
        network: &NetworkObject,
        group: &SecurityGroup,
    ) -> Result<Server> {
        let disk = self.plan.boot_volume_gib.map(|gib| BlockDeviceMapping {
            delete_on_termination: true,
            source_type: "image",
            volume_size: Some(gib),
            ..BlockDeviceMapping::boot_volume(&origin.image)
        });
        let wish = CreateServer {
            name: self.ssh.server.clone(),
            flavor_id: origin.flavor.clone(),
            image_id: disk.is_none().then(|| origin.image.clone()),
            networks: Networks::List(vec![ServerNetwork::Network { id: network.id.clone(), fixed_ip: None }]),
            block_device_mapping_v2: disk.into_iter().collect(),
            key_name: Some(self.plan.keypair.clone()),
            security_groups: vec![GroupName { name: group.name.clone() }],
            metadata: BTreeMap::from([(HOST_MARK.to_owned(), MARK.to_owned())]),
            config_drive: Some(true),
            availability_zone: self.plan.zone.clone(),
            ..CreateServer::default()
        };
        let made = self.compute.create_server(&wish).await?;
        let server = self.compute.wait_server(&made.id, "ACTIVE", self.limit).await?;
        self.told("server", &server.name, Outcome::Created);
        Ok(server)
    }

    /// A server that is there, running.
    pub(super) async fn started(&self, server: Server) -> Result<Server> {
        let outcome = match server.status.as_str() {
            "SHUTOFF" => {
                self.compute.start_server(&server.id).await?;
                Outcome::Updated
            }
            "ACTIVE" | "BUILD" => Outcome::Unchanged,
            other => {
                return Err(self.error(&format!("the server is {other}"), "delete it, or bring it to ACTIVE"));
            }
        };
        let server = self.compute.wait_server(&server.id, "ACTIVE", self.limit).await?;
        self.told("server", &server.name, outcome);
        Ok(server)
    }

    pub(super) async fn ensure_floating_ip(
        &self,
        server: &Server,
        network: &NetworkObject,
        external: &NetworkObject,
    ) -> Result<()> {
        let wanted = match &self.plan.floating_ip {
            FloatingIpPlan::None => return Ok(()),
            FloatingIpPlan::Any => None,
            FloatingIpPlan::Address(address) => Some(address.as_str()),
        };
        let ports: Vec<Port> = self.network.list(&[("device_id", &server.id)]).await?;
        let port = ports.iter().find(|port| port.network_id == network.id).or(ports.first());
        let port =
            port.ok_or_else(|| self.error("the server is in no network", "delete it and deploy it again"))?;
        let own: Vec<FloatingIp> = self.network.list_own().await?;
        let is_wanted =
            |ip: &&FloatingIp| wanted.is_none_or(|wanted| ip.floating_ip_address.as_deref() == Some(wanted));
        let mut theirs = own.iter().filter(|ip| ip.port_id.as_ref() == Some(&port.id));
        if let Some(ip) = theirs.find(is_wanted) {
            self.kept("floating IP", ip.clone());
            return Ok(());
        }
        let is_free = |ip: &&FloatingIp| ip.port_id.is_none();
        let free = match wanted {
            Some(_) => own.iter().find(is_wanted),
            // Somebody may have reserved the others for something.
            None => own.iter().filter(is_free).find(|ip| is_ours(ip.description.as_deref())),
        };
        match free {
            Some(ip) if !is_free(&ip) => {
                return Err(Error::new(ErrorKind::Blocked, "the floating IP is another server's")
                    .with_object(format!("floating IP {}", wanted.unwrap_or_default()))
                    .with_hint("take it off that server, or name another"));
            }
            Some(ip) => {
                let body =
                    FloatingIpBody { port_id: Some(Some(port.id.clone())), ..FloatingIpBody::default() };
                let ip: FloatingIp = self.network.update(&ip.id, &body).await?;
                self.told(
                    "floating IP",
                    ip.floating_ip_address.as_deref().unwrap_or_default(),
                    Outcome::Updated,
                );
            }
            None => {
                let body = FloatingIpBody {
                    floating_network_id: Some(external.id.clone()),
                    floating_ip_address: wanted.map(str::to_owned),
                    port_id: Some(Some(port.id.clone())),
                    description: Some(MARK.to_owned()),
                    ..FloatingIpBody::default()
                };
                let ip: FloatingIp = self.network.create(&body).await?;
                self.told(
                    "floating IP",
                    ip.floating_ip_address.as_deref().unwrap_or_default(),
                    Outcome::Created,
                );
            }
        }
        Ok(())
    }

    /// How the host is reached, and from where it comes.
    pub(super) async fn deployed(&self, server: &Server) -> Result<Deployed> {
        // Not from Nova, who hears of floating IPs late.
        let floating: Vec<String> =
            self.floating_ips(server).await?.into_iter().filter_map(|ip| ip.floating_ip_address).collect();
        let found = floating.first().cloned().or_else(|| address::of(server));
        let address = self.ssh.address.clone().or_else(|| found.clone()).ok_or_else(|| {
            self.error("the server has no address", "give it a network, or say where it answers: address=...")
        })?;
        let fixed = server.addresses_of_type("fixed").map(|address| address.addr.clone());
        let routed = self.router_addresses().await?;
        let mut addresses: Vec<String> = fixed.chain(floating).chain(found).chain(routed).collect();
        addresses.sort();
        addresses.dedup();
        let ours = is_marked(server);
        let host = key::host_name(&address, self.ssh.port);
        let ssh = SshSpec { address: Some(address), ..self.ssh.clone() };
        // Whoever made the server may log in there by other ways, and know it already.
        let ssh = match ours {
            true => ssh,
            false => SshSpec {
                key: ssh.key.filter(|key| key.is_file()),
                known_hosts: ssh.known_hosts.filter(|file| key::knows(file, &host)),
                ..ssh
            },
        };
        Ok(Deployed { ssh, addresses, ours })
    }

    /// The floating IPs of a server, by its ports.
    async fn floating_ips(&self, server: &Server) -> Result<Vec<FloatingIp>> {
        let query = [("device_id", server.id.as_str())];
        let (ports, mut own) =
            tokio::try_join!(self.network.list::<Port>(&query), self.network.list_own::<FloatingIp>())?;
        own.retain(|ip| ports.iter().any(|port| ip.port_id.as_ref() == Some(&port.id)));
        Ok(own)
    }

    /// Waits until the host lets us in: first its keys on the console, so that it is known who answers.
    pub(super) async fn answering(&self, id: &str, fresh: bool) -> Result<Deployed> {
        let server = self.compute.server(id).await?;
        let server = server.ok_or_else(|| self.error("the server is gone", "deploy it again"))?;
        let deployed = self.deployed(&server).await?;
        let ssh = &deployed.ssh;
        let address = ssh.address.clone().unwrap_or_default();
        if let Some(file) = self.ssh.known_hosts.as_ref().filter(|_| deployed.ours && !self.ssh.accept_new) {
            let host = key::host_name(&address, ssh.port);
            if fresh || !key::knows(file, &host) {
                key::learn(file, &host, &self.host_keys(id).await?)?;
                self.told("host key", &host, Outcome::Written);
            }
        }
        let host = SshHost::new(ssh.clone(), address, crate::host::agent_binary()?)?;
        let deadline = Instant::now() + self.limit;
        while let Err(error) = host.prepare().await {
            if error.retry() != Retry::Safe || Instant::now() >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, "the host does not answer yet");
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        self.ready(&deployed);
        Ok(deployed)
    }

    /// The host keys of a server, as its console shows them: through Nova, not from whoever answers on the network.
    async fn host_keys(&self, id: &str) -> Result<Vec<String>> {
        let what = format!("SSH host keys on the console of server {id}");
        let shown = wait_for(&what, self.limit, Poll::default(), || async {
            let keys = key::on_console(&self.compute.console(id, CONSOLE).await?);
            Ok(if keys.is_empty() {
                Observation::Pending("booting".to_owned())
            } else {
                Observation::Ready(keys)
            })
        });
        shown.await.map_err(|error| {
            let hint = "an image with cloud-init shows them; else name a file that has them with known-hosts=FILE, or \
                        take the first key seen with host-key=accept-new";
            Error::from(error).with_object(format!("conversion host {}", self.ssh.server)).with_hint(hint)
        })
    }

    /// Deletes the server if it was made here, and its floating IP unless that is to stay.
    pub(super) async fn remove_server(&self, server: &Server) -> Result<()> {
        if !is_marked(server) {
            self.told("server", &server.name, Outcome::Exists);
            return Ok(());
        }
        if let Some(attached) =
            server.volumes_attached.iter().find(|volume| volume.delete_on_termination == Some(false))
        {
            let hint =
                "finish or clean up the moves that use it; a volume that nobody needs there can be detached";
            return Err(self.error(&format!("volume {} is attached to it", attached.id), hint));
        }
        let floating = self.floating_ips(server).await?;
        let deployed = self.deployed(server).await;
        self.compute.delete_server(&server.id).await?;
        self.compute.wait_server_gone(&server.id, self.limit).await?;
        self.told("server", &server.name, Outcome::Removed);
        for ip in &floating {
            let address = ip.floating_ip_address.as_deref().unwrap_or_default();
            if self.plan.keep_floating_ip || !is_ours(ip.description.as_deref()) {
                self.told("floating IP", address, Outcome::Exists);
                continue;
            }
            match self.network.delete::<FloatingIp>(&ip.id).await {
                Ok(()) => self.told("floating IP", address, Outcome::Removed),
                Err(error) if error.kind() == CloudError::Conflict => {
                    self.told("floating IP", address, Outcome::Skipped);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let (Some(file), Ok(Deployed { ssh, .. })) = (&self.ssh.known_hosts, deployed)
            && let Some(address) = &ssh.address
        {
            key::learn(file, &key::host_name(address, ssh.port), &[])?;
        }
        Ok(())
    }
}
