//! Removing what is left of a restore, and nothing live.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::AtFlags;
use undercroft_model::Observer;

use super::super::beneath::Root;
use super::super::facts::Facts;
use super::Staged;
use super::error::CleanUpError;
use super::ground::set_time;
use super::made::TREE;
use super::remove::remove as remove_tree;
use super::switch::Switch;

/// Removes it.
pub fn clean_up(staged: &Staged, observer: &dyn Observer) -> Result<(), CleanUpError> {
    if let Some(switch) = Switch::open(staged).map_err(CleanUpError::Unfinished)? {
        switch.finish(&[], observer).map_err(CleanUpError::Unfinished)?;
        drop(switch);
    }
    remove(staged, observer)
}

/// Removes what was laid out, or was live before.
pub fn remove(staged: &Staged, observer: &dyn Observer) -> Result<(), CleanUpError> {
    observer.doing(staged.element, "removing what is not needed any more");
    remove_stage(&staged.stage)?;
    if std::fs::symlink_metadata(&staged.place).is_err() || staged.partial {
        for parent in staged.parents.iter().rev() {
            // One that is not empty is in use by now.
            let _ = std::fs::remove_dir(parent);
        }
    }
    Ok(())
}

/// Removes a staging folder; its list goes last, for it says what of it could be live.
pub fn remove_stage(stage: &Path) -> Result<(), CleanUpError> {
    let left = |path: &Path, source: io::Error| CleanUpError::Left { path: path.to_owned(), source };
    let (Some(above), Some(name)) = (stage.parent(), stage.file_name()) else { return Ok(()) };
    let inside = |folder: &Path, (path, error): (Vec<u8>, rustix::io::Errno)| {
        left(&folder.join(std::ffi::OsStr::from_bytes(&path)), error.into())
    };
    match Root::open_itself(stage) {
        Ok(opened) => remove_tree(&opened, TREE.as_bytes()).map_err(|failed| inside(stage, failed))?,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(left(stage, error.into())),
    }
    let folder = File::open(above).map_err(|error| left(stage, error))?;
    let before = Facts::of_open(&folder).map_err(|error| left(above, error.into()))?;
    remove_tree(&folder, name.as_bytes()).map_err(|failed| inside(above, failed))?;
    // Only a live folder that held it needs its time back; elsewhere the right to may be missing.
    let _ = set_time(&folder, c"", before.mtime, AtFlags::EMPTY_PATH);
    folder.sync_all().map_err(|error| left(stage, error))
}
