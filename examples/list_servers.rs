//! Logs in to a cloud of clouds.yaml and lists the project's servers with their volumes.
//!
//! ```console
//! $ cargo run -p osm-examples --example list_servers -- my-cloud
//! ```

use anyhow::{Context as _, Result};
use osm_openstack::compute::ServerFilter;
use osm_openstack::{CloudConfig, ConfigSources, Session};

#[tokio::main]
async fn main() -> Result<()> {
    let cloud = std::env::args().nth(1).context("usage: list_servers CLOUD")?;
    let config = CloudConfig::load(Some(&cloud), &ConfigSources::from_env())?;
    let session = Session::connect(config).await?;

    let compute = session.compute().await?;
    let storage = session.block_storage().await?;
    for server in compute.servers(&ServerFilter::default()).await? {
        println!("{} {} {}", server.id, server.name, server.status);
        for attachment in compute.attachments(&server.id).await? {
            if let Some(volume) = storage.volume(&attachment.volume_id).await? {
                println!("  {} {} GiB {}", volume.id, volume.size, volume.status);
            }
        }
    }
    Ok(())
}
