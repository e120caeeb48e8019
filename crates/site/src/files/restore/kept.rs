//! What stays as it is in the live folder, though the archive does not have it, or has it otherwise.

use std::collections::HashSet;
use std::path::Path;

use rustix::fd::AsFd;
use serde::{Deserialize, Serialize};
use undercroft_vault::tree::take::Wanted;

use super::super::beneath::Root;
use super::super::facts::{Facts, Identity};
use super::super::leave::{Excludes, Mark};
use super::super::listing::Listing;
use super::super::{FilesError, Skip};
use super::Order;
use super::ground::join;

/// One thing that stays; all below it stays with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its path in the live folder.
    pub path: Vec<u8>,
    /// Its number.
    pub inode: u64,
    /// It was linked into the tree that was laid out; otherwise it is moved there.
    pub linked: bool,
    /// Something is mounted here: it can't be moved at all.
    pub mounted: bool,
    /// Whether it is a folder.
    pub folder: bool,
    /// Whether it is a socket, which no archive can hold.
    #[serde(default)]
    pub socket: bool,
}

/// What decides that something stays.
pub struct Rules {
    keep: Excludes,
    protect: Excludes,
    skip: HashSet<Identity>,
    /// Paths below the live folder where something is mounted.
    mounts: HashSet<Vec<u8>>,
}

impl Rules {
    /// The rules of an order; `place` is the live folder, all symlinks followed.
    pub fn new(order: &Order<'_>, place: &Path) -> Result<Self, FilesError> {
        let identity = |skip: &Skip<'_>| Facts::of_path(skip.path).ok().map(|facts| facts.identity());
        Ok(Rules {
            keep: Excludes::new(order.keep)?,
            protect: Excludes::new(order.protect)?,
            skip: order.skip.iter().filter_map(identity).collect(),
            mounts: mounts_below(place),
        })
    }

    /// The topmost things that stay, of those that are wanted.
    pub fn find(&self, live: &Root, wanted: &Wanted) -> Result<Vec<Kept>, (Vec<u8>, rustix::io::Errno)> {
        let (mut found, mut buffer) = (Vec::new(), Vec::new());
        let mut folders = vec![Vec::new()];
        while let Some(path) = folders.pop() {
            let at = |error| (path.clone(), error);
            let folder = match live.folder(&path) {
                // It went meanwhile.
                Err(rustix::io::Errno::NOENT) if !path.is_empty() => continue,
                other => other.map_err(at)?,
            };
            let (mut listing, read) = Listing::read(&folder, &mut buffer);
            read.map_err(at)?;
            if !path.is_empty() && Mark::of(&folder, &listing).is_some() {
                let inode = Facts::of_open(&folder).map_err(|error| (path.clone(), error))?.inode;
                found.push(Kept { path, inode, linked: false, mounted: false, folder: true, socket: false });
                continue;
            }
            while let Some((name, is_folder, is_socket)) = listing.next_or_socket() {
                let inside = join(&path, name);
                let leads = is_folder && wanted.leads_to(&inside);
                if !leads && !wanted.holds(&inside) {
                    continue;
                }
                if let Some(kept) = self.stays(&folder, name, &inside, (is_folder, is_socket)) {
                    found.push(kept);
                } else if is_folder {
                    folders.push(inside);
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn stays(
        &self,
        folder: impl AsFd,
        name: &[u8],
        path: &[u8],
        (is_folder, socket): (bool, bool),
    ) -> Option<Kept> {
        let facts = || Facts::of_name(&folder, name).ok();
        let mounted = self.mounts.contains(path);
        let skipped =
            !self.skip.is_empty() && facts().is_some_and(|facts| self.skip.contains(&facts.identity()));
        let stays = mounted || skipped || socket || self.is_named(path, is_folder);
        let inode = stays.then(facts)??.inode;
        Some(Kept { path: path.to_vec(), inode, linked: false, mounted, folder: is_folder, socket })
    }

    /// What never comes from an archive.
    pub fn into_protected(self) -> Excludes {
        self.protect
    }

    /// Whether a pattern keeps or protects it.
    fn is_named(&self, path: &[u8], folder: bool) -> bool {
        self.keep.reason(path, folder).is_some() || self.protect.reason(path, folder).is_some()
    }
}

/// The paths below a folder where something is mounted, by the kernel's own table.
fn mounts_below(place: &Path) -> HashSet<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let place =
        join(place.as_os_str().as_bytes().strip_suffix(b"/").unwrap_or(place.as_os_str().as_bytes()), b"");
    let below = |line: &[u8]| {
        let point = unescape(line.split(|byte| *byte == b' ').nth(4)?);
        point.strip_prefix(place.as_slice())?.strip_prefix(b"/").map(<[u8]>::to_vec)
    };
    table.split(|byte| *byte == b'\n').filter_map(below).filter(|path| !path.is_empty()).collect()
}

/// A field of the table, where space, tab, newline and backslash stand as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, after)) = rest.split_first() {
        let code = match (byte, after.get(..3)) {
            (b'\\', Some(digits)) => {
                std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 8).ok())
            }
            _ => None,
        };
        out.push(code.unwrap_or(*byte));
        rest = if code.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_kernels_table_is_read_as_it_is() {
        assert_eq!(unescape(br"/a\040b\134c"), b"/a b\\c");
        assert_eq!(unescape(br"/a\0"), br"/a\0");
    }

    #[test]
    fn what_is_mounted_is_found() {
        let proc = mounts_below(Path::new("/"));
        assert!(proc.contains(b"proc".as_slice()), "{proc:?}");
    }
}
