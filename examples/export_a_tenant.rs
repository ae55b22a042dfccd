//! Starts the lab, exports its tenant as a library user would, and lists the files. With a cloud of your own, leave the
//! lab out.
//!
//! ```console
//! $ cargo run -p osm-examples --example export_a_tenant -- DIR
//! ```

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use osm_lab::{Lab, LabOptions};
use osm_migrate::{DataDir, Event, EventSink, ExportOptions, Item};
use osm_model::{FilterSet, Kind, NameFilter};
use osm_openstack::{CloudConfig, ConfigSources, Session};

/// Prints one line an event.
struct Lines;

impl EventSink for Lines {
    fn emit(&self, event: &Event) {
        if let Event::Exported(Item { kind, name, outcome, .. }) = event {
            println!("{outcome} {kind} {}", name.as_deref().unwrap_or("-"));
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let dir: PathBuf = std::env::args().nth(1).context("usage: export_a_tenant DIR")?.into();
    let lab = Lab::start(LabOptions::new(dir.join("lab")))?;
    lab.seed_small_tenant()?;
    let clouds = dir.join("clouds.yaml");
    lab.write_clouds_yaml(&clouds)?;

    let config = CloudConfig::load(Some("src"), &ConfigSources::file(&clouds))?;
    let session = Session::connect(config).await?;
    let data_dir = DataDir::new(dir.join("tenant"));
    data_dir.make()?;

    // Everything but the conversion host, which stays where it is.
    let mut filters = FilterSet::default();
    filters.set(Kind::Workload, NameFilter::regex("^(?!os_migrate_conv)")?);
    let options = ExportOptions::default();
    let summary =
        osm_migrate::export(&session, &Kind::OF_TENANT, &filters, &data_dir, &Lines, &options).await?;
    println!(
        "{} resources written to {}, {} failed",
        summary.written,
        data_dir.path().display(),
        summary.failed
    );
    Ok(())
}
