//! What can go wrong with the catalog.

use std::path::PathBuf;

use sea_orm::DbErr;
use undercroft_model::{EnvName, SiteName};
use uuid::Uuid;

/// Why the catalog could not answer or keep something.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file can't be opened.
    #[error("the catalog {} can't be opened", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// What the database says.
        source: DbErr,
    },
    /// A later release made it.
    #[error(
        "the catalog {} was made by a later release (version {found}, this one knows {known}): use that release or a newer one",
        file.display()
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this release knows.
        known: i64,
    },
    /// A statement failed.
    #[error("the catalog could not be used")]
    Database(#[from] DbErr),
    /// A site of that name is there already.
    #[error("there is a site named {0} already")]
    SiteTaken(SiteName),
    /// The site has an environment of that name already.
    #[error("the site has an environment named {0} already")]
    EnvironmentTaken(EnvName),
    /// The site is not there, or not any more.
    #[error("the site {0} is not in the catalog")]
    NoSite(Uuid),
    /// The environment is not there, or not any more.
    #[error("the site has no environment named {0}")]
    NoEnvironment(EnvName),
    /// The job is not there.
    #[error("there is no job {0}")]
    NoJob(Uuid),
    /// The worker has lost its lease: another one may be at the same work.
    #[error("the job {0} is not this worker's any more: it was stopped, or taken over by another")]
    LostLease(Uuid),
    /// The site or environment has a job under way.
    #[error("a backup of it is running: wait until it is done, or stop it first")]
    Busy,
    /// Something in it can't be read.
    #[error("the catalog's entry for {what} can't be read: {why}")]
    Damaged {
        /// What it is about.
        what: String,
        /// What is wrong.
        why: String,
    },
}

impl CatalogError {
    pub(crate) fn damaged(what: impl Into<String>, why: impl ToString) -> Self {
        CatalogError::Damaged { what: what.into(), why: why.to_string() }
    }
}
