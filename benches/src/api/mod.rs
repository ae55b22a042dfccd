//! `osm-cli export` and `import` beside the plainest requests that could do the same.
//!
//! The same session code makes the plain requests, so what is compared is how many there are and what
//! is done between them. Each round lists, exports, creates, deletes, imports, imports again and
//! deletes; the source is filled once and emptied at the end.

mod plain;
mod tenant;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use osm_lab::{Lab, LabOptions};
use osm_openstack::{CloudConfig, ConfigSources, Session};

use crate::arguments::Arguments;
use crate::measure;
use crate::results::Spread;

/// The kinds that are measured.
const KINDS: [&str; 4] = ["networks", "subnets", "security_groups", "security_group_rules"];

/// What is measured.
#[derive(Debug)]
pub(crate) struct Options {
    rounds: u32,
    networks: usize,
    ours: PathBuf,
    /// The `clouds.yaml` of two clouds that may be written to; without, the lab.
    clouds: Option<PathBuf>,
    src: String,
    dst: String,
}

impl Options {
    pub(crate) fn from_arguments(arguments: &mut Arguments) -> Result<Self> {
        let options = Self {
            rounds: arguments.option("rounds")?.unwrap_or(3),
            networks: arguments.option("networks")?.unwrap_or(60),
            ours: match arguments.option("ours")? {
                Some(program) => program,
                None => std::env::current_exe()?.with_file_name("osm-cli"),
            },
            clouds: arguments.option("clouds")?,
            src: arguments.option("src")?.unwrap_or_else(|| "src".to_owned()),
            dst: arguments.option("dst")?.unwrap_or_else(|| "dst".to_owned()),
        };
        let [] = arguments.words()?;
        ensure!(options.rounds > 0 && options.networks > 0, "at least one round of one network");
        ensure!(options.ours.exists(), "no {}: cargo build --release -p osm-cli", options.ours.display());
        Ok(options)
    }
}

/// One kind of work: the plain way and ours, in seconds.
#[derive(Debug, Default)]
struct Pair {
    plain: Vec<f64>,
    ours: Vec<f64>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Lives as long as the measurement.
    let lab;
    let clouds = match &options.clouds {
        Some(clouds) => clouds.clone(),
        None => {
            lab = Lab::start(LabOptions { page_size: 1000, ..LabOptions::new(folder.path().join("lab")) })?;
            for cloud in [lab.src(), lab.dst()] {
                cloud.set_quotas(|quotas| {
                    (quotas.networks, quotas.subnets, quotas.ports) = (-1, -1, -1);
                    (quotas.security_groups, quotas.security_group_rules) = (-1, -1);
                });
            }
            let clouds = folder.path().join("clouds.yaml");
            lab.write_clouds_yaml(&clouds)?;
            clouds
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let bench = Bench { options, clouds, folder: folder.path() };
    runtime.block_on(bench.run())
}

struct Bench<'a> {
    options: &'a Options,
    clouds: PathBuf,
    folder: &'a Path,
}

impl Bench<'_> {
    async fn run(&self) -> Result<()> {
        let src = self.connect(&self.options.src).await?;
        tenant::empty(&src).await?;
        tenant::empty(&self.connect(&self.options.dst).await?).await?;
        let count = tenant::fill(&src, self.options.networks).await.context("cannot fill the source")?;
        println!(
            "{count} resources (networks, subnets, security groups, rules), {}",
            self.options.clouds.as_ref().map_or("the lab".to_owned(), |path| path.display().to_string())
        );
        println!("round  list plain  export     create plain  import     list plain  import again");
        let (mut export, mut import, mut again) = (Pair::default(), Pair::default(), Pair::default());
        let mut memory = 0;
        for round in 1..=self.options.rounds {
            let data = self.folder.join(format!("data{round}"));
            export.plain.push(self.list(&self.options.src).await?);
            let exported = self.cli("export", "--src", &self.options.src, &data)?;
            export.ours.push(exported.wall);
            memory = memory.max(exported.peak_kib);

            let dst = self.connect(&self.options.dst).await?;
            let started = Instant::now();
            plain::create(&dst, self.options.networks).await?;
            import.plain.push(started.elapsed().as_secs_f64());
            tenant::empty(&dst).await?;
            let imported = self.cli("import", "--dst", &self.options.dst, &data)?;
            import.ours.push(imported.wall);
            memory = memory.max(imported.peak_kib);

            again.plain.push(self.list(&self.options.dst).await?);
            again.ours.push(self.cli("import", "--dst", &self.options.dst, &data)?.wall);
            tenant::empty(&dst).await?;
            let last = |numbers: &[f64]| numbers.last().copied().unwrap_or_default();
            println!(
                "{round:>5}  {:>10.2}  {:>6.2}     {:>12.2}  {:>6.2}     {:>10.2}  {:>12.2}",
                last(&export.plain),
                last(&export.ours),
                last(&import.plain),
                last(&import.ours),
                last(&again.plain),
                last(&again.ours)
            );
        }
        tenant::empty(&src).await?;
        println!("\nosm / plain, round by round     min median    max");
        for (name, pair) in [("export", &export), ("import", &import), ("import again", &again)] {
            let ratios = pair.ours.iter().zip(&pair.plain).map(|(ours, plain)| ours / plain);
            if let Some(spread) = Spread::of(ratios) {
                println!("  {name:<26} {spread}");
            }
        }
        println!("most memory of a run: {:.0} MiB", memory as f64 / 1024.0);
        Ok(())
    }

    async fn connect(&self, cloud: &str) -> Result<Session> {
        let config = CloudConfig::load(Some(cloud), &ConfigSources::file(&self.clouds))?;
        Ok(Session::connect(config).await?)
    }

    /// Seconds of a token and one listing of each kind.
    async fn list(&self, cloud: &str) -> Result<f64> {
        let started = Instant::now();
        plain::list(&self.connect(cloud).await?).await?;
        Ok(started.elapsed().as_secs_f64())
    }

    fn cli(&self, verb: &str, side: &str, cloud: &str, data: &Path) -> Result<measure::Run> {
        let mut command = Command::new(&self.options.ours);
        command.arg(verb).args(KINDS).args([side, cloud]).arg("--data-dir").arg(data);
        command.env("OS_CLIENT_CONFIG_FILE", &self.clouds);
        measure::run(&mut command)
    }
}
