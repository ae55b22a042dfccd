//! Export: what is odd, hidden, nameless or gone in a cloud.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the test ends there")]

mod administrator;
mod gone;
mod names;
mod owner;
mod recorded;

#[path = "../import/fake/mod.rs"]
#[allow(dead_code, reason = "the tests of import need all of it")]
mod fake;
#[path = "../support/mod.rs"]
mod support;

use osm_model::{Kind, NameFilter, Resource};
use osm_openstack::export::export;

use support::Cloud;

async fn exported(cloud: &Cloud, kind: Kind) -> Vec<Resource> {
    export(&cloud.session, kind, &NameFilter::all()).await.unwrap()
}
