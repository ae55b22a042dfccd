//! How an operator names a conversion host: `local:SERVER` or `ssh:SERVER`, with options.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::{Error, ErrorKind, Result};

/// A conversion host as it is given on a command line.
///
/// ```
/// use osm_migrate::HostSpec;
///
/// let spec: HostSpec = "ssh:os_migrate_conv_dst,user=cloud-user,port=2222".parse()?;
/// assert_eq!(spec.server(), "os_migrate_conv_dst");
/// # Ok::<(), osm_migrate::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostSpec {
    /// This machine is the conversion host.
    Local {
        /// Name or id of its Nova server.
        server: String,
        /// Where udev names devices by id, when not in the usual place.
        devices: Option<PathBuf>,
    },
    /// The conversion host is reached with the operator's OpenSSH client.
    Ssh(SshSpec),
}

/// A conversion host reached over SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshSpec {
    /// Name or id of its Nova server.
    pub server: String,
    /// Where it answers; asked of Nova when not given. An alias of ~/.ssh/config does as well.
    pub address: Option<String>,
    /// The port, when not that of the ssh configuration.
    pub port: Option<u16>,
    /// The user, when not that of the ssh configuration.
    pub user: Option<String>,
    /// The private key, when not one of the agent or the ssh configuration.
    pub key: Option<PathBuf>,
    /// The file of known host keys, when not that of the ssh configuration.
    pub known_hosts: Option<PathBuf>,
    /// Believe the first host key seen, and only that one from then on.
    pub accept_new: bool,
    /// Where udev on the host names devices by id, when not in the usual place.
    pub devices: Option<PathBuf>,
    /// The bastion on the way, `USER@HOST:PORT`, user and port optional; the same key and known hosts count for it.
    pub jump: Option<String>,
    /// Let disks travel from host to host directly where that is possible; else always through SSH.
    pub link: bool,
}

impl Default for SshSpec {
    fn default() -> Self {
        Self {
            server: String::new(),
            address: None,
            port: None,
            user: None,
            key: None,
            known_hosts: None,
            accept_new: false,
            devices: None,
            jump: None,
            link: true,
        }
    }
}

impl SshSpec {
    /// Who logs in on conversion hosts, unless said otherwise: the user of many cloud images.
    pub const USER: &str = "cloud-user";

    /// The host of this name as `hosts deploy` has made it, with what it has put into a folder: its key and what is
    /// known of its host key, as far as they are there.
    pub fn deployed(server: &str, folder: &Path) -> Self {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        Self {
            server: server.to_owned(),
            key: there("ssh.key"),
            known_hosts: there("known_hosts"),
            ..Self::default()
        }
    }

    /// The same host, to be made: what is not there yet is put into the folder.
    #[must_use]
    pub fn to_deploy(self, folder: &Path) -> Self {
        let known_hosts = self.known_hosts.unwrap_or_else(|| folder.join("known_hosts"));
        Self {
            user: Some(self.user.unwrap_or_else(|| Self::USER.to_owned())),
            key: Some(self.key.unwrap_or_else(|| folder.join("ssh.key"))),
            known_hosts: Some(known_hosts),
            ..self
        }
    }
}

impl HostSpec {
    /// Name or id of the host's Nova server.
    pub fn server(&self) -> &str {
        match self {
            Self::Local { server, .. } => server,
            Self::Ssh(ssh) => &ssh.server,
        }
    }
}

impl FromStr for HostSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(ErrorKind::Config, why).with_object(format!("conversion host `{text}`")).with_hint(
                "write ssh:SERVER[,address=H][,port=P][,user=U][,key=FILE][,known-hosts=FILE]\
                 [,host-key=accept-new][,devices=DIR][,jump=USER@HOST:PORT][,link=no] or local:SERVER[,devices=DIR]",
            )
        };
        let (scheme, rest) =
            text.split_once(':').ok_or_else(|| wrong("it says neither ssh: nor local:".into()))?;
        let mut words = rest.split(',');
        let server = words.next().unwrap_or_default().to_owned();
        if server.is_empty() {
            return Err(wrong("the server's name is missing".into()));
        }
        let mut ssh = SshSpec { server, ..SshSpec::default() };
        for word in words {
            let (key, value) =
                word.split_once('=').ok_or_else(|| wrong(format!("`{word}` is not KEY=VALUE")))?;
            if value.is_empty() || value.starts_with('-') {
                return Err(wrong(format!("`{word}` has no usable value")));
            }
            match (scheme, key) {
                (_, "devices") => ssh.devices = Some(value.into()),
                ("ssh", "address") => ssh.address = Some(value.to_owned()),
                ("ssh", "port") => {
                    ssh.port = Some(value.parse().map_err(|_| wrong(format!("`{value}` is no port")))?);
                }
                ("ssh", "user") => ssh.user = Some(value.to_owned()),
                ("ssh", "key") => ssh.key = Some(value.into()),
                ("ssh", "known-hosts") => ssh.known_hosts = Some(value.into()),
                ("ssh", "host-key") if value == "accept-new" => ssh.accept_new = true,
                ("ssh", "host-key") => return Err(wrong("host-key can only be accept-new".into())),
                ("ssh", "jump") => ssh.jump = Some(value.to_owned()),
                ("ssh", "link") if value == "no" => ssh.link = false,
                ("ssh", "link") => return Err(wrong("link can only be no".into())),
                _ => return Err(wrong(format!("there is no option `{key}` here"))),
            }
        }
        match scheme {
            "local" => Ok(Self::Local { server: ssh.server, devices: ssh.devices }),
            "ssh" => Ok(Self::Ssh(ssh)),
            other => Err(wrong(format!("there is no host of kind `{other}`"))),
        }
    }
}

/// As it is given on a command line.
impl fmt::Display for HostSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ssh = match self {
            Self::Local { server, devices } => {
                write!(f, "local:{server}")?;
                return devices.iter().try_for_each(|devices| write!(f, ",devices={}", devices.display()));
            }
            Self::Ssh(ssh) => ssh,
        };
        write!(f, "ssh:{}", ssh.server)?;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        for (key, value) in [
            ("address", ssh.address.clone()),
            ("port", ssh.port.map(|port| port.to_string())),
            ("user", ssh.user.clone()),
            ("key", path(&ssh.key)),
            ("known-hosts", path(&ssh.known_hosts)),
            ("host-key", ssh.accept_new.then(|| "accept-new".to_owned())),
            ("devices", path(&ssh.devices)),
            ("jump", ssh.jump.clone()),
            ("link", (!ssh.link).then(|| "no".to_owned())),
        ] {
            value.iter().try_for_each(|value| write!(f, ",{key}={value}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_ssh_hosts_are_understood() {
        let spec: HostSpec =
            "ssh:conv,address=10.0.0.5,port=22,user=root,key=/k,known-hosts=/h,host-key=accept-new,devices=/d,jump=me@b:2222,link=no"
                .parse()
                .unwrap();
        let expected = SshSpec {
            server: "conv".into(),
            address: Some("10.0.0.5".into()),
            port: Some(22),
            user: Some("root".into()),
            key: Some("/k".into()),
            known_hosts: Some("/h".into()),
            accept_new: true,
            devices: Some("/d".into()),
            jump: Some("me@b:2222".into()),
            link: false,
        };
        assert_eq!(spec, HostSpec::Ssh(expected));
        assert_eq!(spec.to_string().parse::<HostSpec>().unwrap(), spec);
    }

    #[test]
    fn local_hosts_have_devices_only() {
        let spec: HostSpec = "local:conv,devices=/dev/disk/by-id".parse().unwrap();
        assert_eq!(spec.server(), "conv");
        assert_eq!(spec.to_string(), "local:conv,devices=/dev/disk/by-id");
        assert!("local:conv,user=root".parse::<HostSpec>().is_err());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        for (text, part) in [
            ("conv", "neither"),
            ("ssh:", "missing"),
            ("rsh:conv", "rsh"),
            ("ssh:conv,port=x", "port"),
            ("ssh:conv,key", "KEY=VALUE"),
            ("ssh:conv,host-key=no", "accept-new"),
            ("ssh:conv,link=yes", "link"),
            ("local:conv,link=no", "link"),
            ("ssh:conv,address=-oProxyCommand=evil", "address"),
            ("ssh:conv,color=red", "color"),
        ] {
            let error = text.parse::<HostSpec>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
