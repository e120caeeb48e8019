//! Why a job ended without what it was to do.

use undercroft_catalog::{CatalogError, JobState};
use undercroft_vault::VaultError;
use undercroft_worker::{BackupError, chain};

use crate::ApiError;

/// Why a job ended without what it was to do, or with something that isn't whole.
pub struct Ended {
    /// How it ended.
    pub state: JobState,
    /// Why, for a person.
    pub reason: String,
}

impl Ended {
    /// It failed.
    pub fn failed(reason: impl Into<String>) -> Self {
        Ended { state: JobState::Failed, reason: reason.into() }
    }

    /// Somebody stopped it.
    pub fn cancelled() -> Self {
        Ended { state: JobState::Cancelled, reason: "It was cancelled.".into() }
    }
}

impl From<ApiError> for Ended {
    fn from(error: ApiError) -> Self {
        Ended::failed(error.message)
    }
}

impl From<CatalogError> for Ended {
    fn from(error: CatalogError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<VaultError> for Ended {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Cancelled(_) => Ended::cancelled(),
            other => Ended::failed(chain(&other)),
        }
    }
}

impl From<BackupError> for Ended {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Cancelled(_) => Ended::cancelled(),
            BackupError::Nothing(elements) => {
                let all: Vec<_> =
                    elements.iter().map(|(element, error)| format!("{element}: {}", chain(error))).collect();
                Ended::failed(all.join("\n"))
            }
            other => Ended::failed(chain(&other)),
        }
    }
}
