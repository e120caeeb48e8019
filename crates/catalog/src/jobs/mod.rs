//! Jobs: queued, claimed under a lease, done or failed.
//!
//! One job at a time changes an environment, and a sweep has its site to itself. A claim counts the job's fence up;
//! whoever holds an older number can neither report nor commit any more.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Set, UpdateResult,
};
use serde_json::Value;
use undercroft_model::{BackupReport, EnvName};
use uuid::Uuid;

use crate::entity::{environment, job, site};
use crate::{Catalog, CatalogError, backups};

mod kind;
mod lease;

pub use kind::{JobKind, JobState};
pub use lease::Claim;

/// A job as it is asked for.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: Uuid,
    /// The site.
    pub site: Uuid,
    /// The environment; `None` for what concerns the whole site.
    pub env: Option<EnvName>,
    /// What it does.
    pub kind: JobKind,
    /// What was asked, as the API has it.
    pub params: Value,
    /// The worker that is to run it.
    pub worker: Uuid,
    /// Unix seconds.
    pub created: f64,
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// The site.
    pub site: Uuid,
    /// The environment; `None` for what concerns the whole site.
    pub env: Option<EnvName>,
    /// What it does.
    pub kind: JobKind,
    /// What was asked, as the API has it.
    pub params: Value,
    /// Where it is in its life.
    pub state: JobState,
    /// The worker that has it, or is to have it.
    pub worker: Uuid,
    /// The number that its worker's lease has.
    pub fence: i64,
    /// When its worker last said that it goes on: Unix seconds.
    pub heartbeat: Option<f64>,
    /// When it was asked for, begun and done: Unix seconds.
    pub created: f64,
    /// See `created`.
    pub started: Option<f64>,
    /// See `created`.
    pub finished: Option<f64>,
    /// Unix seconds of the folder name of the backup that it makes.
    pub folder: Option<i64>,
    /// Why it failed, for a person.
    pub reason: String,
    /// What it has done so far.
    pub progress: Value,
    /// What came of it, if more is to be said than that it succeeded.
    pub outcome: Value,
}

impl TryFrom<job::Model> for Job {
    type Error = CatalogError;

    fn try_from(row: job::Model) -> Result<Self, CatalogError> {
        let damaged = |why: &str| CatalogError::damaged(format!("the job {}", row.id), why);
        Ok(Job {
            id: row.id,
            site: row.site,
            env: match row.env.as_str() {
                "" => None,
                env => Some(env.parse().map_err(|_| damaged("its environment's name is none"))?),
            },
            kind: JobKind::parse(&row.kind).ok_or_else(|| damaged("a later release made it"))?,
            params: row.params,
            state: JobState::parse(&row.state).ok_or_else(|| damaged("a later release made it"))?,
            worker: row.worker,
            fence: row.fence,
            heartbeat: row.heartbeat,
            created: row.created,
            started: row.started,
            finished: row.finished,
            folder: row.folder,
            reason: row.reason,
            progress: row.progress,
            outcome: row.outcome,
        })
    }
}

impl Catalog {
    /// Queues a job.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn add_job(&self, new: NewJob) -> Result<(), CatalogError> {
        let row = job::ActiveModel {
            id: Set(new.id),
            site: Set(new.site),
            env: Set(new.env.map(|env| env.to_string()).unwrap_or_default()),
            kind: Set(new.kind.as_str().to_owned()),
            params: Set(new.params),
            state: Set(JobState::Queued.as_str().to_owned()),
            worker: Set(new.worker),
            fence: Set(0),
            created: Set(new.created),
            started: Set(None),
            finished: Set(None),
            heartbeat: Set(None),
            folder: Set(None),
            reason: Set(String::new()),
            progress: Set(Value::Null),
            outcome: Set(Value::Null),
        };
        job::Entity::insert(row).exec_without_returning(&self.database).await?;
        Ok(())
    }

    /// The job with that id.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn job(&self, id: Uuid) -> Result<Option<Job>, CatalogError> {
        job::Entity::find_by_id(id).one(&self.database).await?.map(Job::try_from).transpose()
    }

    /// A site's jobs, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn jobs(&self, site: Uuid, limit: u64) -> Result<Vec<Job>, CatalogError> {
        let query = job::Entity::find().filter(job::Column::Site.eq(site));
        let rows = query.order_by_desc(job::Column::Created).limit(limit).all(&self.database).await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// All jobs that are not over, oldest first.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn open_jobs(&self) -> Result<Vec<Job>, CatalogError> {
        let rows = job::Entity::find()
            .filter(is_open())
            .order_by_asc(job::Column::Created)
            .all(&self.database)
            .await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// Writes down what came of a job; before it ends.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if the fence is an older one or the job is over.
    pub async fn set_outcome(&self, id: Uuid, fence: i64, outcome: Value) -> Result<(), CatalogError> {
        let update = job::Entity::update_many()
            .col_expr(job::Column::Outcome, outcome.into())
            .filter(held(id, fence))
            .exec(&self.database)
            .await?;
        kept(&update, id)
    }

    /// Makes a backup known that a job makes on its way, as a restore does first: as
    /// [`commit_backup`](Self::commit_backup), but the job goes on.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if the fence is an older one, and whatever `record` fails with.
    pub async fn commit_backup_within<E: From<CatalogError>>(
        &self,
        id: Uuid,
        fence: i64,
        report: &BackupReport,
        record: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let transaction = self.write().await?;
        let row = job::Entity::find().filter(held(id, fence)).one(&transaction).await;
        if row.map_err(CatalogError::from)?.is_none() {
            return Err(CatalogError::LostLease(id).into());
        }
        backups::insert(&transaction, report).await?;
        record().await?;
        transaction.commit().await.map_err(CatalogError::from)?;
        Ok(())
    }

    /// Ends a job that made a backup: with the fence checked and the write lock held, `record` writes the
    /// backup's record, and only then the catalog knows the backup.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if the fence is an older one, and whatever `record` fails with.
    pub async fn commit_backup<E: From<CatalogError>>(
        &self,
        id: Uuid,
        fence: i64,
        report: &BackupReport,
        end: (JobState, &str),
        record: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let transaction = self.write().await?;
        finish(&transaction, id, Some(fence), end, report.finished.as_duration().as_secs_f64()).await?;
        // What the catalog would refuse must not be in the store.
        backups::insert(&transaction, report).await?;
        record().await?;
        transaction.commit().await.map_err(CatalogError::from)?;
        Ok(())
    }

    /// Ends a job that made none. Without a fence: one whose worker is gone. With the one of another worker: it loses
    /// its lease.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if the fence is an older one or the job is over.
    pub async fn end_job(
        &self,
        id: Uuid,
        fence: Option<i64>,
        end: (JobState, &str),
        now: f64,
    ) -> Result<(), CatalogError> {
        let transaction = self.write().await?;
        finish(&transaction, id, fence, end, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Says how a restore came out in the end: one that is open, or failed, for others may bring that to its end later.
    /// An outcome that is null stays as it is.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if it succeeded, or was cancelled.
    pub async fn settle_job(
        &self,
        id: Uuid,
        (state, reason): (JobState, &str),
        outcome: Value,
        now: f64,
    ) -> Result<(), CatalogError> {
        let which = is_open().add(job::Column::State.eq(JobState::Failed.as_str()));
        let mut update = job::Entity::update_many()
            .col_expr(job::Column::State, state.as_str().into())
            .col_expr(job::Column::Reason, reason.into())
            .col_expr(job::Column::Finished, now.into());
        if !outcome.is_null() {
            update = update.col_expr(job::Column::Outcome, outcome.into());
        }
        let update = update.filter(job::Column::Id.eq(id)).filter(which).exec(&self.database).await?;
        kept(&update, id)
    }
}

/// Whether what the job is for has not been removed.
async fn is_there(transaction: &DatabaseTransaction, row: &job::Model) -> Result<bool, CatalogError> {
    if row.env.is_empty() {
        return Ok(site::Entity::find_by_id(row.site).one(transaction).await?.is_some());
    }
    let place = (row.site, row.env.clone());
    Ok(environment::Entity::find_by_id(place).one(transaction).await?.is_some())
}

fn is_open() -> Condition {
    Condition::any()
        .add(job::Column::State.eq(JobState::Queued.as_str()))
        .add(job::Column::State.eq(JobState::Running.as_str()))
}

fn held(id: Uuid, fence: i64) -> Condition {
    Condition::all()
        .add(job::Column::Id.eq(id))
        .add(job::Column::Fence.eq(fence))
        .add(job::Column::State.eq(JobState::Running.as_str()))
}

/// Whether an update of a job that somebody held found it held still.
fn kept(update: &UpdateResult, id: Uuid) -> Result<(), CatalogError> {
    if update.rows_affected == 1 { Ok(()) } else { Err(CatalogError::LostLease(id)) }
}

async fn finish(
    connection: &impl ConnectionTrait,
    id: Uuid,
    fence: Option<i64>,
    (state, reason): (JobState, &str),
    now: f64,
) -> Result<(), CatalogError> {
    let which = match fence {
        Some(fence) => held(id, fence),
        None => Condition::all().add(job::Column::Id.eq(id)).add(is_open()),
    };
    let update = job::Entity::update_many()
        .col_expr(job::Column::State, state.as_str().into())
        .col_expr(job::Column::Reason, reason.into())
        .col_expr(job::Column::Finished, now.into())
        .filter(which)
        .exec(connection)
        .await?;
    kept(&update, id)
}
