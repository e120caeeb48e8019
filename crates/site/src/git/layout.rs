//! The archive's entries, gathered in any order and then sorted.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::PathBuf;

use undercroft_vault::stream::{Entry, EntryKind, FileTime};

use super::oid::ObjectId;

/// Where an entry's content comes from.
#[derive(Debug)]
pub(super) enum Origin {
    /// It has none.
    Nowhere,
    /// Made by us.
    Bytes(Vec<u8>),
    /// A blob of one of the repositories.
    Blob(usize, ObjectId),
    /// A file that was written for this capture.
    Made(PathBuf),
    /// A file that never changes.
    File(PathBuf),
}

/// An entry and its content's origin.
#[derive(Debug)]
pub(super) struct Item {
    pub entry: Entry,
    pub origin: Origin,
}

/// Entries that are being gathered.
#[derive(Debug, Default)]
pub(super) struct Layout {
    items: Vec<Item>,
    /// Every folder, with the newest time of what is in it.
    folders: HashMap<Vec<u8>, i64>,
}

/// Paths and modes that git gives files.
pub(super) const PLAIN: u32 = 0o644;
pub(super) const EXECUTABLE: u32 = 0o755;
/// As git protects what never changes.
pub(super) const READ_ONLY: u32 = 0o444;

impl Layout {
    /// Adds a file.
    pub fn file(
        &mut self,
        path: Vec<u8>,
        mode: u32,
        seconds: i64,
        size: u64,
        stamp: [u8; 32],
        origin: Origin,
    ) {
        self.add(path, EntryKind::File, mode, seconds, size, stamp, origin);
    }

    /// Adds a file with this content.
    pub fn bytes(&mut self, path: Vec<u8>, seconds: i64, bytes: Vec<u8>) {
        let stamp = *blake3::hash(&bytes).as_bytes();
        self.file(path, PLAIN, seconds, bytes.len() as u64, stamp, Origin::Bytes(bytes));
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: Vec<u8>, seconds: i64, target: Vec<u8>, stamp: [u8; 32]) {
        self.add(path, EntryKind::Symlink { target }, 0o777, seconds, 0, stamp, Origin::Nowhere);
    }

    /// Adds a folder, and those above it. All that are above another entry are added by themselves.
    pub fn folder(&mut self, path: &[u8], seconds: i64) {
        let mut path = path;
        loop {
            let newest = self.folders.entry(path.to_vec()).or_insert(seconds);
            *newest = seconds.max(*newest);
            match path.iter().rposition(|b| *b == b'/') {
                Some(at) => path = path.get(..at).unwrap_or_default(),
                None if path.is_empty() => return,
                None => path = b"",
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the fields of an entry
    fn add(
        &mut self,
        path: Vec<u8>,
        kind: EntryKind,
        mode: u32,
        seconds: i64,
        size: u64,
        stamp: [u8; 32],
        origin: Origin,
    ) {
        let parent = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
        self.folder(path.get(..parent).unwrap_or_default(), seconds);
        let mtime = FileTime { seconds, nanos: 0 };
        let entry = Entry { path, kind, size, mtime, mode, uid: 0, gid: 0, stamp };
        self.items.push(Item { entry, origin });
    }

    /// All entries in the archive's order; the path of one that is there twice if there is such.
    pub fn finish(self) -> Result<Vec<Item>, Vec<u8>> {
        let mut items = self.items;
        for (path, seconds) in self.folders {
            let mtime = FileTime { seconds, nanos: 0 };
            let kind = EntryKind::Folder;
            let entry = Entry { path, kind, size: 0, mtime, mode: 0o755, uid: 0, gid: 0, stamp: [0; 32] };
            items.push(Item { entry, origin: Origin::Nowhere });
        }
        items.sort_unstable_by(|a, b| order(&a.entry, &b.entry));
        let mut paths: Vec<&[u8]> = items.iter().map(|item| item.entry.path.as_slice()).collect();
        paths.sort_unstable();
        let twice = paths.windows(2).find_map(|pair| match pair {
            [a, b] if a == b => Some(a.to_vec()),
            _ => None,
        });
        twice.map_or(Ok(items), Err)
    }
}

/// The order of the archive: byte order of the paths, where a folder's ends in `/`.
pub(super) fn order(a: &Entry, b: &Entry) -> Ordering {
    let shared = a.path.len().min(b.path.len());
    let parted = |entry: &'_ Entry| {
        let slash = entry.kind == EntryKind::Folder && !entry.path.is_empty();
        slash.then_some(b'/')
    };
    let (a_head, a_tail) = a.path.split_at(shared);
    let (b_head, b_tail) = b.path.split_at(shared);
    let tails = || a_tail.iter().copied().chain(parted(a)).cmp(b_tail.iter().copied().chain(parted(b)));
    a_head.cmp(b_head).then_with(tails)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_added_and_count_as_if_they_ended_in_a_slash() {
        let mut layout = Layout::default();
        for (path, seconds) in [("a/x", 5), ("a.b", 3), ("a/y/z", 9), ("b", 1)] {
            layout.bytes(path.into(), seconds, Vec::new());
        }
        let items = layout.finish().unwrap();
        let shown: Vec<_> = items
            .iter()
            .map(|item| (String::from_utf8(item.entry.path.clone()).unwrap(), item.entry.mtime.seconds))
            .collect();
        let expected = [("", 9), ("a.b", 3), ("a", 9), ("a/x", 5), ("a/y", 9), ("a/y/z", 9), ("b", 1)];
        assert_eq!(shown, expected.map(|(path, seconds)| (path.to_owned(), seconds)));
    }

    #[test]
    fn a_path_that_is_there_twice_is_found() {
        let mut layout = Layout::default();
        layout.bytes(b"a/b".to_vec(), 0, Vec::new());
        layout.bytes(b"a".to_vec(), 0, Vec::new());
        assert_eq!(layout.finish().unwrap_err(), b"a");
    }
}
