//! Files with several names: the first in the order of the walk is the file, the others are hard links to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use undercroft_vault::stream::FileTime;

use super::facts::{Facts, Identity};

/// Files with several names, of which some are still to come.
#[derive(Debug, Default)]
pub struct Links(HashMap<Identity, First>);

#[derive(Debug)]
struct First {
    path: Box<[u8]>,
    /// Names that have not been met yet. Some may be outside the tree, or left out.
    to_come: u32,
    /// An inode's number is given to another file once it is free: these must be the same.
    facts: (u64, FileTime, FileTime),
}

impl Links {
    /// The path of a file's first name, if this is a later one.
    pub fn first(&mut self, facts: &Facts, path: &[u8]) -> Option<Vec<u8>> {
        if facts.names < 2 {
            return None;
        }
        let now = (facts.size, facts.mtime, facts.ctime);
        let first = || First { path: path.into(), to_come: facts.names - 1, facts: now };
        match self.0.entry(facts.identity()) {
            Entry::Vacant(vacant) => {
                vacant.insert(first());
                None
            }
            Entry::Occupied(mut known) if known.get().facts != now => {
                known.insert(first());
                None
            }
            Entry::Occupied(mut known) if known.get().to_come > 1 => {
                known.get_mut().to_come -= 1;
                Some(known.get().path.to_vec())
            }
            Entry::Occupied(known) => Some(known.remove().path.into_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_has_been_met_by_all_its_names_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        for name in ["b", "c"] {
            fs::hard_link(&path, folder.path().join(name)).unwrap();
        }
        let facts = Facts::of_name(rustix::fs::CWD, &path).unwrap();
        let mut links = Links::default();
        assert_eq!(links.first(&facts, b"a"), None);
        assert_eq!(links.first(&facts, b"b"), Some(b"a".to_vec()));
        assert_eq!(links.first(&facts, b"c"), Some(b"a".to_vec()));
        assert!(links.0.is_empty());
    }

    #[test]
    fn another_file_with_the_same_number_is_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        fs::hard_link(&path, folder.path().join("b")).unwrap();
        let facts = Facts::of_name(rustix::fs::CWD, &path).unwrap();
        let mut links = Links::default();
        assert_eq!(links.first(&facts, b"a"), None);
        let mut other = facts;
        other.size = 9;
        assert_eq!(links.first(&other, b"b"), None);
    }
}
