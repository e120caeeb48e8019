//! The lease on a job: asked for, renewed, given back.

use std::collections::BTreeSet;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Set,
};
use serde_json::Value;
use uuid::Uuid;

use super::{Job, JobKind, JobState, held, is_open, is_there, kept};
use crate::entity::{backup, job};
use crate::{Catalog, CatalogError};

/// What came of asking for a job's lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is the worker's: the number that fences others off, and the second that names the backup's folder.
    Won {
        /// The fence.
        fence: i64,
        /// Unix seconds.
        folder: i64,
    },
    /// Another job of the environment comes first.
    Behind(Box<Job>),
}

impl Catalog {
    /// Asks for a queued job's lease; the oldest job of an environment goes first.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if the job is over, or another worker's.
    pub async fn claim(&self, id: Uuid, worker: Uuid, now: f64) -> Result<Claim, CatalogError> {
        let transaction = self.write().await?;
        let row = job::Entity::find_by_id(id).one(&transaction).await?.ok_or(CatalogError::NoJob(id))?;
        if row.worker != worker || row.state != JobState::Queued.as_str() {
            return Err(CatalogError::LostLease(id));
        }
        if !is_there(&transaction, &row).await? {
            return Err(CatalogError::LostLease(id));
        }
        if let Some(first) = before(&transaction, &row).await? {
            return Ok(Claim::Behind(Box::new(first.try_into()?)));
        }
        let folder = next_folder(&transaction, &row, now).await?;
        let fence = row.fence + 1;
        let mut row: job::ActiveModel = row.into();
        row.state = Set(JobState::Running.as_str().to_owned());
        row.fence = Set(fence);
        row.started = Set(Some(now));
        row.heartbeat = Set(Some(now));
        row.folder = Set(Some(folder));
        row.update(&transaction).await?;
        transaction.commit().await?;
        Ok(Claim::Won { fence, folder })
    }

    /// Says that the job goes on, and how far it is.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if the fence is an older one or the job is over.
    pub async fn heartbeat(
        &self,
        id: Uuid,
        fence: i64,
        now: f64,
        progress: Value,
    ) -> Result<(), CatalogError> {
        let update = job::Entity::update_many()
            .col_expr(job::Column::Heartbeat, now.into())
            .col_expr(job::Column::Progress, progress.into())
            .filter(held(id, fence))
            .exec(&self.database)
            .await?;
        kept(&update, id)
    }

    /// Whether another job waits for the one that runs.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn is_waited_for(&self, job: &Job) -> Result<bool, CatalogError> {
        let open = self.open_jobs().await?;
        Ok(open.iter().any(|other| {
            other.site == job.site
                && other.id != job.id
                && other.state == JobState::Queued
                // Two that both give way would do so to each other for ever.
                && !(job.kind.gives_way() && other.kind.gives_way())
                && job.kind.excludes(other.kind, other.env == job.env)
        }))
    }

    /// Gives a running job's lease back, so that others go first; it has to be claimed again.
    ///
    /// # Errors
    /// [`CatalogError::LostLease`] if the fence is an older one or the job is over.
    pub async fn give_way(&self, id: Uuid, fence: i64, now: f64) -> Result<(), CatalogError> {
        let update = job::Entity::update_many()
            .col_expr(job::Column::State, JobState::Queued.as_str().into())
            .col_expr(job::Column::Created, now.into())
            .filter(held(id, fence))
            .exec(&self.database)
            .await?;
        kept(&update, id)
    }
}

/// The job of the same site that has to be over before this one can begin: one that runs, else the oldest.
async fn before(
    transaction: &DatabaseTransaction,
    row: &job::Model,
) -> Result<Option<job::Model>, CatalogError> {
    let others = job::Entity::find()
        .filter(job::Column::Site.eq(row.site))
        .filter(job::Column::Id.ne(row.id))
        .filter(is_open())
        .order_by_desc(job::Column::State)
        .order_by_asc(job::Column::Created)
        .all(transaction)
        .await?;
    Ok(others.into_iter().find(|other| comes_first(other, row)))
}

/// Whether `row` has to wait for `other`.
fn comes_first(other: &job::Model, row: &job::Model) -> bool {
    // What a later release asked for is no business of this one, but it must not be run into either.
    let excluded = match (JobKind::parse(&other.kind), JobKind::parse(&row.kind)) {
        (Some(other_kind), Some(kind)) => kind.excludes(other_kind, other.env == row.env),
        _ => true,
    };
    let gives_way = |job: &job::Model| JobKind::parse(&job.kind).is_some_and(JobKind::gives_way);
    let goes_before = match (gives_way(other), gives_way(row)) {
        (true, false) => false,
        // It would have to stop at once for the other, however much later that was asked for.
        (false, true) => true,
        _ => (other.created, other.id) < (row.created, row.id),
    };
    excluded && (other.state == JobState::Running.as_str() || goes_before)
}

/// The second that names the backup's folder: now, or one that no backup of the environment has.
async fn next_folder(
    transaction: &DatabaseTransaction,
    row: &job::Model,
    now: f64,
) -> Result<i64, CatalogError> {
    let newest: Option<Option<i64>> = backup::Entity::find()
        .select_only()
        .column_as(backup::Column::Started.max(), "newest")
        .filter(backup::Column::Site.eq(row.site))
        .filter(backup::Column::Env.eq(&row.env))
        .into_tuple()
        .one(transaction)
        .await?;
    // A clock that was set back must not make a new backup older than the last.
    let first = Ord::max(now as i64, newest.flatten().unwrap_or(0) + 1);
    // A job that was killed may have left a record under its second.
    let taken: Vec<Option<i64>> = job::Entity::find()
        .select_only()
        .column(job::Column::Folder)
        .filter(job::Column::Site.eq(row.site))
        .filter(job::Column::Env.eq(&row.env))
        .filter(job::Column::Folder.gte(first))
        .into_tuple()
        .all(transaction)
        .await?;
    let taken: BTreeSet<i64> = taken.into_iter().flatten().collect();
    Ok((first..).find(|second| !taken.contains(second)).unwrap_or(first))
}
