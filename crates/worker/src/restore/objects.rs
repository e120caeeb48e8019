//! The archive's own repository, laid out for an environment's that lacks the commit.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use undercroft_model::Element;
use undercroft_site::files::restore::{TakeOut, take_out};
use uuid::Uuid;

use super::error::PartError;
use super::part::{Scene, Source};

/// Why it could not be made or removed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {} failed", path.display())]
pub struct ObjectsError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Where a restore lays the archive's repository out.
pub fn folder(cache: &Path, id: Uuid) -> PathBuf {
    cache.join("restores").join(id.to_string())
}

/// Lays the archive's repository out.
pub fn lay_out(scene: &Scene<'_>, source: &Source, folder: &Path, id: Uuid) -> Result<(), PartError> {
    remove(folder)?;
    let fail = |source| ObjectsError { action: "making", path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(fail)?;
    let only = [b".git".to_vec()];
    let order =
        TakeOut { element: Element::Code, archive: &source.archive, only: Some(&only), to: folder, id };
    take_out(&order, scene.vault, scene.index, scene.observer)?;
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
