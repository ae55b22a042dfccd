//! The state store in a data directory: one SQLite file.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use osm_transfer::Retry;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::owner::SILENCE;
use super::{Checkpoint, Claim, Job, JobStatus, Owner, RecordedEvent, StateStore};
use crate::{Error, ErrorKind, Event, Result, Step};

/// Raised when the tables change; a file of a later version is refused.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE job (
        id TEXT PRIMARY KEY, workload TEXT NOT NULL, status TEXT NOT NULL, epoch INTEGER NOT NULL,
        owner TEXT, heartbeat INTEGER, detail TEXT
    ) STRICT;
    CREATE TABLE checkpoint (
        seq INTEGER PRIMARY KEY, job TEXT NOT NULL REFERENCES job (id), step TEXT NOT NULL, item TEXT NOT NULL,
        data TEXT, UNIQUE (job, step, item)
    ) STRICT;
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY, job TEXT NOT NULL REFERENCES job (id), at INTEGER NOT NULL, event TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_job ON event (job, seq);
";

/// Keeps the state in one SQLite file, synchronously.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    connection: Arc<Mutex<Connection>>,
}

impl SqliteStore {
    /// Opens the file, and makes it when it is not there.
    ///
    /// # Errors
    /// It cannot be opened, is no state file, or is of a later version.
    pub fn open(path: &Path) -> Result<Self> {
        let named = |error: Error| error.with_object(path.display().to_string());
        let mut connection = Connection::open(path).map_err(|error| named(error.into()))?;
        prepare(&mut connection).map_err(named)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` in a transaction off the async threads: a commit waits for the disk.
    async fn within<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let connection = Arc::clone(&self.connection);
        let run = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            // Immediate: the write lock is taken before anything is read, so that nothing read
            // here can be out of date when it is written back.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        tokio::task::spawn_blocking(run).await.map_err(|error| {
            Error::new(ErrorKind::State, "the state store's thread failed").with_source(error)
        })?
    }
}

fn prepare(connection: &mut Connection) -> Result<()> {
    connection.busy_timeout(Duration::from_secs(15))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        SCHEMA_VERSION => {}
        later => {
            let message = format!("the state is of version {later}, this program knows {SCHEMA_VERSION}");
            return Err(Error::new(ErrorKind::State, message));
        }
    }
    transaction.commit()?;
    Ok(())
}

#[async_trait]
impl StateStore for SqliteStore {
    async fn put_job(&self, job: &Job) -> Result<()> {
        let job = job.clone();
        self.within(move |transaction| {
            transaction.execute(
                "INSERT INTO job (id, workload, status, epoch) VALUES (?1, ?2, ?3, 0)
                 ON CONFLICT (id) DO UPDATE SET workload = excluded.workload",
                params![job.id, job.workload, status_word(job.status)],
            )?;
            Ok(())
        })
        .await
    }

    async fn job(&self, id: &str) -> Result<Option<Job>> {
        let id = id.to_owned();
        self.within(move |transaction| load(transaction, &id)).await
    }

    async fn jobs(&self) -> Result<Vec<Job>> {
        self.within(|transaction| {
            let mut statement = transaction.prepare(&format!("{SELECT_JOB} ORDER BY workload, id"))?;
            let rows = statement.query_and_then([], read_job)?;
            rows.collect()
        })
        .await
    }

    async fn claim(&self, job: &str, owner: &Owner) -> Result<Claim> {
        let (id, owner) = (job.to_owned(), owner.clone());
        self.within(move |transaction| {
            let job = load(transaction, &id)?
                .ok_or_else(|| Error::new(ErrorKind::State, "the job is unknown").with_object(id.clone()))?;
            if job.status == JobStatus::Running {
                refuse_if_alive(&job, &owner)?;
            }
            let epoch = job.epoch + 1;
            transaction.execute(
                "UPDATE job SET status = ?2, epoch = ?3, owner = ?4, heartbeat = ?5, detail = NULL WHERE id = ?1",
                params![id, status_word(JobStatus::Running), signed(epoch), serde_json::to_string(&owner)?, signed(now())],
            )?;
            Ok(Claim { job: id, epoch })
        })
        .await
    }

    async fn heartbeat(&self, claim: &Claim) -> Result<()> {
        let claim = claim.clone();
        self.within(move |transaction| {
            fence(transaction, &claim)?;
            transaction
                .execute("UPDATE job SET heartbeat = ?2 WHERE id = ?1", params![claim.job, signed(now())])?;
            Ok(())
        })
        .await
    }

    async fn checkpoint(&self, claim: &Claim, checkpoint: &Checkpoint) -> Result<()> {
        let (claim, checkpoint) = (claim.clone(), checkpoint.clone());
        self.within(move |transaction| {
            fence(transaction, &claim)?;
            let Checkpoint { step, item, data } = checkpoint;
            transaction.execute(
                "INSERT INTO checkpoint (job, step, item, data) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (job, step, item) DO UPDATE SET data = excluded.data",
                params![claim.job, step.as_str(), item, data],
            )?;
            Ok(())
        })
        .await
    }

    async fn forget(&self, claim: &Claim, step: Step) -> Result<()> {
        let claim = claim.clone();
        self.within(move |transaction| {
            fence(transaction, &claim)?;
            transaction.execute(
                "DELETE FROM checkpoint WHERE job = ?1 AND step = ?2",
                params![claim.job, step.as_str()],
            )?;
            Ok(())
        })
        .await
    }

    async fn checkpoints(&self, job: &str) -> Result<Vec<Checkpoint>> {
        let job = job.to_owned();
        self.within(move |transaction| {
            let mut statement =
                transaction.prepare("SELECT step, item, data FROM checkpoint WHERE job = ?1 ORDER BY seq")?;
            let rows = statement.query_and_then([job], |row| {
                let step: String = row.get(0)?;
                Ok(Checkpoint { step: step.parse()?, item: row.get(1)?, data: row.get(2)? })
            })?;
            rows.collect()
        })
        .await
    }

    async fn complete(&self, claim: &Claim, status: JobStatus, detail: Option<&str>) -> Result<()> {
        let (claim, detail) = (claim.clone(), detail.map(str::to_owned));
        self.within(move |transaction| {
            fence(transaction, &claim)?;
            transaction.execute(
                "UPDATE job SET status = ?2, detail = ?3, owner = NULL, heartbeat = NULL WHERE id = ?1",
                params![claim.job, status_word(status), detail],
            )?;
            Ok(())
        })
        .await
    }

    async fn record(&self, claim: &Claim, event: &Event) -> Result<()> {
        let (claim, event) = (claim.clone(), serde_json::to_string(event)?);
        self.within(move |transaction| {
            fence(transaction, &claim)?;
            transaction.execute(
                "INSERT INTO event (job, at, event) VALUES (?1, ?2, ?3)",
                params![claim.job, signed(now()), event],
            )?;
            Ok(())
        })
        .await
    }

    async fn events(&self, job: &str) -> Result<Vec<RecordedEvent>> {
        let job = job.to_owned();
        self.within(move |transaction| {
            let mut statement =
                transaction.prepare("SELECT at, event FROM event WHERE job = ?1 ORDER BY seq")?;
            let rows = statement.query_and_then([job], |row| {
                let text: String = row.get(1)?;
                Ok(RecordedEvent { at: unsigned(row.get(0)?), event: serde_json::from_str(&text)? })
            })?;
            rows.collect()
        })
        .await
    }
}

const SELECT_JOB: &str = "SELECT id, workload, status, epoch, owner, heartbeat, detail FROM job";

fn load(transaction: &Transaction<'_>, id: &str) -> Result<Option<Job>> {
    let mut statement = transaction.prepare(&format!("{SELECT_JOB} WHERE id = ?1"))?;
    let job = statement.query_row([id], |row| Ok(read_job(row))).optional()?;
    job.transpose()
}

fn read_job(row: &Row<'_>) -> Result<Job> {
    let status: String = row.get(2)?;
    let owner: Option<String> = row.get(4)?;
    Ok(Job {
        id: row.get(0)?,
        workload: row.get(1)?,
        status: serde_json::from_value(status.into())?,
        epoch: unsigned(row.get(3)?),
        owner: owner.map(|text| serde_json::from_str(&text)).transpose()?,
        heartbeat: row.get::<_, Option<i64>>(5)?.map(unsigned),
        detail: row.get(6)?,
    })
}

/// Refuses what is written under a claim that has ended.
fn fence(transaction: &Transaction<'_>, claim: &Claim) -> Result<()> {
    let current: Option<(i64, String)> = transaction
        .query_row("SELECT epoch, status FROM job WHERE id = ?1", [&claim.job], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match current {
        Some((epoch, status))
            if unsigned(epoch) == claim.epoch && status == status_word(JobStatus::Running) =>
        {
            Ok(())
        }
        _ => {
            let message = format!("the claim of epoch {} on the job has ended", claim.epoch);
            Err(Error::new(ErrorKind::StaleEpoch, message).with_object(format!("job {}", claim.job)))
        }
    }
}

fn refuse_if_alive(job: &Job, owner: &Owner) -> Result<()> {
    let Some(holder) = &job.owner else { return Ok(()) };
    let silence = job.silence();
    if holder.run == owner.run || !holder.is_alive(silence) {
        return Ok(());
    }
    let message = format!("{}, heard of {} s ago", holder.told(), silence.as_secs());
    let hint = format!(
        "wait until it ends, or end it; a process elsewhere is taken for dead after {} s of silence",
        SILENCE.as_secs()
    );
    Err(Error::new(ErrorKind::Claimed, message)
        .with_workload(job.workload.clone())
        .with_hint(hint)
        .with_retry(Retry::After(SILENCE)))
}

fn status_word(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Pending => "pending",
        JobStatus::Running => "running",
        JobStatus::Failed => "failed",
        JobStatus::Seeded => "seeded",
        JobStatus::Done => "done",
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// SQLite's integers are signed; ours here never reach the sign.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
