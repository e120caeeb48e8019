//! Laying an archive out in another folder, where nothing is overwritten.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{fsync, syncfs};
use undercroft_model::Observer;

use super::super::beneath::Root;
use super::super::leave::STAGE_PREFIX;
use super::super::listing::Listing;
use super::clean::remove_stage;
use super::error::{PrepareError, StageError, TakeOutError, look};
use super::ground::Ground;
use super::layout::{Source, Stays, lay_out};
use super::made::TREE;
use super::remove::remove;
use super::shared::{Dress, Shared};
use super::stage::{check_paths, resolve, wanted};
use super::tally::Tally;
use super::{Prepared, Staged, TakeOut, Way};

/// What is made on the way.
pub fn staged(order: &TakeOut<'_>) -> Result<Staged, StageError> {
    let place = resolve(order.to)?;
    let stage = place.join(format!("{STAGE_PREFIX}{}", order.id));
    let missing = place.ancestors().take_while(|path| !path.exists());
    let mut parents: Vec<_> = missing.map(Path::to_owned).collect();
    parents.reverse();
    let (id, element, way) = (order.id, order.element, Way::Within);
    Ok(Staged { id, element, place, way, stage, parents, partial: true, since: (0, 0) })
}

/// Takes it out.
pub fn take_out(
    order: &TakeOut<'_>,
    source: Source<'_>,
    observer: &dyn Observer,
) -> Result<Prepared, TakeOutError> {
    check_paths(order.only.unwrap_or_default(), false, source)?;
    let Staged { place: to, stage, parents: made, .. } = staged(order)?;
    for folder in &made {
        DirBuilder::new().mode(0o755).create(folder).map_err(|source| denied(folder, source))?;
    }
    let done = lay_out_in(order, source, &to, &stage, observer);
    // What could not be removed is told by the failure before, or is removed by whoever keeps what was staged.
    let _ = remove_stage(&stage);
    let dressed = done.and_then(|laid| {
        if !made.is_empty() {
            laid.dress(&to, order, observer).map_err(|error| moving(&to, b"", error))?;
        }
        Ok(laid.prepared)
    });
    if dressed.is_err() {
        made.iter().rev().for_each(|folder| drop(std::fs::remove_dir(folder)));
    }
    dressed
}

fn denied(folder: &Path, source: io::Error) -> StageError {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StageError::Denied { folder: folder.to_owned(), source }
        }
        _ => look(folder, source),
    }
}

/// What was laid out in the folder.
struct Laid {
    prepared: Prepared,
    looks: Dress,
    names: Vec<Vec<u8>>,
}

impl Laid {
    /// Makes the folder that was made for it look as the archive's.
    fn dress(&self, to: &Path, order: &TakeOut<'_>, observer: &dyn Observer) -> rustix::io::Result<()> {
        let Some((looks, xattrs)) = self.looks.get(b"".as_slice()) else { return Ok(()) };
        let (folder, tally) = (Root::open_itself(to)?, Tally::default());
        let done = looks.set(&folder, xattrs, b"", &tally);
        if done.is_err() {
            self.names.iter().for_each(|name| drop(remove(&folder, name)));
        }
        tally.tell(order.element, observer);
        done
    }
}

fn lay_out_in(
    order: &TakeOut<'_>,
    source: Source<'_>,
    to: &Path,
    stage: &Path,
    observer: &dyn Observer,
) -> Result<Laid, TakeOutError> {
    observer.doing(order.element, "laying the files out");
    observer.expect(order.element, order.archive.raw_len);
    let target = Root::open_itself(to).map_err(|error| look(to, error))?;
    let make = |folder: &Path| DirBuilder::new().mode(0o700).create(folder);
    make(stage).map_err(|source| denied(to, source))?;
    let tree = stage.join(TREE);
    make(&tree).map_err(|source| denied(to, source))?;
    let root = Root::open_itself(&tree).map_err(|error| look(&tree, error))?;
    let mut shared = Shared::new(Ground::new(root, Vec::new()), None, stage, order.element, observer);
    shared.goes_on = order.skip_damaged;
    let chosen = wanted(order.only).with_folders_above();
    lay_out(&shared, source, chosen, &Stays::new(&[]))?;
    let looks = shared.finish_folders(&HashSet::from([Vec::new()]))?;
    let failed =
        |error: rustix::io::Errno| PrepareError::failed(b"", stage, "write it to the disk", error.into());
    syncfs(shared.tree.root()).map_err(failed)?;
    let names = move_all(&shared, &Ground::new(target, Vec::new()), to)?;
    shared.tally.tell(order.element, observer);
    Ok(Laid { prepared: shared.prepared(), looks, names })
}

fn path_of(to: &Path, name: &[u8]) -> PathBuf {
    to.join(std::ffi::OsStr::from_bytes(name))
}

fn moving(to: &Path, name: &[u8], error: rustix::io::Errno) -> TakeOutError {
    TakeOutError::Move { path: path_of(to, name), source: error.into() }
}

/// Moves what was laid out into the folder, if nothing of it is there: all of it, or nothing. Gives the names.
fn move_all(shared: &Shared<'_>, target: &Ground, to: &Path) -> Result<Vec<Vec<u8>>, TakeOutError> {
    let mut names = Vec::new();
    let (mut listing, read) = Listing::read(shared.tree.root(), &mut Vec::new());
    read.map_err(|error| moving(to, b"", error))?;
    while let Some((name, _)) = listing.next() {
        if target.facts(name).map_err(|error| moving(to, name, error))?.is_some() {
            return Err(TakeOutError::Exists(path_of(to, name)));
        }
        names.push(name.to_vec());
    }
    let mut moved = Vec::new();
    let done = names.iter().try_for_each(|name| {
        let from = shared.tree.spot(name).map_err(|error| moving(to, name, error))?;
        let spot = target.spot(name).map_err(|error| moving(to, name, error))?;
        match from.move_to(&spot) {
            Err(rustix::io::Errno::EXIST) => return Err(TakeOutError::Exists(path_of(to, name))),
            other => other.map_err(|error| moving(to, name, error))?,
        }
        moved.push((from, spot));
        Ok(())
    });
    let done = done.and_then(|()| fsync(target.root()).map_err(|error| moving(to, b"", error)));
    if done.is_err() {
        // What can't be moved back now is where it was asked for.
        for (from, spot) in moved.iter().rev() {
            let _ = spot.move_to(from);
        }
    }
    done.map(|()| names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use undercroft_model::{Element, Silent};

    use super::*;

    #[test]
    fn what_can_not_all_be_moved_is_moved_back() {
        let folder = tempfile::tempdir().unwrap();
        // Nothing can be moved into itself.
        let to = folder.path().join("n");
        fs::create_dir(&to).unwrap();
        for name in ["a", "b", "y", "z"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let ground = |path: &Path| Ground::new(Root::open_itself(path).unwrap(), Vec::new());
        let shared = Shared::new(ground(folder.path()), None, folder.path(), Element::Files, &Silent);
        let error = move_all(&shared, &ground(&to), &to).unwrap_err();
        assert!(matches!(error, TakeOutError::Move { .. }), "{error}");
        let count = |path: &Path| fs::read_dir(path).unwrap().count();
        assert_eq!((count(folder.path()), count(&to)), (5, 0));
    }
}
