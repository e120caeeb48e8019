//! The catalog's tables, and how an older catalog becomes one of today.

use std::path::Path;

use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DatabaseBackend, EntityTrait, Schema, Set};

use crate::entity::{backup, environment, job, note, site};
use crate::{Catalog, CatalogError};

/// The version that this release writes.
const VERSION: i64 = 2;
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
        let found = match note::Entity::find_by_id(NAME).one(&transaction).await.map_err(open)? {
            None => VERSION,
            Some(note) => note.text.parse().map_err(|e| CatalogError::damaged(NAME, e))?,
        };
        if found > VERSION {
            return Err(CatalogError::Newer { file: file.to_owned(), found, known: VERSION });
        }
        for (made_in, change) in CHANGES {
            if found < made_in {
                transaction.execute_unprepared(change).await.map_err(open)?;
            }
        }
        let version = note::ActiveModel { name: Set(NAME.into()), text: Set(VERSION.to_string()) };
        let replace = OnConflict::column(note::Column::Name).update_column(note::Column::Text).to_owned();
        let insert = note::Entity::insert(version).on_conflict(replace);
        insert.exec_without_returning(&transaction).await.map_err(open)?;
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

/// What each version changed in the tables of those before it.
const CHANGES: [(i64, &str); 2] = [
    (2, "ALTER TABLE job ADD COLUMN outcome json_text NOT NULL DEFAULT 'null'"),
    (2, "ALTER TABLE backup ADD COLUMN marks json_text NOT NULL DEFAULT '[]'"),
];

const INDEXES: [&str; 3] = [
    "CREATE UNIQUE INDEX IF NOT EXISTS backup_of ON backup (site, env, started)",
    "CREATE INDEX IF NOT EXISTS job_of ON job (site, env, state)",
    "CREATE INDEX IF NOT EXISTS job_state ON job (state, worker)",
];

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use crate::{Catalog, Sealer};

    #[tokio::test]
    async fn a_catalog_of_the_first_version_becomes_one_of_today() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.sqlite");
        let open = || Catalog::open(&file, Sealer::new(&[5; 32]).unwrap());
        let catalog = open().await.unwrap();
        for back in [
            "ALTER TABLE job DROP COLUMN outcome",
            "ALTER TABLE backup DROP COLUMN marks",
            "UPDATE note SET text = '1' WHERE name = 'catalog version'",
        ] {
            catalog.database.execute_unprepared(back).await.unwrap();
        }
        drop(catalog);
        let catalog = open().await.unwrap();
        assert_eq!(catalog.open_jobs().await.unwrap(), []);
        assert_eq!(catalog.note(super::NAME).await.unwrap().as_deref(), Some("2"));
    }
}
