//! What is left out, and why: patterns, and the marks that programs put into folders of no worth.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fd::AsFd;
use rustix::fs::FileType;
use rustix::io::{Errno, read};

use super::facts::Facts;
use super::listing::Listing;
use super::{FilesError, beneath};

/// A folder of this name is left out.
const UNWANTED: &[u8] = b"donotbackup";
/// What the names of folders begin with in which a restore lays a tree out.
pub const STAGE_PREFIX: &str = ".undercroft-restore-";
/// What starts a file that marks a cache (the Cache Directory Tagging Specification).
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// The patterns that a person or a profile gave.
#[derive(Debug)]
pub struct Excludes(Gitignore);

impl Excludes {
    /// Takes patterns as `.gitignore` has them, anchored at the top folder.
    pub fn new(patterns: &[String]) -> Result<Self, FilesError> {
        let bad =
            |pattern: &str, why: ignore::Error| FilesError::Pattern { pattern: pattern.to_owned(), why };
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            builder.add_line(None, pattern).map_err(|why| bad(pattern, why))?;
        }
        builder.build().map(Excludes).map_err(|why| bad(&patterns.join(" "), why))
    }

    /// Whether a pattern is about a path, or a folder above it.
    pub fn names(&self, path: &[u8], folder: bool) -> bool {
        !self.0.is_empty()
            && !path.is_empty()
            && self.0.matched_path_or_any_parents(OsStr::from_bytes(path), folder).is_ignore()
    }

    /// Why a path is left out, if it is. Whatever is below it goes with it, so that no pattern can bring that
    /// back.
    pub fn reason(&self, path: &[u8], folder: bool) -> Option<String> {
        match self.0.matched(OsStr::from_bytes(path), folder) {
            Match::Ignore(glob) => Some(glob.original().to_owned()),
            Match::Whitelist(_) => None,
            Match::None => {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                let stage = folder && name.starts_with(STAGE_PREFIX.as_bytes());
                let unwanted = folder && name == UNWANTED;
                match (stage, unwanted) {
                    (true, _) => Some(format!("{STAGE_PREFIX}*/")),
                    (_, true) => Some("donotbackup/".to_owned()),
                    _ => None,
                }
            }
        }
    }
}

/// A file that says of its folder that it is not worth a backup. The folder and the mark stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `CACHEDIR.TAG`, with the signature that makes it one.
    Cache,
    /// `.donotbackup`.
    Unwanted,
}

impl Mark {
    /// The mark of an open folder.
    pub fn of(folder: impl AsFd, listing: &Listing) -> Option<Self> {
        if listing.has_file(Mark::Unwanted.file().as_bytes()) {
            return Some(Mark::Unwanted);
        }
        let tag = Mark::Cache.file().as_bytes();
        (listing.has_file(tag) && is_signed(folder, tag).unwrap_or(false)).then_some(Mark::Cache)
    }

    /// The mark's file name.
    pub fn file(self) -> &'static str {
        match self {
            Mark::Cache => "CACHEDIR.TAG",
            Mark::Unwanted => ".donotbackup",
        }
    }
}

fn is_signed(folder: impl AsFd, tag: &[u8]) -> rustix::io::Result<bool> {
    let file = beneath::content_in(folder, tag)?;
    if Facts::of_open(&file)?.kind != FileType::RegularFile {
        return Ok(false);
    }
    let mut start = [0; CACHE_SIGNATURE.len()];
    let mut got = 0;
    while let Some(room) = start.get_mut(got..).filter(|room| !room.is_empty()) {
        match read(&file, room) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(start == CACHE_SIGNATURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(patterns: &[&str]) -> Excludes {
        Excludes::new(&patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn patterns_mean_what_they_mean_in_gitignore() {
        let excludes = excludes(&["/styles/", "*.log", "!keep.log", "a/**/z", "cache/"]);
        let out = |path: &str, folder| excludes.reason(path.as_bytes(), folder);
        assert_eq!(out("styles", true).as_deref(), Some("/styles/"));
        assert_eq!(out("styles", false), None, "a file is no folder");
        assert_eq!(out("sub/styles", true), None, "anchored at the top");
        assert_eq!(out("sub/cache", true).as_deref(), Some("cache/"));
        assert_eq!(out("deep/x.log", false).as_deref(), Some("*.log"));
        assert_eq!(out("deep/keep.log", false), None);
        assert_eq!(out("a/b/c/z", false).as_deref(), Some("a/**/z"));
        assert_eq!(excludes.reason(b"caf\xe9.log", false).as_deref(), Some("*.log"), "names are bytes");
    }

    #[test]
    fn a_folder_that_asks_for_it_by_its_name_is_left_out_unless_a_pattern_keeps_it() {
        assert!(excludes(&[]).reason(b"a/donotbackup", true).is_some());
        assert!(excludes(&[]).reason(b"a/donotbackup", false).is_none());
        assert!(excludes(&[]).reason(b"a/.undercroft-restore-1", true).is_some());
        assert!(excludes(&["!donotbackup/"]).reason(b"a/donotbackup", true).is_none());
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_by_name() {
        let error = Excludes::new(&["ok".to_owned(), "[z-a]".to_owned()]).unwrap_err();
        assert!(matches!(error, FilesError::Pattern { pattern, .. } if pattern == "[z-a]"));
    }

    #[test]
    fn a_tag_without_its_signature_marks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let tag = folder.path().join("CACHEDIR.TAG");
        let mark = || {
            let open = std::fs::File::open(folder.path()).unwrap();
            Mark::of(&open, &Listing::read(&open, &mut Vec::new()).0)
        };
        for text in [&b""[..], b"Signature: 8a477f59", b"signature: 8a477f597d28d172789f06886806bc55"] {
            std::fs::write(&tag, text).unwrap();
            assert_eq!(mark(), None);
        }
        std::fs::write(&tag, [CACHE_SIGNATURE, b"\n# a cache"].concat()).unwrap();
        assert_eq!(mark(), Some(Mark::Cache));
    }
}
