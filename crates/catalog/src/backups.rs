//! What the catalog knows of backups: their reports and their marks.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use undercroft_model::{BackupReport, EnvName, Mark};
use uuid::Uuid;

use crate::entity::backup;
use crate::{Catalog, CatalogError};

/// A backup as the catalog knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredBackup {
    /// What its record says.
    pub report: BackupReport,
    /// What happened to it since, in order.
    pub marks: Vec<Mark>,
}

fn stored(row: backup::Model) -> Result<StoredBackup, CatalogError> {
    let damaged =
        |e: serde_json::Error| CatalogError::damaged(format!("the marks of the backup {}", row.id), e);
    let marks = serde_json::from_value(row.marks.clone()).map_err(damaged)?;
    Ok(StoredBackup { report: report(row)?, marks })
}

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
    /// All backups of an environment, or of a whole site, newest first, whatever became of them: what is past its
    /// time or in the trash is among them until it is removed from the store.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn backups(
        &self,
        site: Uuid,
        env: Option<&EnvName>,
    ) -> Result<Vec<StoredBackup>, CatalogError> {
        let mut query = backup::Entity::find().filter(backup::Column::Site.eq(site));
        if let Some(env) = env {
            query = query.filter(backup::Column::Env.eq(env.as_str()));
        }
        let rows = query.order_by_desc(backup::Column::Started).all(&self.database).await?;
        rows.into_iter().map(stored).collect()
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

    /// Says what happened to a backup, in place of what was known of that before.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn set_marks(&self, backup: Uuid, marks: &[Mark]) -> Result<(), CatalogError> {
        let json = serde_json::to_value(marks)
            .map_err(|e| CatalogError::damaged(format!("the marks of the backup {backup}"), e))?;
        backup::Entity::update_many()
            .col_expr(backup::Column::Marks, json.into())
            .filter(backup::Column::Id.eq(backup))
            .exec(&self.database)
            .await?;
        Ok(())
    }

    /// Forgets a backup that the store does not have any more.
    ///
    /// # Errors
    /// [`CatalogError`] if the catalog fails.
    pub async fn forget_backup(&self, backup: Uuid) -> Result<(), CatalogError> {
        backup::Entity::delete_by_id(backup).exec(&self.database).await?;
        Ok(())
    }
}
