//! Removing a staging folder with all that is in it. No symlink is followed, and nothing that is mounted inside is
//! entered.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, fchmod, renameat, unlinkat};
use rustix::io::Errno;

use super::super::beneath;
use super::super::facts::Facts;
use super::super::listing::Listing;

/// Trees are deeper than a process may open files: folders so far down are moved up.
const DEEP: usize = 64;

/// A folder being emptied.
struct Frame {
    folder: OwnedFd,
    listing: Listing,
    name: Vec<u8>,
}

/// Removes what a name in an open folder stands for, whatever it is; nothing if it isn't there.
///
/// # Errors
/// With the path below the folder of what could not be removed.
pub fn remove(folder: impl AsFd, name: &[u8]) -> Result<(), (Vec<u8>, Errno)> {
    let mut path = vec![name.to_vec()];
    remove_in(folder, name, &mut path).map_err(|error| (path.join(&b'/'), error))
}

fn remove_in(top: impl AsFd, name: &[u8], path: &mut Vec<Vec<u8>>) -> rustix::io::Result<()> {
    let facts = match Facts::of_name(&top, name) {
        Ok(facts) => facts,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    };
    if !facts.is_folder() {
        return gone(unlinkat(&top, name, AtFlags::empty()));
    }
    let (mut buffer, mut moved) = (Vec::new(), 0);
    let mut frames = vec![open(&top, name, &facts, &mut buffer)?];
    while let Some(frame) = frames.last_mut() {
        let Some((name, is_folder)) = frame.listing.next() else {
            let above = frames.len().checked_sub(2).and_then(|above| frames.get(above));
            let above = above.map_or_else(|| top.as_fd(), |frame| frame.folder.as_fd());
            let name = frames.last().map(|frame| frame.name.clone()).unwrap_or_default();
            match gone(unlinkat(above, name.as_slice(), AtFlags::REMOVEDIR)) {
                // What was too deep was moved up here.
                Err(Errno::NOTEMPTY) if frames.len() == 1 && moved > 0 => {
                    moved = 0;
                    frames = vec![open(&top, &name, &facts, &mut buffer)?];
                }
                done => {
                    done?;
                    frames.pop();
                    path.pop();
                }
            }
            continue;
        };
        let name = name.to_vec();
        path.push(name.clone());
        if !is_folder {
            gone(unlinkat(&frame.folder, name.as_slice(), AtFlags::empty()))?;
            path.pop();
            continue;
        }
        let inside = Facts::of_name(&frame.folder, name.as_slice())?;
        // Something is mounted here: it is not ours.
        if inside.device != facts.device {
            return Err(Errno::BUSY);
        }
        if frames.len() < DEEP {
            let next = frames.last().map(|frame| open(&frame.folder, &name, &inside, &mut buffer));
            frames.extend(next.transpose()?);
        } else if let (Some(first), Some(last)) = (frames.first(), frames.last()) {
            let up = format!("{}-{}", inside.inode, name.len());
            renameat(&last.folder, name.as_slice(), &first.folder, up.as_str())?;
            moved += 1;
            path.pop();
        }
    }
    Ok(())
}

/// Opens a folder to be emptied; its owner may have no right to, and gives it to itself.
fn open(above: impl AsFd, name: &[u8], facts: &Facts, buffer: &mut Vec<u8>) -> rustix::io::Result<Frame> {
    let folder = match beneath::subfolder(&above, name) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(&above, name, Mode::RWXU, AtFlags::empty())?;
            beneath::subfolder(&above, name)?
        }
        other => other?,
    };
    if facts.mode & 0o700 != 0o700 {
        // Without the right, what follows says so.
        let _ = fchmod(&folder, Mode::RWXU);
    }
    let (listing, read) = Listing::read(&folder, buffer);
    read?;
    Ok(Frame { folder, listing, name: name.to_vec() })
}

/// What is gone already need not be removed.
fn gone(removed: rustix::io::Result<()>) -> rustix::io::Result<()> {
    if removed == Err(Errno::NOENT) { Ok(()) } else { removed }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_tree_goes_and_what_its_links_point_at_stays() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        fs::create_dir_all(folder.path().join("tree/a/b/c")).unwrap();
        fs::write(folder.path().join("tree/a/b/file"), "").unwrap();
        symlink(outside.path(), folder.path().join("tree/a/link")).unwrap();
        let open = fs::File::open(folder.path()).unwrap();
        remove(&open, b"tree").unwrap();
        remove(&open, b"tree").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn a_deep_tree_goes() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tree").join("d/".repeat(300))).unwrap();
        remove(fs::File::open(folder.path()).unwrap(), b"tree").unwrap();
        assert!(!folder.path().join("tree").exists());
    }
}
