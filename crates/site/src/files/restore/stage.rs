//! Deciding where and how a tree comes back, and refusing what can't work. Nothing is made.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatxAttributes, StatxFlags, accessat, statvfs, statx};
use rustix::io::Errno;
use undercroft_model::Observer;
use undercroft_vault::tree::take::{Runs, Wanted};

use super::super::FilesError;
use super::super::beneath::Root;
use super::super::leave::STAGE_PREFIX;
use super::super::mounts;
use super::super::words::subject;
use super::error::{StageError, look};
use super::ground::above;
use super::kept::{Kept, Rules};
use super::layout::{Source, is_path};
use super::{Order, Staged, Way, plan};

/// So many symlinks are followed on the way to a folder that isn't there.
const LINKS: usize = 40;

/// What is wanted of an archive.
pub fn wanted(only: Option<&[Vec<u8>]>) -> Wanted {
    only.map_or_else(Wanted::all, Wanted::these)
}

/// Decides.
pub fn stage(order: &Order<'_>, source: Source<'_>, observer: &dyn Observer) -> Result<Staged, StageError> {
    let since = order.now.map_or_else(mounts::now, |now| now.captured);
    check_paths(order.only.unwrap_or_default(), order.absent_is_removed, source)?;
    let place = resolve(order.live)?;
    let live = open_live(&place)?;
    let kept = kept(order, &place, live.as_ref())?;
    let parents = missing_above(&place, live.is_none() && order.only.is_some());
    let way = way(&place, live.is_some(), &kept, order.only.is_some())?;
    // Another element's may lie beside it.
    let name = format!("{STAGE_PREFIX}{}-{}", order.id, order.element);
    let stage = match (way, place.parent()) {
        (Way::Beside, Some(parent)) => parent.join(name),
        _ => place.join(name),
    };
    if let (Some(live), Some(only)) = (&live, order.only) {
        check_places(&place, live, only, stage.parent().unwrap_or(&place))?;
    }
    check_room(order, source, &place, observer)?;
    Ok(Staged {
        id: order.id,
        element: order.element,
        place,
        way,
        stage,
        parents,
        partial: order.only.is_some(),
        since: (since.seconds, since.nanos),
    })
}

/// Every named path must make sense, and be in the archive, unless it `may_be_absent`.
pub fn check_paths(only: &[Vec<u8>], may_be_absent: bool, source: Source<'_>) -> Result<(), StageError> {
    if let Some(path) = only.iter().find(|path| path.is_empty() || !is_path(path)) {
        return Err(StageError::NoPath { path: subject(path) });
    }
    if only.is_empty() || may_be_absent {
        return Ok(());
    }
    let mut left: std::collections::BTreeSet<&[u8]> = only.iter().map(Vec::as_slice).collect();
    let mut runs = Runs::open(source.manifest(source.archive)?, Wanted::these(only))?;
    while let Some(run) = runs.next_run()? {
        for entry in &run.entries {
            left.remove(entry.entry.path.as_slice());
        }
    }
    match left.first() {
        Some(path) => Err(StageError::NotInArchive { path: subject(path) }),
        None => Ok(()),
    }
}

/// The path with all symlinks followed, also where there is nothing yet.
pub fn resolve(live: &Path) -> Result<PathBuf, StageError> {
    let mut path = std::path::absolute(live).map_err(|error| look(live, error))?;
    for _ in 0..LINKS {
        match std::fs::canonicalize(&path) {
            Ok(path) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(look(&path, error)),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { break };
        if let Ok(target) = std::fs::read_link(&path) {
            path = parent.join(target);
            continue;
        }
        return Ok(resolve(parent)?.join(name));
    }
    Err(look(live, Errno::LOOP))
}

fn open_live(place: &Path) -> Result<Option<Root>, StageError> {
    match Root::open_itself(place) {
        Ok(root) => Ok(Some(root)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NOTDIR) => Err(StageError::NotAFolder(place.to_owned())),
        Err(error) => Err(FilesError::Open { folder: place.to_owned(), source: error.into() }.into()),
    }
}

/// What stays.
pub fn kept(order: &Order<'_>, place: &Path, live: Option<&Root>) -> Result<Vec<Kept>, StageError> {
    let rules = Rules::new(order, place)?;
    let Some(live) = live else { return Ok(Vec::new()) };
    rules.find(live, &wanted(order.only)).map_err(|(path, error)| {
        let folder = place.join(std::ffi::OsStr::from_bytes(&path));
        FilesError::Unreadable { folder, source: error.into() }.into()
    })
}

/// The folders above a place that are not there, outermost first; the place itself too, if it is wanted.
fn missing_above(place: &Path, itself: bool) -> Vec<PathBuf> {
    let missing = |path: &&Path| std::fs::symlink_metadata(path).is_err();
    let mut above: Vec<_> =
        place.ancestors().skip(usize::from(!itself)).take_while(missing).map(Path::to_owned).collect();
    above.reverse();
    above
}

fn way(place: &Path, exists: bool, kept: &[Kept], partial: bool) -> Result<Way, StageError> {
    let nearest = place.ancestors().skip(1).find(|path| path.exists());
    let beside = match nearest {
        Some(parent) => may_write(parent).and_then(|()| may_move(place, parent)),
        None => Err(Errno::PERM),
    };
    if !exists {
        return beside.map(|()| Way::Beside).map_err(|error| denied(nearest.unwrap_or(place), error));
    }
    let whole = !partial && kept.iter().any(|kept| kept.mounted);
    if !is_mount(place) && !whole && beside.is_ok() {
        return Ok(Way::Beside);
    }
    may_write(place).map(|()| Way::Within).map_err(|error| denied(place, error))
}

fn denied(folder: &Path, error: Errno) -> StageError {
    StageError::Denied { folder: folder.to_owned(), source: error.into() }
}

fn may_write(folder: &Path) -> rustix::io::Result<()> {
    accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
}

/// Whether a folder may be moved out of another that it is in: others' folders may not out of a sticky one, and a
/// folder that may not be written to can't change what it is in.
fn may_move(place: &Path, parent: &Path) -> rustix::io::Result<()> {
    let me = rustix::process::geteuid();
    let (Ok(facts), Ok(above)) = (std::fs::symlink_metadata(place), std::fs::metadata(parent)) else {
        return Ok(());
    };
    let sticky = above.mode() & 0o1000 != 0;
    let mine = [facts.uid(), above.uid()].contains(&me.as_raw());
    if sticky && !mine && !me.is_root() { Err(Errno::PERM) } else { may_write(place) }
}

/// Whether a file system is mounted here.
fn is_mount(place: &Path) -> bool {
    let facts = statx(CWD, place, AtFlags::empty(), StatxFlags::BASIC_STATS);
    let mount = StatxAttributes::MOUNT_ROOT;
    if let Ok(facts) = &facts
        && facts.stx_attributes_mask.contains(mount)
    {
        return facts.stx_attributes.contains(mount);
    }
    let device = |path: &Path| std::fs::metadata(path).map(|facts| facts.dev()).ok();
    place.parent().is_none_or(|parent| device(parent) != device(place))
}

/// The folders above named paths must be folders, or not there; and all on the file system of the staging folder.
fn check_places(place: &Path, live: &Root, only: &[Vec<u8>], beside: &Path) -> Result<(), StageError> {
    let device = std::fs::metadata(beside).map_err(|error| look(beside, error))?.dev();
    for path in only {
        let mut nearest = place.to_owned();
        for folder in above(path) {
            match live.folder(folder) {
                Ok(_) => nearest = place.join(std::ffi::OsStr::from_bytes(folder)),
                Err(Errno::NOENT) => break,
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    return Err(StageError::NoFolderAbove { path: subject(path), above: subject(folder) });
                }
                Err(error) => return Err(look(&place.join(std::ffi::OsStr::from_bytes(folder)), error)),
            }
        }
        if std::fs::metadata(&nearest).map_err(|error| look(&nearest, error))?.dev() != device {
            return Err(StageError::OtherFileSystem { path: subject(path) });
        }
    }
    Ok(())
}

/// There must be room for what will be written.
fn check_room(
    order: &Order<'_>,
    source: Source<'_>,
    place: &Path,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let plan = plan::estimate(order, source, observer)?;
    let Some(folder) = place.ancestors().find(|path| path.exists()) else { return Ok(()) };
    let room = statvfs(folder).map_err(|error| look(folder, error))?;
    let entries = plan.added.entries + plan.changed.entries;
    let need = plan.added.bytes.saturating_add(plan.changed.bytes);
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if need > free || (room.f_files > 0 && entries > room.f_favail) {
        return Err(StageError::NoRoom { folder: folder.to_owned(), need, free });
    }
    Ok(())
}
