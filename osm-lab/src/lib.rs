//! Two OpenStack clouds and a vCenter on loopback, in one process.
//!
//! [`Lab::start`] opens a cloud `src` and a cloud `dst`, each with Keystone, Nova, Neutron, Cinder and Glance on
//! a port of its own, as the catalog says. They speak the published APIs (microversions, paging, quotas, error
//! bodies, states that take time) closely enough that a client cannot tell them from the real thing, and hold
//! real bytes: a volume is a sparse file, a snapshot freezes it, an attached volume shows up as a device in the
//! server's [`Cloud::device_dir`].
//!
//! Beside them stands [`vcenter`]: a vCenter whose machines change on their disks, and that keeps track of it. Its
//! host serves frozen disks over NFC: [`nfc`].
//!
//! What it is not: it runs no guests, routes no packets and keeps nothing after it is dropped but the files below
//! [`LabOptions::dir`].
//!
//! ```no_run
//! # fn main() -> std::io::Result<()> {
//! let lab = osm_lab::Lab::start(osm_lab::LabOptions::new("/tmp/lab"))?;
//! lab.seed_demo_tenant()?;
//! print!("{}", lab.clouds_yaml());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod api;
mod cinder;
mod clock;
mod cloud;
mod clouds_yaml;
mod digest;
mod disk;
mod fault;
mod flight;
mod glance;
mod ip;
mod keystone;
mod lab;
mod neutron;
pub mod nfc;
mod nova;
mod options;
mod quota;
mod runtime;
mod seed;
mod table;
pub mod vcenter;
mod world;

pub use cloud::{Cloud, Counts, RecordedRequest, Service};
pub use fault::{Fault, FaultKind};
pub use keystone::Credentials;
pub use lab::Lab;
pub use options::LabOptions;
pub use quota::Quotas;
