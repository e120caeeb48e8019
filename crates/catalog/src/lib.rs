//! The catalog: the database of sites, environments, backups and jobs.
//!
//! It is a convenience: every backup can be found again from the store alone. It is SQLite in the data folder
//! by default. Several programs may have it open at a time: each write is one short transaction that takes the
//! write lock at once. Passwords are sealed before they reach it ([`Sealer`]). Times are handed in, never taken
//! from a clock here. Start at [`Catalog`].

mod backups;
mod entity;
mod environments;
mod error;
mod jobs;
mod notes;
mod schema;
mod sealer;
mod sites;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

pub use backups::StoredBackup;
pub use environments::Environment;
pub use error::CatalogError;
pub use jobs::{Claim, Job, JobKind, JobState, NewJob};
pub use sealer::{BadKey, Sealer};
pub use sites::Site;

/// A writer waits so long for another one.
const BUSY: Duration = Duration::from_secs(30);

/// An open catalog.
#[derive(Clone)]
pub struct Catalog {
    database: DatabaseConnection,
    sealer: Sealer,
}

/// Makes the file for its owner's eyes only; the database gives its journals the same mode.
fn make_private(file: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

impl Catalog {
    /// Opens the catalog in a file, which is made if it isn't there.
    ///
    /// # Errors
    /// [`CatalogError::Open`] if it can't be opened, [`CatalogError::Newer`] if a later release made it.
    pub async fn open(file: &Path, sealer: Sealer) -> Result<Catalog, CatalogError> {
        let fail = |source| CatalogError::Open { file: file.to_owned(), source };
        make_private(file).map_err(|error| fail(DbErr::Conn(RuntimeErr::Internal(error.to_string()))))?;
        let name = file.to_owned();
        let mut options = ConnectOptions::new("sqlite://catalog?mode=rwc");
        options.max_connections(4).sqlx_logging(false).map_sqlx_sqlite_opts(move |options| {
            options
                .filename(&name)
                .busy_timeout(BUSY)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
        });
        let database = Database::connect(options).await.map_err(fail)?;
        let catalog = Catalog { database, sealer };
        catalog.migrate(file).await?;
        Ok(catalog)
    }

    /// Begins a transaction that writes: it takes the lock now, so that it can't fail half-way for want of it.
    async fn write(&self) -> Result<DatabaseTransaction, CatalogError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.database.begin_with_options(options).await?)
    }
}
