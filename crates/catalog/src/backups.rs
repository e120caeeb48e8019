//! What the catalog knows of backups: their reports.

use jiff::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use undercroft_model::{BackupReport, EnvName};
use uuid::Uuid;

use crate::entity::backup;
use crate::{Catalog, CatalogError};

fn report(row: backup::Model) -> Result<BackupReport, CatalogError> {
    serde_json::from_value(row.report)
        .map_err(|e| CatalogError::damaged(format!("the backup {} of {}", row.id, row.env), e))
}

pub(crate) async fn insert(
    connection: &impl ConnectionTrait,
    report: &BackupReport,
) -> Result<(), CatalogError> {
    let json = serde_json::to_value(report)
        .map_err(|e| CatalogError::damaged(format!("the backup {}", report.id), e))?;
    let row = backup::ActiveModel {
        id: Set(report.id),
        site: Set(report.site),
        env: Set(report.env.to_string()),
        started: Set(report.folder.started),
        expires: Set(report.expires.as_second()),
        report: Set(json),
        marks: Set(serde_json::Value::Array(Vec::new())),
    };
    backup::Entity::insert(row).exec_without_returning(connection).await?;
    Ok(())
}

impl Catalog {
    /// An environment's backups that are not past their time at `now`, newest first.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn backups(
        &self,
        site: Uuid,
        env: &EnvName,
        now: Timestamp,
    ) -> Result<Vec<BackupReport>, CatalogError> {
        let rows = backup::Entity::find()
            .filter(backup::Column::Site.eq(site))
            .filter(backup::Column::Env.eq(env.as_str()))
            .filter(backup::Column::Expires.gt(now.as_second()))
            .order_by_desc(backup::Column::Started)
            .all(&self.database)
            .await?;
        rows.into_iter().map(report).collect()
    }

    /// The backup with that id, whatever became of it.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn backup(&self, id: Uuid) -> Result<Option<BackupReport>, CatalogError> {
        backup::Entity::find_by_id(id).one(&self.database).await?.map(report).transpose()
    }

    /// The UUIDs of all backups of a site that the catalog knows.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn backup_ids(&self, site: Uuid) -> Result<Vec<Uuid>, CatalogError> {
        let query = backup::Entity::find().select_only().column(backup::Column::Id);
        Ok(query.filter(backup::Column::Site.eq(site)).into_tuple().all(&self.database).await?)
    }

    /// Takes in a backup that the store has and the catalog lacks.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn adopt_backup(&self, report: &BackupReport) -> Result<(), CatalogError> {
        insert(&self.database, report).await
    }
}
