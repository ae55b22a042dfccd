//! `osm-cli demo`: a tenant moves between two clouds on loopback, in one process.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use osm_lab::{Lab, LabOptions};
use osm_migrate::{DataDir, ExportOptions, NullSink, SeedOptions, Summary};
use osm_model::{FilterSet, Kind, NameFilter};
use serde_json::json;

use super::migrate::Work;
use super::setup::Setup;
use super::{Globals, code_of, flows, migrate};
use crate::{args, output};

mod table;

use self::table::Witness;

/// What belongs to conversion hosts stays where it is.
const NOT_OF_CONVERSION_HOSTS: &str = "^(?!os_migrate_conv)";

pub(crate) async fn run(globals: &Globals<'_>, arguments: args::Demo) -> Result<ExitCode> {
    let started = Instant::now();
    let place = Place::new(arguments.dir)?;
    let lab = Lab::start(LabOptions::new(place.path().join("lab"))).context("cannot start the two clouds")?;
    lab.seed_demo_tenant().context("cannot fill the source cloud")?;
    let clouds = place.path().join("clouds.yaml");
    lab.write_clouds_yaml(&clouds)?;
    if arguments.serve {
        lab.seed_organisation();
        return serve(globals, &lab, &clouds).await;
    }
    let inner = Globals { output: globals.output, clouds: Some(&clouds) };
    let data_dir = place.path().join("tenant");
    let events = output::event_sink(globals.output);

    headline(globals, "Export: reading the tenant from cloud src");
    let src = inner.connect("src").await?;
    let filters = filters()?;
    let data = DataDir::new(&data_dir);
    let options = ExportOptions::default();
    let mut total =
        osm_migrate::export(&src, &Kind::OF_TENANT, &filters, &data, events.as_ref(), &options).await?;
    flows::insist_on_valid(globals, &data)?;

    headline(globals, "Import: creating it in cloud dst");
    let dst = inner.connect("dst").await?;
    let importable = flows::importable();
    total.add(osm_migrate::import(&dst, &importable, &filters, &data, events.as_ref()).await?);

    let witness = Arc::new(Witness::new(Arc::clone(&events)));
    for (work, what) in [
        (Work::Seed(SeedOptions::default()), "Seed: copying the disks while their servers run"),
        (Work::CutOver, "Cutover: stopping the servers, copying what has changed, starting them over there"),
        (Work::DetachedVolumes, "Migrate: moving the volumes that no server has"),
    ] {
        headline(globals, what);
        let told = workloads(&lab, &data_dir);
        let setup = Setup::new(&inner, &told.data)?;
        let options = migrate::options(None, &told);
        total.add(migrate::perform(&setup, &told, options, work, Arc::clone(&witness) as _).await?);
    }

    headline(globals, "Import once more: nothing is left to change");
    let again = osm_migrate::import(&dst, &importable, &filters, &data, &NullSink).await?;
    total.failed += again.created + again.updated + again.failed;

    if !globals.is_json() {
        println!("\n{}", witness.table(&dst).await?);
    }
    finish(globals, &total, &again, started);
    Ok(code_of(&total))
}

/// What `osm-cli migrate` would be told.
fn workloads(lab: &Lab, data_dir: &Path) -> args::Workloads {
    let host = |server: &str, devices: PathBuf| format!("local:{server},devices={}", devices.display());
    args::Workloads {
        names: Vec::new(),
        regexes: Vec::new(),
        data: args::DataDirectory { data_dir: Some(data_dir.to_path_buf()), vars: Vec::new() },
        src: Some("src".into()),
        dst: Some("dst".into()),
        src_host: vec![host("os_migrate_conv_src", lab.src().device_dir("os_migrate_conv_src"))],
        dst_host: vec![host("os_migrate_conv_dst", lab.dst().device_dir("os_migrate_conv_dst"))],
        via: args::Via::Hosts,
        check: false,
        workloads: 2,
        disks: 2,
        limits: Vec::new(),
        compress: false,
        cleanup: false,
        timeout: Some(60),
        guest: args::Guest::default(),
        places: args::Places::default(),
    }
}

fn filters() -> Result<FilterSet> {
    let mut filters = FilterSet::default();
    for kind in Kind::OF_TENANT {
        filters.set(kind, NameFilter::regex(NOT_OF_CONVERSION_HOSTS)?);
    }
    Ok(filters)
}

async fn serve(globals: &Globals<'_>, lab: &Lab, clouds: &Path) -> Result<ExitCode> {
    let host =
        |side: &str, devices: PathBuf| format!("local:os_migrate_conv_{side},devices={}", devices.display());
    let src_host = host("src", lab.src().device_dir("os_migrate_conv_src"));
    let dst_host = host("dst", lab.dst().device_dir("os_migrate_conv_dst"));
    if globals.is_json() {
        output::json_line(&json!({
            "event": "serving", "clouds": clouds, "src_host": src_host, "dst_host": dst_host,
        }));
    } else {
        let clouds = clouds.display();
        println!("Two clouds, src and dst, answer until you interrupt. In another terminal:\n");
        println!("  export OS_CLIENT_CONFIG_FILE={clouds}");
        println!("  export OSM_DATA_DIR=tenant OSM_SRC_HOST={src_host} OSM_DST_HOST={dst_host}");
        println!("  osm-cli export --src src --regex '{NOT_OF_CONVERSION_HOSTS}'");
        println!("  osm-cli import --dst dst");
        println!("  osm-cli export --admin --src src-admin --data-dir cloud");
        println!("  osm-cli migrate --src src --dst dst");
    }
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

fn headline(globals: &Globals<'_>, text: &str) {
    if globals.is_json() {
        output::json_line(&json!({"event": "chapter", "title": text}));
    } else {
        println!("\n{text}");
    }
}

fn finish(globals: &Globals<'_>, total: &Summary, again: &Summary, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    if globals.is_json() {
        output::json_line(&json!({"event": "demo_done", "seconds": seconds, "failed": total.failed}));
        return;
    }
    let changed = again.created + again.updated;
    println!("The second import made {changed} changes: {} things are as they should be.", again.unchanged);
    println!("All in {seconds:.1} s.");
    for failure in &total.failures {
        println!("! {}: {}", failure.item, failure.error);
    }
}

/// The folder of a demo: the one that was named, or a temporary one that goes with it.
enum Place {
    Kept(PathBuf),
    Temporary(PathBuf),
}

impl Place {
    fn new(named: Option<PathBuf>) -> Result<Self> {
        let path = match &named {
            Some(path) => std::path::absolute(path)?,
            None => std::env::temp_dir().join(format!("osm-demo-{}", std::process::id())),
        };
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(if named.is_some() { Self::Kept(path) } else { Self::Temporary(path) })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Temporary(path) => path,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self {
            // What cannot be removed is left to the system's own cleaning of temporary files.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}
