//! First names of files that turned out, when they were opened, not to be what the walk met. Later names of the
//! same file can't be links to them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// First names that are lost to their links, each with the name that took its place, if one did.
#[derive(Debug, Default)]
pub struct Firsts(Mutex<HashMap<Vec<u8>, Option<Vec<u8>>>>);

/// What a later name of a file is.
#[derive(Debug, PartialEq, Eq)]
pub enum Later {
    /// A link to this name.
    Link(Vec<u8>),
    /// The file itself, since no name that came before holds it.
    File,
}

impl Firsts {
    /// A first name is not in the archive, or is another file by now.
    pub fn lose(&self, path: &[u8]) {
        self.lock().entry(path.to_vec()).or_insert(None);
    }

    /// What a later name is, given the first that the walk met. A name that was opened as the file itself still is
    /// when it is opened again.
    pub fn later(&self, first: &[u8], path: &[u8]) -> Later {
        let lost = self.lock();
        match lost.get(first) {
            None => Later::Link(first.to_vec()),
            Some(Some(instead)) if instead != path && !lost.contains_key(instead) => {
                Later::Link(instead.clone())
            }
            Some(_) => Later::File,
        }
    }

    /// A later name was opened as the file itself, in place of the first.
    pub fn replace(&self, first: &[u8], path: &[u8]) {
        self.lock().insert(first.to_vec(), Some(path.to_vec()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Option<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_follow_to_the_name_that_took_the_first_ones_place() {
        let firsts = Firsts::default();
        assert_eq!(firsts.later(b"a", b"b"), Later::Link(b"a".to_vec()));
        firsts.lose(b"a");
        assert_eq!(firsts.later(b"a", b"b"), Later::File);
        firsts.replace(b"a", b"b");
        assert_eq!(firsts.later(b"a", b"b"), Later::File, "opened a second time");
        assert_eq!(firsts.later(b"a", b"c"), Later::Link(b"b".to_vec()));
        firsts.lose(b"b");
        assert_eq!(firsts.later(b"a", b"c"), Later::File);
        firsts.replace(b"a", b"c");
        assert_eq!(firsts.later(b"a", b"d"), Later::Link(b"c".to_vec()));
    }
}
