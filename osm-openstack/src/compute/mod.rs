//! The Compute service: servers, their volumes, keypairs, flavors.
//!
//! [`Compute`] is one session's view of Nova. Each method is one action of
//! the API; what waits takes a time limit.

mod asset;
mod fingerprint;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::discovery::Microversion;
use crate::error::{Error, ErrorKind, Result};
use crate::session::{Service, ServiceKind, Session};
use crate::wait::{Observation, Poll, wait_for};

pub(crate) use fingerprint::fingerprint;
pub use wire::*;

impl Session {
    /// The Compute service of this cloud.
    ///
    /// # Errors
    /// When the catalog has none, or it cannot be reached.
    pub async fn compute(&self) -> Result<Compute> {
        Ok(Compute { service: self.service(ServiceKind::Compute).await? })
    }
}

/// Nova.
#[derive(Clone)]
pub struct Compute {
    service: Service,
}

impl Compute {
    /// The service itself, for what has no method here.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// A server; none when there is no such id.
    pub async fn server(&self, id: &str) -> Result<Option<Server>> {
        self.service.request("show server", Method::GET, format!("servers/{id}")).optional("server").await
    }

    /// The properties of its image that a server was started with, which the image itself may have lost
    /// since; none before microversion 2.98, and for servers that boot from a volume.
    pub async fn server_image_properties(&self, id: &str) -> Result<Option<BTreeMap<String, String>>> {
        #[derive(serde::Deserialize)]
        struct Shown {
            #[serde(default, deserialize_with = "crate::lenient::object_or_text")]
            image: Option<Image>,
        }
        #[derive(serde::Deserialize)]
        struct Image {
            properties: Option<BTreeMap<String, serde_json::Value>>,
        }
        let shows = Microversion::new(2, 98);
        if !self.service.microversions().is_some_and(|range| range.contains(shows)) {
            return Ok(None);
        }
        let service = self.service.with_microversion(shows);
        let request = service.request("show server image", Method::GET, format!("servers/{id}"));
        let shown: Option<Shown> = request.optional("server").await?;
        let properties = shown.and_then(|shown| shown.image).and_then(|image| image.properties);
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(properties.map(|all| all.into_iter().map(|(key, value)| (key, text(value))).collect()))
    }

    /// The project's servers that match.
    pub async fn servers(&self, filter: &ServerFilter) -> Result<Vec<Server>> {
        // Nova takes the name for a regular expression; which exactly depends on its database.
        // So it only narrows the list, the decision is made here.
        let pattern = filter.name.as_deref().map(escape);
        let mut query = Vec::new();
        query.extend(pattern.as_deref().map(|pattern| ("name", pattern)));
        query.extend(filter.status.as_deref().map(|status| ("status", status)));
        let servers: Vec<Server> =
            self.service.list("list servers", "servers/detail", &query, "servers").await?;
        Ok(servers.into_iter().filter(|server| filter.matches(server)).collect())
    }

    /// The project's server of this name; none when there is none.
    ///
    /// # Errors
    /// `Conflict` when there are several.
    pub async fn server_by_name(&self, name: &str) -> Result<Option<Server>> {
        let mut servers = self.servers(&ServerFilter::named(name)).await?;
        if servers.len() > 1 {
            let ids: Vec<_> = servers.iter().map(|server| server.id.as_str()).collect();
            let message = format!("there are {} servers named `{name}`: {}", servers.len(), ids.join(", "));
            return Err(Error::new(ErrorKind::Conflict, message).with_service("compute"));
        }
        Ok(servers.pop())
    }

    /// Makes a server. Of the answer only the id is certain; the rest comes while Nova builds it.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the server by its metadata before making another.
    pub async fn create_server(&self, server: &CreateServer) -> Result<Server> {
        #[derive(Serialize)]
        struct Body<'a> {
            server: &'a CreateServer,
            #[serde(rename = "OS-SCH-HNT:scheduler_hints", skip_serializing_if = "Option::is_none")]
            scheduler_hints: Option<&'a serde_json::Value>,
        }
        let body = Body { server, scheduler_hints: server.scheduler_hints.as_ref() };
        let request = self.service.request("create server", Method::POST, "servers").json(&body);
        let mut made: Server = request.keyed("server").await?;
        if made.name.is_empty() {
            made.name.clone_from(&server.name);
        }
        Ok(made)
    }

    /// Deletes a server; one that is gone already is fine.
    pub async fn delete_server(&self, id: &str) -> Result<()> {
        gone_is_fine(
            self.service.request("delete server", Method::DELETE, format!("servers/{id}")).empty().await,
        )
    }

    /// Stops a server; one that is stopped already is fine. Wait for `SHUTOFF`.
    pub async fn stop_server(&self, id: &str) -> Result<()> {
        let done = self.action("stop server", id, &json!({"os-stop": null})).await;
        self.or_already(done, id, "SHUTOFF").await
    }

    /// Starts a server; one that runs already is fine. Wait for `ACTIVE`.
    pub async fn start_server(&self, id: &str) -> Result<()> {
        let done = self.action("start server", id, &json!({"os-start": null})).await;
        self.or_already(done, id, "ACTIVE").await
    }

    /// Waits until a server is in this status.
    ///
    /// # Errors
    /// `State` with Nova's fault when it goes to `ERROR` or is gone; `Timeout`.
    pub async fn wait_server(&self, id: &str, status: &str, limit: Duration) -> Result<Server> {
        wait_for(&format!("server {id} in status {status}"), limit, Poll::default(), || async {
            let Some(server) = self.server(id).await? else {
                return Ok(Observation::Failed("it is gone".to_owned()));
            };
            if server.status == status && server.task_state.is_none() {
                return Ok(Observation::Ready(server));
            }
            if server.status == "ERROR" && server.task_state.is_none() {
                let fault = server.fault.as_ref().and_then(|fault| fault.message.as_deref());
                return Ok(Observation::failed(&server.status, fault));
            }
            Ok(Observation::Pending(server.status))
        })
        .await
    }

    /// Waits until a server is gone.
    pub async fn wait_server_gone(&self, id: &str, limit: Duration) -> Result<()> {
        wait_for(&format!("deletion of server {id}"), limit, Poll::default(), || async {
            Ok(match self.server(id).await? {
                None => Observation::Ready(()),
                Some(server) if server.status == "DELETED" => Observation::Ready(()),
                Some(server) => Observation::Pending(server.status),
            })
        })
        .await
    }

    /// The last lines of a server's console.
    pub async fn console(&self, id: &str, lines: u32) -> Result<String> {
        #[derive(Deserialize)]
        struct Console {
            output: Option<String>,
        }
        let body = json!({"os-getConsoleOutput": {"length": lines}});
        let request = self.service.request("read console", Method::POST, format!("servers/{id}/action"));
        let Console { output } = request.json(&body).decode().await?;
        Ok(output.unwrap_or_default())
    }

    /// Adds to a server's metadata; keys not named keep their value.
    pub async fn set_server_metadata(&self, id: &str, metadata: &BTreeMap<String, String>) -> Result<()> {
        self.service
            .request("set server metadata", Method::POST, format!("servers/{id}/metadata"))
            .json(&json!({ "metadata": metadata }))
            .idempotent(true)
            .empty()
            .await
    }

    /// Makes an image of a server's boot disk and returns the image's id.
    ///
    /// # Errors
    /// `Ambiguous` when the answer was lost: look for the image by its metadata before making another.
    pub async fn create_image(
        &self,
        server: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<String> {
        #[derive(serde::Deserialize)]
        struct Made {
            image_id: String,
        }
        let body = json!({"createImage": {"name": name, "metadata": metadata}});
        let response = self.action_request("create image", server).json(&body).send().await?;
        // Before microversion 2.45 the id is the end of the address in the `Location` header.
        let location = response.header("location").and_then(|location| location.rsplit('/').next());
        match location.filter(|id| !id.is_empty() && response.bytes().is_empty()) {
            Some(id) => Ok(id.to_owned()),
            None => Ok(response.decode::<Made>()?.image_id),
        }
    }

    /// A server's security groups.
    pub async fn server_security_groups(&self, id: &str) -> Result<Vec<ServerSecurityGroup>> {
        let path = format!("servers/{id}/os-security-groups");
        self.service
            .request("list security groups of server", Method::GET, path)
            .keyed("security_groups")
            .await
    }

    /// A server's volumes, in Nova's order.
    pub async fn attachments(&self, server: &str) -> Result<Vec<VolumeAttachment>> {
        let path = format!("servers/{server}/os-volume_attachments");
        self.service.request("list volume attachments", Method::GET, path).keyed("volumeAttachments").await
    }

    /// Attaches a volume. The device name comes once Nova chose it; wait for the volume to be `in-use`.
    pub async fn attach_volume(&self, server: &str, volume: &str) -> Result<VolumeAttachment> {
        let path = format!("servers/{server}/os-volume_attachments");
        let response = self
            .service
            .request("attach volume", Method::POST, path)
            .json(&json!({"volumeAttachment": {"volumeId": volume}}))
            .send()
            .await?;
        // From microversion 2.101 on the answer has no body: the work goes on after it.
        if response.bytes().is_empty() {
            let (server_id, volume_id) = (server.to_owned(), volume.to_owned());
            return Ok(VolumeAttachment { server_id, volume_id, ..VolumeAttachment::default() });
        }
        response.keyed("volumeAttachment")
    }

    /// Detaches a volume; one that is not attached is fine. Wait for the volume to be `available`.
    pub async fn detach_volume(&self, server: &str, volume: &str) -> Result<()> {
        let path = format!("servers/{server}/os-volume_attachments/{volume}");
        gone_is_fine(self.service.request("detach volume", Method::DELETE, path).empty().await)
    }

    /// What the project may use and uses.
    pub async fn limits(&self) -> Result<Limits> {
        #[derive(serde::Deserialize)]
        struct Body {
            absolute: Limits,
        }
        let body: Body = self.service.request("show limits", Method::GET, "limits").keyed("limits").await?;
        Ok(body.absolute)
    }

    fn action_request(&self, operation: &'static str, id: &str) -> crate::http::Request {
        self.service.request(operation, Method::POST, format!("servers/{id}/action"))
    }

    async fn action(&self, operation: &'static str, id: &str, body: &serde_json::Value) -> Result<()> {
        self.action_request(operation, id).json(body).empty().await
    }

    /// A refused change of state is fine when the state is there already.
    async fn or_already(&self, done: Result<()>, id: &str, status: &str) -> Result<()> {
        let Err(error) = done else { return Ok(()) };
        if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Ambiguous) {
            let server = self.server(id).await?;
            if server.is_some_and(|server| server.status == status && server.task_state.is_none()) {
                return Ok(());
            }
        }
        Err(error)
    }
}

/// Takes "there is no such object" for success of a deletion.
pub(crate) fn gone_is_fine(deleted: Result<()>) -> Result<()> {
    match deleted {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The text as a regular expression that matches itself.
fn escape(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() && !matches!(character, '-' | '_') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
