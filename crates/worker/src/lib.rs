//! Runs one job: captures an environment into its site's vault.
//!
//! A worker gets an order that says everything (settings, names, what the last backup held), works in threads
//! of its own, and gives back a record that is ready to be written. It knows no catalog and writes no record:
//! whether the job may still commit is for whoever gave the order to say. Start at [`backup::back_up`].

pub mod backup;
mod capture;
mod error;
mod evidence;
mod look;
pub mod restore;
mod verify;
mod watch;

pub use backup::{BackupOrder, Clock, Earlier, Made, Workplace, back_up};
pub use error::{BackupError, CaptureError, chain};
pub use look::{Histories, add_commits, browse, diff};
pub use verify::{VerifyError, VerifyOrder, verify};

/// What a record says of its backup; `None` if a later release wrote it, or it is no backup's.
pub fn backup_report(record: &undercroft_vault::record::Record) -> Option<undercroft_model::BackupReport> {
    serde_json::from_value(record.about.clone()).ok()
}
