//! The catalog's tables, and how an older catalog becomes one of today.

use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, Schema, Set};

use crate::entity::{backup, environment, job, note, site};
use crate::{Catalog, CatalogError};

/// The version that this release writes.
const VERSION: i64 = 1;
const NAME: &str = "catalog version";

impl Catalog {
    pub(crate) async fn migrate(&self, file: &Path) -> Result<(), CatalogError> {
        let open = |source| CatalogError::Open { file: file.to_owned(), source };
        if self.is_current().await {
            return Ok(());
        }
        let backend = DatabaseBackend::Sqlite;
        let schema = Schema::new(backend);
        let transaction = self.write().await?;
        let mut tables = [
            schema.create_table_from_entity(note::Entity),
            schema.create_table_from_entity(site::Entity),
            schema.create_table_from_entity(environment::Entity),
            schema.create_table_from_entity(backup::Entity),
            schema.create_table_from_entity(job::Entity),
        ];
        for table in &mut tables {
            transaction.execute(table.if_not_exists()).await.map_err(open)?;
        }
        for index in INDEXES {
            transaction.execute_unprepared(index).await.map_err(open)?;
        }
        match note::Entity::find_by_id(NAME).one(&transaction).await.map_err(open)? {
            None => {
                let version = note::ActiveModel { name: Set(NAME.into()), text: Set(VERSION.to_string()) };
                note::Entity::insert(version).exec_without_returning(&transaction).await.map_err(open)?;
            }
            Some(note) => {
                let found = note.text.parse().map_err(|e| CatalogError::damaged(NAME, e))?;
                if found > VERSION {
                    return Err(CatalogError::Newer { file: file.to_owned(), found, known: VERSION });
                }
            }
        }
        transaction.commit().await.map_err(open)
    }
}

impl Catalog {
    /// Whether there is nothing to do, which is so nearly always: a transaction that writes costs a sync.
    async fn is_current(&self) -> bool {
        let version = note::Entity::find_by_id(NAME).one(&self.database).await;
        matches!(version, Ok(Some(note)) if note.text == VERSION.to_string())
    }
}

const INDEXES: [&str; 3] = [
    "CREATE UNIQUE INDEX IF NOT EXISTS backup_of ON backup (site, env, started)",
    "CREATE INDEX IF NOT EXISTS job_of ON job (site, env, state)",
    "CREATE INDEX IF NOT EXISTS job_state ON job (state, worker)",
];
