//! What the command line and the variables files say together: what is typed counts more.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use osm_migrate::host::SshSpec;
use osm_migrate::vars::SideVars;
use osm_migrate::{DataDir, Event, EventSink, ExportOptions, HostSpec, Vars};
use osm_model::FilterSet;
use osm_openstack::{CloudConfig, ConfigSources, Session};

use super::Globals;
use crate::args::DataDirectory;
use crate::exit;

/// Which of the two clouds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one to move from.
    Src,
    /// The one to move to.
    Dst,
}

impl Side {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Src => "src",
            Self::Dst => "dst",
        }
    }
}

/// The configuration of a verb that works on a data directory.
pub(crate) struct Setup<'a> {
    globals: &'a Globals<'a>,
    data_dir: DataDir,
    pub(crate) vars: Option<Vars>,
}

impl<'a> Setup<'a> {
    pub(crate) fn new(globals: &'a Globals<'a>, arguments: &DataDirectory) -> Result<Self> {
        let vars = match arguments.vars.as_slice() {
            [] => None,
            paths => Some(Vars::load(paths)?),
        };
        let of_vars = |get: fn(&Vars) -> Option<PathBuf>| vars.as_ref().and_then(get);
        let path = arguments.data_dir.clone().or_else(|| of_vars(|vars| vars.data_dir.clone()));
        let path = path.ok_or_else(|| {
            exit::usage("there is no data directory: give --data-dir DIR, or os_migrate_data_dir in --vars")
        })?;
        let data_dir = DataDir::new(path).with_image_blobs(of_vars(|vars| vars.image_blobs.clone()));
        Ok(Self { globals, data_dir, vars })
    }

    pub(crate) fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// Tells what the variables files hold that has no effect.
    pub(crate) fn warn(&self, events: &dyn EventSink) {
        warn_of(self.vars.as_ref(), events);
    }

    /// Whether the files are to be checked before they are used.
    pub(crate) fn checks_files(&self) -> bool {
        self.vars.as_ref().is_none_or(|vars| vars.validate_files)
    }

    pub(crate) fn export_options(&self) -> ExportOptions {
        match &self.vars {
            Some(Vars { image_data, boot_disk_copy, .. }) => {
                ExportOptions { image_data: *image_data, boot_disk_copy: *boot_disk_copy }
            }
            None => ExportOptions::default(),
        }
    }

    /// The filters that the variables hold.
    pub(crate) fn filters(&self) -> FilterSet {
        self.vars.as_ref().map(|vars| vars.filters.clone()).unwrap_or_default()
    }

    /// A session with a cloud: the one that is named, else the one that the variables describe.
    pub(crate) async fn connect(&self, side: Side, named: Option<&str>) -> Result<Session> {
        let config = self.cloud(side, named)?;
        let name = config.name().to_owned();
        Session::connect(config).await.with_context(|| format!("cannot log in to cloud {name}"))
    }

    fn cloud(&self, side: Side, named: Option<&str>) -> Result<CloudConfig> {
        let usual = self.data_dir.path().join("clouds.yaml");
        let clouds_path = self.vars.as_ref().and_then(|vars| {
            // Where OS Migrate leaves one.
            vars.clouds_path.clone().or_else(|| usual.is_file().then_some(usual))
        });
        let sources = match self.globals.clouds.or(clouds_path.as_deref()) {
            Some(file) => ConfigSources::file(file),
            None => ConfigSources::from_env(),
        };
        let word = side.word();
        match (named, self.side(side).and_then(|side| side.cloud.clone())) {
            (Some(name), _) => Ok(CloudConfig::load(Some(name), &sources)?),
            (None, Some(config)) => Ok(config),
            (None, None) if clouds_path.is_some() => Ok(CloudConfig::load(Some(word), &sources)?),
            (None, None) => Err(exit::usage(format!(
                "no cloud is named: give --{word} CLOUD, or os_migrate_{word}_auth in --vars"
            ))),
        }
    }

    /// The conversion host: the one that is named, else the one that the variables describe, else the one that
    /// `hosts deploy` has made.
    pub(crate) fn host(&self, side: Side, named: Option<&str>) -> Result<HostSpec> {
        let word = side.word();
        if let Some(text) = named {
            return text.parse().with_context(|| format!("--{word}-host"));
        }
        let folder = self.conversion();
        Ok(HostSpec::Ssh(match self.side(side) {
            Some(vars) => vars.ssh(&folder),
            None => {
                let ssh = SshSpec::deployed(&format!("os_migrate_conv_{word}"), &folder);
                // Without a key of ours, it was started by hand, by whoever knows how to log in there.
                let user = ssh.key.is_some().then(|| SshSpec::USER.to_owned());
                SshSpec { user, ..ssh }
            }
        }))
    }

    /// The folder of what conversion hosts are made with.
    pub(crate) fn conversion(&self) -> PathBuf {
        self.data_dir.path().join("conversion")
    }

    /// What the variables say of a cloud.
    pub(crate) fn side(&self, side: Side) -> Option<&SideVars> {
        self.vars.as_ref().map(|vars| match side {
            Side::Src => &vars.src,
            Side::Dst => &vars.dst,
        })
    }
}

/// Tells what variables files hold that has no effect.
pub(super) fn warn_of(vars: Option<&Vars>, events: &dyn EventSink) {
    for message in vars.iter().flat_map(|vars| &vars.warnings) {
        events.emit(&Event::Warning { workload: None, message: message.clone() });
    }
}
