//! The names in one folder, in the order of the walk.

use std::cmp::Ordering;

use rustix::fd::AsFd;
use rustix::fs::{FileType, RawDir};

use super::facts::Facts;

/// The names in a folder, packed one behind another.
#[derive(Debug, Default)]
pub struct Listing {
    bytes: Vec<u8>,
    names: Vec<Name>,
    next: usize,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    at: usize,
    len: u16,
    folder: bool,
    socket: bool,
}

impl Listing {
    /// Lists an open folder. `buffer` is room for the kernel's answers, and kept for the next folder.
    ///
    /// What was listed before an error is given with it.
    pub fn read(folder: impl AsFd, buffer: &mut Vec<u8>) -> (Self, rustix::io::Result<()>) {
        let mut listing = Listing::default();
        let done = listing.fill(folder, buffer);
        listing.sort();
        (listing, done)
    }

    fn fill(&mut self, folder: impl AsFd, buffer: &mut Vec<u8>) -> rustix::io::Result<()> {
        buffer.clear();
        buffer.reserve(64 << 10);
        let mut names = RawDir::new(&folder, buffer.spare_capacity_mut());
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems don't say; if the look fails, so will the next one.
                FileType::Unknown => {
                    Facts::of_name(&folder, name).map_or(FileType::Unknown, |facts| facts.kind)
                }
                kind => kind,
            };
            self.push(name, kind);
        }
        Ok(())
    }

    fn push(&mut self, name: &[u8], kind: FileType) {
        // No file system has names that long.
        let Ok(len) = u16::try_from(name.len()) else { return };
        let (folder, socket) = (kind == FileType::Directory, kind == FileType::Socket);
        self.names.push(Name { at: self.bytes.len(), len, folder, socket });
        self.bytes.extend(name);
    }

    /// Puts the names in order. A name that came twice, since the folder changed meanwhile, stays once.
    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.names.sort_unstable_by(|a, b| in_order((a.of(bytes), a.folder), (b.of(bytes), b.folder)));
        self.names.dedup_by(|a, b| a.of(bytes) == b.of(bytes));
    }

    /// The next name, and whether it is a folder's.
    pub fn next(&mut self) -> Option<(&[u8], bool)> {
        let name = self.names.get(self.next)?;
        self.next += 1;
        Some((name.of(&self.bytes), name.folder))
    }

    /// The same, and whether it is a socket's, which no archive can hold.
    pub fn next_or_socket(&mut self) -> Option<(&[u8], bool, bool)> {
        let name = self.names.get(self.next)?;
        self.next += 1;
        Some((name.of(&self.bytes), name.folder, name.socket))
    }

    /// Whether all names were given.
    pub fn is_done(&self) -> bool {
        self.next >= self.names.len()
    }

    /// Whether the folder has something by that name that is no folder.
    pub fn has_file(&self, name: &[u8]) -> bool {
        let bytes = &self.bytes;
        self.names.binary_search_by(|n| in_order((n.of(bytes), n.folder), (name, false))).is_ok()
    }
}

impl Name {
    fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.at..self.at + usize::from(self.len)).unwrap_or_default()
    }
}

/// Byte order, where a folder's name counts as if it ended in `/`.
fn in_order((a, a_folder): (&[u8], bool), (b, b_folder): (&[u8], bool)) -> Ordering {
    let common = a.len().min(b.len());
    let after = |name: &[u8], folder: bool| name.get(common).copied().or(folder.then_some(b'/'));
    let (a_start, b_start) = (a.get(..common), b.get(..common));
    a_start.cmp(&b_start).then_with(|| after(a, a_folder).cmp(&after(b, b_folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listing: &mut Listing) -> Vec<(Vec<u8>, bool)> {
        let mut names = Vec::new();
        while let Some((name, folder)) = listing.next() {
            names.push((name.to_vec(), folder));
        }
        names
    }

    #[test]
    fn a_folder_stands_where_its_content_would() {
        let mut listing = Listing::default();
        for (name, folder) in
            [("a0", false), ("a", true), ("a.b", false), ("a-", false), ("b", false), ("A", true)]
        {
            listing.push(name.as_bytes(), if folder { FileType::Directory } else { FileType::RegularFile });
        }
        listing.sort();
        let order: Vec<_> =
            names(&mut listing).into_iter().map(|(n, _)| String::from_utf8(n).unwrap()).collect();
        assert_eq!(order, ["A", "a-", "a.b", "a", "a0", "b"]);
    }

    #[test]
    fn a_name_that_came_twice_stays_once() {
        let mut listing = Listing::default();
        for name in ["x", "y", "x"] {
            listing.push(name.as_bytes(), FileType::RegularFile);
        }
        listing.sort();
        assert_eq!(names(&mut listing).len(), 2);
    }

    #[test]
    fn names_are_found_by_what_they_are() {
        let mut listing = Listing::default();
        listing.push(b"mark", FileType::RegularFile);
        listing.push(b"folder", FileType::Directory);
        listing.sort();
        assert!(listing.has_file(b"mark"));
        assert!(!listing.has_file(b"folder"));
        assert!(!listing.has_file(b"mar"));
    }

    #[test]
    fn a_folder_of_many_names_is_listed_whole() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..3000 {
            std::fs::write(folder.path().join(format!("{n}-{}", "x".repeat(60))), "").unwrap();
        }
        let open = std::fs::File::open(folder.path()).unwrap();
        let (mut listing, done) = Listing::read(&open, &mut Vec::new());
        done.unwrap();
        let names = names(&mut listing);
        assert_eq!(names.len(), 3000);
        assert!(names.is_sorted());
    }
}
