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
use super::shared::{Dress, Shared};
use super::stage::{check_paths, resolve, wanted};
use super::tally::Tally;
use super::{Prepared, TakeOut};

/// Takes it out.
pub fn take_out(
    order: &TakeOut<'_>,
    source: Source<'_>,
    observer: &dyn Observer,
) -> Result<Prepared, TakeOutError> {
    check_paths(order.only.unwrap_or_default(), false, source)?;
    let to = resolve(order.to)?;
    let made: Vec<_> = to.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
    for folder in made.iter().rev() {
        DirBuilder::new().mode(0o755).create(folder).map_err(|source| denied(folder, source))?;
    }
    let stage = to.join(format!("{STAGE_PREFIX}{}", order.id));
    let done = lay_out_in(order, source, &to, &stage, observer);
    // What could not be removed is told by the failure before, or harms nobody.
    let _ = remove_stage(&stage);
    let dressed = done.and_then(|(prepared, looks)| {
        if !made.is_empty() {
            dress(&to, &looks).map_err(|error| moving(&to, b"", error))?;
        }
        Ok(prepared)
    });
    if dressed.is_err() {
        made.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
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

fn lay_out_in(
    order: &TakeOut<'_>,
    source: Source<'_>,
    to: &Path,
    stage: &Path,
    observer: &dyn Observer,
) -> Result<(Prepared, Dress), TakeOutError> {
    observer.doing(order.element, "laying the files out");
    observer.expect(order.element, order.archive.raw_len);
    let target = Root::open_itself(to).map_err(|error| look(to, error))?;
    let tree = stage.join(TREE);
    for folder in [stage, &tree] {
        DirBuilder::new().mode(0o700).create(folder).map_err(|source| denied(to, source))?;
    }
    let root = Root::open_itself(&tree).map_err(|error| look(&tree, error))?;
    let mut shared = Shared::new(Ground::new(root, Vec::new()), None, stage, order.element, observer);
    shared.goes_on = order.skip_damaged;
    let chosen = wanted(order.only).with_folders_above();
    lay_out(&shared, source, chosen, &Stays::new(&[]))?;
    let looks = shared.finish_folders(&HashSet::from([Vec::new()]))?;
    let failed =
        |error: rustix::io::Errno| PrepareError::failed(b"", stage, "write it to the disk", error.into());
    syncfs(shared.tree.root()).map_err(failed)?;
    let target = Ground::new(target, Vec::new());
    move_all(&shared, &target, to)?;
    shared.tally.tell(order.element, observer);
    Ok((shared.prepared(), looks))
}

/// The folder that was made for it looks as the archive's.
fn dress(to: &Path, looks: &Dress) -> rustix::io::Result<()> {
    match looks.get(b"".as_slice()) {
        Some((looks, xattrs)) => looks.set(Root::open_itself(to)?, xattrs, b"", &Tally::default()),
        None => Ok(()),
    }
}

fn path_of(to: &Path, name: &[u8]) -> PathBuf {
    to.join(std::ffi::OsStr::from_bytes(name))
}

fn moving(to: &Path, name: &[u8], error: rustix::io::Errno) -> TakeOutError {
    TakeOutError::Move { path: path_of(to, name), source: error.into() }
}

/// Moves what was laid out into the folder, if nothing of it is there.
fn move_all(shared: &Shared<'_>, target: &Ground, to: &Path) -> Result<(), TakeOutError> {
    let mut names = Vec::new();
    let (mut listing, read) = Listing::read(shared.tree.root(), &mut Vec::new());
    read.map_err(|error| moving(to, b"", error))?;
    while let Some((name, _)) = listing.next() {
        if target.facts(name).map_err(|error| moving(to, name, error))?.is_some() {
            return Err(TakeOutError::Exists(path_of(to, name)));
        }
        names.push(name.to_vec());
    }
    for name in &names {
        let from = shared.tree.spot(name).map_err(|error| moving(to, name, error))?;
        let spot = target.spot(name).map_err(|error| moving(to, name, error))?;
        match from.move_to(&spot) {
            Err(rustix::io::Errno::EXIST) => return Err(TakeOutError::Exists(path_of(to, name))),
            other => other.map_err(|error| moving(to, name, error))?,
        }
    }
    fsync(target.root()).map_err(|error| moving(to, b"", error))
}
