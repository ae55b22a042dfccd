//! The clouds of a run, with the conversion hosts of each pair.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::link::Link;
use super::side::Side;
use super::slots::Slots;
use super::{HostPair, WorkloadMigration};
use crate::{Error, ErrorKind, Result};

/// The clouds of a run with one pair of hosts, shared by the jobs of that pair.
pub(super) struct Clouds {
    pub(super) src: Side,
    pub(super) dst: Side,
    /// How their hosts reach each other.
    pub(super) link: Link,
    /// How much is done at once, whatever the pair.
    pub(super) slots: Arc<Slots>,
}

impl WorkloadMigration {
    /// Opens the clouds with each pair of conversion hosts, which are made ready where they are needed.
    pub(super) async fn open_clouds(&self, hosts: bool) -> Result<Vec<Clouds>> {
        let limit = self.options.timeout;
        let open = async |pair: &HostPair| {
            let (mut src, mut dst) = tokio::try_join!(
                Side::open(&self.src, &pair.src, limit),
                Side::open(&self.dst, &pair.dst, limit)
            )?;
            if hosts {
                tokio::try_join!(src.find_host(), dst.find_host())?;
            }
            if hosts && !self.options.check {
                tokio::try_join!(pair.src.prepare(), pair.dst.prepare())?;
            }
            Ok::<_, Error>((src, dst))
        };
        let mut sides = Vec::new();
        for pair in &self.hosts {
            sides.push(open(pair).await?);
        }
        let ids = |pick: fn(&(Side, Side)) -> &Side| {
            let ids = sides.iter().map(pick).map(|side| side.host_id.clone()).filter(|id| !id.is_empty());
            ids.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let (of_src, of_dst) = (ids(|(src, _)| src), ids(|(_, dst)| dst));
        let slots = Arc::new(Slots::new(&self.options.limits, of_src.iter().chain(&of_dst).cloned()));
        let clouds: Vec<Clouds> = sides
            .into_iter()
            .map(|(src, dst)| Clouds {
                src: Side { hosts: of_src.clone(), ..src },
                dst: Side { hosts: of_dst.clone(), ..dst },
                link: Link::default(),
                slots: Arc::clone(&slots),
            })
            .collect();
        if clouds.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no pair of conversion hosts"));
        }
        Ok(clouds)
    }
}
