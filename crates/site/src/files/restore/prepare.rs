//! Laying out beside what is live, and the list of what is to be exchanged.

use std::collections::{BTreeSet, HashSet};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{AtFlags, XattrFlags, fremovexattr, fsetxattr, lgetxattr, linkat, syncfs};
use undercroft_model::{Observer, Remark};
use undercroft_vault::tree::take::Wanted;

use super::super::FilesError;
use super::super::beneath::Root;
use super::super::facts::Facts;
use super::super::leave::STAGE_PREFIX;
use super::super::listing::Listing;
use super::super::words::subject;
use super::super::xattrs;
use super::error::PrepareError;
use super::ground::{Ground, above, join, split};
use super::kept::{Kept, Rules};
use super::layout::{Source, Stays, lay_out};
use super::made::{Looks, Made, Stay, TREE, Unit};
use super::shared::{Dress, Folder, Shared};
use super::stage::wanted;
use super::{Order, Prepared, Staged, Way};

/// Lays out what an order asks for.
pub fn prepare(
    staged: &Staged,
    order: &Order<'_>,
    source: Source<'_>,
    observer: &dyn Observer,
) -> Result<Prepared, PrepareError> {
    observer.doing(order.element, "laying the files out");
    observer.expect(order.element, order.archive.raw_len);
    let live = open_live(&staged.place)?;
    let chosen = wanted(order.only);
    let rules = Rules::new(order, &staged.place)?;
    let mut kept = match &live {
        Some(live) => {
            rules.find(live, &chosen).map_err(|(path, error)| unreadable(&staged.place, &path, error))?
        }
        None => Vec::new(),
    };
    let before = live.as_ref().map(Facts::of_open).transpose();
    let before = before.map_err(|error| unreadable(&staged.place, b"", error))?;
    make_stage(staged)?;
    let tree = open_tree(&staged.stage)?;
    let live = live.map(|root| Ground::new(root, Vec::new()));
    if let Some(live) = &live {
        learn_mount(live);
    }
    let mut shared = Shared::new(tree, live, &staged.stage, order.element, observer);
    shared.goes_on = order.skip_damaged;
    shared.captured = order.now.map(|now| now.captured);
    let laid = if staged.partial { chosen.with_folders_above() } else { chosen };
    lay_out(&shared, source, laid, &Stays::new(&kept).without(rules.into_protected()))?;
    let stay = stay_folders(staged, &kept);
    keep(&shared, &mut kept, &stay)?;
    let looks = shared.finish_folders(&stay)?;
    let mut made = list(staged, order, &shared, kept, &stay, &looks)?;
    // The folder that the staging folder was made in has changed by that alone.
    for stay in made.stays.iter_mut().filter(|stay| stay.path.is_empty() && stay.old.is_some()) {
        stay.old = before.as_ref().map(Looks::of_facts);
    }
    finish(staged, &shared, &made)?;
    shared.tally.tell(order.element, observer);
    let prepared = Prepared { kept: made.kept.len() as u64, ..shared.prepared() };
    observer.expect(order.element, prepared.entries.bytes);
    Ok(prepared)
}

fn learn_mount(live: &Ground) {
    if let Ok(facts) = Facts::of_open(live.root()) {
        live.root().mounts.learn(live.root(), facts.device);
    }
}

/// The live folder, if it is there.
fn open_live(place: &Path) -> Result<Option<Root>, PrepareError> {
    match Root::open_itself(place) {
        Ok(root) => Ok(Some(root)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(FilesError::Open { folder: place.to_owned(), source: error.into() }.into()),
    }
}

fn unreadable(place: &Path, path: &[u8], error: rustix::io::Errno) -> PrepareError {
    use std::os::unix::ffi::OsStrExt;
    let folder = place.join(std::ffi::OsStr::from_bytes(path));
    FilesError::Unreadable { folder, source: error.into() }.into()
}

/// Gives a folder to the owner of the one that it is in, if we may.
fn as_around(folder: &Path) -> io::Result<()> {
    let Some(around) = folder.parent().filter(|_| rustix::process::geteuid().is_root()) else {
        return Ok(());
    };
    let facts = around.metadata()?;
    std::os::unix::fs::lchown(folder, Some(facts.uid()), Some(facts.gid()))
}

/// Makes the hidden folder. Nobody else may look into it.
fn make_stage(staged: &Staged) -> Result<(), PrepareError> {
    let failed = |action| move |error: io::Error| PrepareError::failed(b"", &staged.stage, action, error);
    for parent in &staged.parents {
        match DirBuilder::new().mode(0o755).create(parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make the folders above it")(error));
            }
            // Whoever has the folder that it is in, such as the site's user, has to be able to lay out what belongs there.
            Ok(()) => as_around(parent).map_err(failed("give away the folders above it"))?,
            Err(_) => {}
        }
    }
    let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    make(&staged.stage).map_err(failed("make it"))?;
    let opened = Root::open_itself(&staged.stage).map_err(|error| failed("open it")(error.into()))?;
    // What is made inside inherits nothing from the folder above; the host's own label is that of the live folder.
    for name in [c"system.posix_acl_default", c"system.posix_acl_access"] {
        let _ = fremovexattr(&opened, name);
    }
    let mut label = [0; 512];
    if let Ok(len) = lgetxattr(&staged.place, c"security.selinux", &mut label[..]) {
        let label = label.get(..len).unwrap_or_default();
        let _ = fsetxattr(&opened, c"security.selinux", label, XattrFlags::empty());
    }
    make(&staged.stage.join(TREE)).map_err(failed("make it"))
}

fn open_tree(stage: &Path) -> Result<Ground, PrepareError> {
    let opened = Root::open_itself(&stage.join(TREE));
    let root = opened.map_err(|error| PrepareError::failed(b"", stage, "open it", error.into()))?;
    Ok(Ground::new(root, Vec::new()))
}

/// The folders that stay themselves, whose children are exchanged: the live folder if it can't be exchanged, and those
/// above something mounted.
fn stay_folders(staged: &Staged, kept: &[Kept]) -> HashSet<Vec<u8>> {
    let mut stay: HashSet<Vec<u8>> = HashSet::new();
    if staged.way == Way::Within || staged.partial {
        stay.insert(Vec::new());
    }
    for kept in kept.iter().filter(|kept| kept.mounted) {
        stay.extend(above(&kept.path).map(<[u8]>::to_vec));
    }
    stay
}

/// Brings what stays into the laid-out tree: files as links; folders are moved when it is switched, and find the
/// folders above them.
fn keep(shared: &Shared<'_>, kept: &mut [Kept], stay: &HashSet<Vec<u8>>) -> Result<(), PrepareError> {
    let Some(live) = &shared.live else { return Ok(()) };
    for kept in kept.iter_mut() {
        if kept.mounted {
            let text = "stays as it is: another file system is mounted here";
            shared.observer.remark(shared.element, Remark::note(subject(&kept.path), text));
        }
        if stay.contains(split(&kept.path).0) {
            continue;
        }
        let failed = |error| shared.failed(&kept.path, "keep it", error);
        for folder in above(&kept.path) {
            make_like_live(shared, live, folder).map_err(failed)?;
        }
        if kept.folder {
            continue;
        }
        let (from, to) =
            (live.spot(&kept.path).map_err(failed)?, shared.tree.spot(&kept.path).map_err(failed)?);
        let linked =
            linkat(&from.folder, from.name.as_slice(), &to.folder, to.name.as_slice(), AtFlags::empty());
        if let (Ok(()), Ok(Some(facts))) = (linked, to.facts()) {
            (kept.linked, kept.inode) = (true, facts.inode);
        }
    }
    Ok(())
}

/// Makes a folder that the archive does not have, as it is in the live tree.
fn make_like_live(shared: &Shared<'_>, live: &Ground, path: &[u8]) -> rustix::io::Result<()> {
    if shared.tree.facts(path)?.is_some() {
        return Ok(());
    }
    shared.tree.make_folders(path)?;
    let Some(facts) = live.facts(path)? else { return Ok(()) };
    let xattrs = live.folder(path).and_then(xattrs::read).unwrap_or_default();
    shared.folder(Folder { path: path.to_vec(), looks: Looks::of_facts(&facts), xattrs });
    Ok(())
}

/// The list of what is to be exchanged.
fn list(
    staged: &Staged,
    order: &Order<'_>,
    shared: &Shared<'_>,
    kept: Vec<Kept>,
    stay: &HashSet<Vec<u8>>,
    looks: &Dress,
) -> Result<Made, PrepareError> {
    let failed = |path: &[u8], error| shared.failed(path, "look at it", error);
    let mut paths = BTreeSet::new();
    if staged.partial {
        for path in order.only.unwrap_or_default() {
            paths.extend(partial_units(shared, path, &kept, stay).map_err(|error| failed(path, error))?);
        }
    } else if staged.way == Way::Within {
        for folder in stay {
            paths.extend(children(shared, folder, &kept, stay).map_err(|error| failed(folder, error))?);
        }
    } else {
        paths.insert(Vec::new());
    }
    let mut made = Made { kept, ..Made::default() };
    for path in paths {
        let inode = |ground: &Ground| ground.inode(&path).map_err(|error| failed(&path, error));
        let (new, old) = (inode(&shared.tree)?, shared.live.as_ref().map(inode).transpose()?.flatten());
        made.units.push(Unit { path, new, old });
    }
    for path in stay {
        let old = match (&shared.live, staged.partial && path.is_empty()) {
            (Some(live), false) => live.facts(path).map_err(|error| failed(path, error))?,
            _ => None,
        };
        let (new, new_xattrs) = match old.and_then(|_| looks.get(path)) {
            Some((looks, xattrs)) => (Some(*looks), xattrs.clone()),
            None => (None, Vec::new()),
        };
        let old_xattrs = match &shared.live {
            Some(live) if new.is_some() => live.folder(path).and_then(xattrs::read),
            _ => Ok(Vec::new()),
        };
        let old_xattrs = old_xattrs.map_err(|error| failed(path, error))?;
        let old = old.as_ref().map(Looks::of_facts);
        made.stays.push(Stay { path: path.clone(), new, old, new_xattrs, old_xattrs });
    }
    Ok(made)
}

/// What is exchanged for a named path: itself, or the topmost folder above it that is not there.
fn partial_units(
    shared: &Shared<'_>,
    path: &[u8],
    kept: &[Kept],
    stay: &HashSet<Vec<u8>>,
) -> rustix::io::Result<Vec<Vec<u8>>> {
    if Wanted::these(&kept.iter().map(|kept| kept.path.clone()).collect::<Vec<_>>()).holds(path) {
        return Ok(Vec::new());
    }
    if stay.contains(path) && !path.is_empty() {
        let mut found = Vec::new();
        for folder in stay.iter().filter(|folder| Wanted::these(&[path.to_vec()]).holds(folder)) {
            found.extend(children(shared, folder, kept, stay)?);
        }
        return Ok(found);
    }
    if let Some(live) = &shared.live {
        // The archive does not have it, and neither is it there.
        if shared.tree.facts(path)?.is_none() && live.facts(path)?.is_none() {
            return Ok(Vec::new());
        }
        for folder in above(path) {
            if live.facts(folder)?.is_none() {
                return Ok(vec![folder.to_vec()]);
            }
        }
    }
    Ok(vec![path.to_vec()])
}

/// What is in a folder of either tree and can be exchanged.
fn children(
    shared: &Shared<'_>,
    folder: &[u8],
    kept: &[Kept],
    stay: &HashSet<Vec<u8>>,
) -> rustix::io::Result<BTreeSet<Vec<u8>>> {
    shared.tree.make_folders(folder)?;
    let mut found = BTreeSet::new();
    for ground in [Some(&shared.tree), shared.live.as_ref()].into_iter().flatten() {
        let (mut listing, read) = Listing::read(ground.folder(folder)?, &mut Vec::new());
        read?;
        while let Some((name, _)) = listing.next() {
            let path = join(folder, name);
            let stays = stay.contains(&path) || kept.iter().any(|kept| kept.path == path);
            if !stays && !name.starts_with(STAGE_PREFIX.as_bytes()) {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

/// Makes all of it durable, and then the list that says so.
fn finish(staged: &Staged, shared: &Shared<'_>, made: &Made) -> Result<(), PrepareError> {
    let failed = |error| PrepareError::failed(b"", &staged.stage, "write it to the disk", error);
    shared.observer.doing(shared.element, "writing the files to the disk");
    syncfs(shared.tree.root()).map_err(|error| failed(error.into()))?;
    made.write(&staged.stage).map_err(failed)?;
    let above = staged.stage.parent().map(std::fs::File::open).transpose().map_err(failed)?;
    above.map_or(Ok(()), |above| above.sync_all()).map_err(failed)
}
