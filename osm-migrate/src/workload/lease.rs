//! The claim on a source as everybody can see it: metadata of the source server, or of a detached volume.
//!
//! The state store keeps two runs of one data directory apart. This keeps operators apart who share nothing
//! but the cloud. Neither Nova nor Cinder can compare and swap, so each run writes a key of its own, waits
//! a moment, and looks whether it is alone; of two that meet, both step back and try again at different times.
//! A run whose key is gone has lost its claim. The true fence stays the attachment: a volume that one run has
//! attached to its conversion host, Cinder gives to no other.
//!
//! Whether a run elsewhere still lives, no clock tells that may be wrong: a lease that is not renewed while
//! one watches is dead.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use uuid::Uuid;

use super::side::Side;
use super::tag;
use crate::state::Owner;
use crate::{Error, ErrorKind, Result};

/// How often a lease is renewed.
pub(crate) const RENEWED: Duration = Duration::from_secs(15);

/// How long one watches a lease of another machine that may be dead.
const WATCHED: Duration = Duration::from_secs(40);

/// How long a cloud may take to show everybody what was written.
const SETTLE: Duration = Duration::from_millis(250);

/// How often two runs that meet step back.
const ATTEMPTS: u32 = 5;

/// Metadata hold 255 characters.
const LONGEST_HOST: usize = 40;

/// What a lease hangs on.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// A server of the source.
    Server(String),
    /// A volume of the source.
    Volume(String),
}

/// The lease of one run.
#[derive(Clone)]
pub(crate) struct Lease {
    side: Side,
    subject: Subject,
    key: String,
    holder: Holder,
}

/// Who holds a lease, as its value tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    host: String,
    boot: String,
    pid: u32,
    started: u64,
    epoch: u64,
    /// When it began, in seconds since 1970 by its own clock.
    since: i64,
    /// How often it was renewed.
    beat: u64,
}

impl Holder {
    fn new(owner: &Owner, epoch: u64) -> Self {
        let Owner { host, boot, pid, started, since, .. } = owner.clone();
        Self { host: host.chars().take(LONGEST_HOST).collect(), boot, pid, started, epoch, since, beat: 0 }
    }

    fn owner(&self, run: &str) -> Owner {
        let Self { host, boot, pid, started, since, .. } = self.clone();
        Owner { host, boot, pid, started, since, run: run.to_owned() }
    }
}

impl Lease {
    /// Takes the lease on a source.
    ///
    /// # Errors
    /// `Claimed` while another run holds it: who, and since when.
    pub(crate) async fn take(side: &Side, subject: Subject, owner: &Owner, epoch: u64) -> Result<Self> {
        let key = format!("{}{}", tag::CLAIM, owner.run.get(..8).unwrap_or(&owner.run));
        let lease = Self { side: side.clone(), subject, key, holder: Holder::new(owner, epoch) };
        for attempt in 1.. {
            lease.refuse_living().await?;
            lease.settle().await?;
            lease.write(0).await?;
            sleep(SETTLE).await;
            let written = lease.all().await?;
            if written.len() == 1 && written.contains_key(&lease.key) {
                break;
            }
            lease.release().await?;
            if attempt == ATTEMPTS {
                lease.refuse_living().await?;
                return Err(Error::new(ErrorKind::Claimed, "other runs claim it at the same time")
                    .with_hint("run again when the others have ended"));
            }
            // Different for each, or they meet again.
            let jitter = Uuid::new_v4().as_u128() % 1000;
            sleep(SETTLE + Duration::from_millis(u64::try_from(jitter).unwrap_or(0))).await;
        }
        Ok(lease)
    }

    /// Returns when the source is at rest: Nova takes no metadata of a server that is being stopped or started,
    /// by a run before it was killed or by its owner.
    async fn settle(&self) -> Result<()> {
        match &self.subject {
            Subject::Server(id) => self.side.settled_server(id).await.map(drop),
            Subject::Volume(_) => Ok(()),
        }
    }

    /// Says that the run is alive.
    ///
    /// # Errors
    /// `StaleEpoch` when the lease was taken away.
    pub(crate) async fn renew(&self, beat: u64) -> Result<()> {
        match self.read().await? {
            // The source is gone, and whoever deleted it knows why.
            None => Ok(()),
            Some(metadata) if metadata.contains_key(&self.key) => self.write(beat).await,
            Some(_) => {
                Err(Error::new(ErrorKind::StaleEpoch, "another run took the claim on the source away"))
            }
        }
    }

    /// Gives the lease back.
    pub(crate) async fn release(&self) -> Result<()> {
        self.remove(&self.key).await
    }

    /// Refuses when another run holds a lease; those of dead ones are removed.
    async fn refuse_living(&self) -> Result<()> {
        let others: Vec<_> = self.all().await?.into_iter().filter(|(key, _)| *key != self.key).collect();
        for (key, value) in others {
            match serde_json::from_str::<Holder>(&value) {
                Ok(holder) if self.is_alive(&key, &value, &holder).await? => {
                    let hint = format!(
                        "wait until it ends, or end it; if it is dead, run again: a lease that is not renewed for \
                         {} s is void",
                        WATCHED.as_secs()
                    );
                    return Err(Error::new(ErrorKind::Claimed, holder.owner(&key).told()).with_hint(hint));
                }
                Ok(_) => {
                    self.settle().await?;
                    self.remove(&key).await?;
                }
                Err(error) => {
                    let message = format!("the claim `{key}` on the source cannot be read");
                    return Err(Error::new(ErrorKind::Claimed, message)
                        .with_source(error)
                        .with_hint("a newer osm may work on it; else remove this metadata of the source"));
                }
            }
        }
        Ok(())
    }

    /// Whether another run still lives: on this machine its process tells, elsewhere its lease.
    async fn is_alive(&self, key: &str, value: &str, holder: &Holder) -> Result<bool> {
        let owner = holder.owner(key);
        if owner.is_of_this_machine() {
            return Ok(owner.is_alive(Duration::ZERO));
        }
        let mut watched = Duration::ZERO;
        while watched < WATCHED {
            match self.all().await?.get(key) {
                None => return Ok(false),
                Some(now) if now != value => return Ok(true),
                Some(_) => sleep(SETTLE * 8).await,
            }
            watched += SETTLE * 8;
        }
        Ok(false)
    }

    /// The leases on the source, by key.
    async fn all(&self) -> Result<BTreeMap<String, String>> {
        let mut metadata = self.read().await?.unwrap_or_default();
        metadata.retain(|key, _| key.starts_with(tag::CLAIM));
        Ok(metadata)
    }

    async fn read(&self) -> Result<Option<BTreeMap<String, String>>> {
        Ok(match &self.subject {
            Subject::Server(id) => self.side.compute.server(id).await?.map(|server| server.metadata),
            Subject::Volume(id) => self.side.storage.volume(id).await?.map(|volume| volume.metadata),
        })
    }

    async fn write(&self, beat: u64) -> Result<()> {
        let value = serde_json::to_string(&Holder { beat, ..self.holder.clone() })?;
        let metadata = tag::pairs([(self.key.as_str(), value.as_str())]);
        match &self.subject {
            Subject::Server(id) => Ok(self.side.compute.set_server_metadata(id, &metadata).await?),
            Subject::Volume(id) => self.side.tag_volume(id, metadata).await,
        }
    }

    async fn remove(&self, key: &str) -> Result<()> {
        match &self.subject {
            Subject::Server(id) => self.side.untag_server(id, key).await,
            Subject::Volume(id) => self.side.untag_volume(id, &[key]).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_fits_into_metadata() {
        let owner = Owner { host: "h".repeat(100), ..Owner::current() };
        let owner = Owner { pid: u32::MAX, started: u64::from(u32::MAX) * 100, ..owner };
        let holder = Holder { beat: 1_000_000, ..Holder::new(&owner, 100_000) };
        let text = serde_json::to_string(&holder).unwrap();
        assert!(text.len() <= 255, "{} characters: {text}", text.len());
        assert!(holder.owner("run").told().ends_with(" UTC"));
        assert!(holder.owner("run").is_of_this_machine());
    }
}
