//! Archives of code, laid out where no site is: for an environment's repository that lacks the commit, or to be looked at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use undercroft_model::{Element, Observer};
use undercroft_site::files::restore::{TakeOut, take_out};
use undercroft_vault::Vault;
use undercroft_vault::index::Index;
use undercroft_vault::record::ArchiveRecord;
use uuid::Uuid;

use super::error::PartError;

/// Why it could not be made or removed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {} failed", path.display())]
pub struct ObjectsError {
    pub(super) action: &'static str,
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// Where a job lays an archive out.
pub fn folder(cache: &Path, id: Uuid) -> PathBuf {
    cache.join("restores").join(id.to_string())
}

/// What of an archive is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// All of it.
    All,
    /// Its repository, without the work tree.
    Repository,
}

/// Lays an archive out in a folder of its own. `id` names what is made on the way.
pub fn lay_out(
    (vault, index): (&Vault, &Arc<Index>),
    archive: &ArchiveRecord,
    what: What,
    (folder, id): (&Path, Uuid),
    observer: &dyn Observer,
) -> Result<(), PartError> {
    remove(folder)?;
    let fail = |source| ObjectsError { action: "making", path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(fail)?;
    let repository = [b".git".to_vec()];
    let only = (what == What::Repository).then_some(&repository[..]);
    let order = TakeOut { element: Element::Code, archive, only, to: folder, skip_damaged: false, id };
    take_out(&order, vault, index, observer)?;
    Ok(())
}

/// Removes it; one that is not there is no error.
pub fn remove(folder: &Path) -> Result<(), PartError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ObjectsError { action: "removing", path: folder.to_owned(), source: error }.into())
        }
        _ => Ok(()),
    }
}
