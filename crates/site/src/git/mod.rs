//! Code captured from a git repository: the work tree of one commit, and a `.git` with the full history.
//!
//! [`Repository::open`] reads the references and finds the environment's commit; that is the moment of the
//! capture. What follows is named by content and never changes: the commit's files come out of git's objects, not
//! out of a work tree, and the object store's own packs and loose files are taken as they are. HEAD,
//! `packed-refs`, the configuration and the index are made anew, with nothing in them of this machine, this user
//! or this hour. So an archive is the same, byte for byte, for as long as the repository is.
//!
//! Each file of the work tree has the time of the commit that last changed it, so that a commit makes only its own
//! files look new; objects have one time for ever. Owners are 0:0, without names.
//!
//! A repository may belong to somebody who should not run programs as us, nor read what is not theirs: `command`,
//! `shadow` and `trust` say what is done about it. Hooks, reflogs (but the stash's), `info/` and what else is a
//! person's own in `.git` is not in the archive, and neither are credentials in URLs.
//!
//! To read on: `capture` lays an archive out, `part` one repository of it, `source` hands it to the vault.

mod attributes;
mod between;
mod blobs;
mod capture;
mod changes;
mod check;
mod command;
mod config;
mod convert;
mod error;
mod layout;
mod lfs;
mod locate;
mod look;
mod mirror;
mod objects;
mod oid;
mod part;
mod refs;
pub mod restore;
mod revision;
mod shadow;
mod source;
mod submodules;
mod times;
mod tree;
mod trust;
mod url;

use std::path::Path;

use jiff::Timestamp;
use undercroft_model::{CodeFacts, CodeRevision, Element, FilesFacts, Observer};
use undercroft_vault::stream::EntryKind;

use capture::Capture;
use layout::{Item, Layout};
use locate::Place;
use part::{Part, Spot, Want};
use shadow::Scratch;

pub use between::{Between, Commit, commits_between};
pub use check::check;
pub use error::GitError;
pub use look::{Found, look};

/// A repository's code at the moment of a capture.
pub struct Repository {
    parts: Vec<Part>,
    items: Vec<Item>,
    next: usize,
    /// Whether the commit is the one that is checked out.
    by_head: bool,
    /// Whether a later look at the repository can tell that it moved: a mirror moves only when we fetch.
    may_move: bool,
    facts: CodeFacts,
    _scratch: Scratch,
}

/// Text of a path or of a reference's name, escaped where it isn't UTF-8.
fn shown(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

impl Repository {
    /// Finds the commit and lists what the archive will hold: this is the moment of the capture.
    ///
    /// `repository` is the path of a work tree, of a folder in one, of a bare repository, or a URL, which is
    /// fetched into a mirror in `cache`. In `cache` is also the scratch folder of the capture; it may be shared by
    /// several at a time.
    ///
    /// # Errors
    /// [`GitError`]; a repository in which nothing is committed has no code to capture, and is an error too.
    pub fn open(
        repository: &str,
        revision: &CodeRevision,
        cache: &Path,
        observer: &dyn Observer,
    ) -> Result<Repository, GitError> {
        let (place, may_move) = match url::Address::parse(repository)? {
            url::Address::Path(path) => (find(Path::new(&path))?, true),
            url::Address::Url(url) => (mirror::fetch(&url, cache, observer)?, false),
        };
        observer.doing(Element::Code, "reading the repository");
        let scratch = Scratch::make(cache)?;
        let mut capture = Capture {
            observer,
            mirrored: !may_move,
            cache,
            scratch: scratch.path(),
            shadows: 0,
            parts: Vec::new(),
            layout: Layout::default(),
        };
        let spot = Spot { work: Vec::new(), git: b".git".to_vec() };
        capture.add(place, &Want::Revision(revision), spot, 0)?;
        let Capture { parts, layout, .. } = capture;
        let items = layout.finish().map_err(|path| GitError::Damaged {
            repository: repository_name(&parts),
            why: format!("two entries are called {}", shown(&path)),
        })?;
        observer.expect(Element::Code, stream_len(&items));
        let mut facts = facts(&parts, &items)?;
        if !may_move {
            // All of a mirror came from its remote.
            facts.unpushed = Some(0);
        }
        Ok(Repository {
            parts,
            items,
            next: 0,
            by_head: *revision == CodeRevision::Head,
            may_move,
            facts,
            _scratch: scratch,
        })
    }

    /// Ends the capture, and tells what was found.
    ///
    /// # Errors
    /// [`GitError::Moved`] if the repository is no longer at the commit that was captured, or its references are
    /// others: the archive is whole, but of a moment that has passed.
    pub fn finish(self) -> Result<CodeFacts, GitError> {
        if self.may_move {
            for (at, part) in self.parts.iter().enumerate() {
                part.settled(at == 0 && self.by_head)?;
            }
        }
        Ok(self.facts)
    }
}

fn find(path: &Path) -> Result<Place, GitError> {
    locate::find(path)?.ok_or_else(|| GitError::NotARepository(path.to_owned()))
}

fn repository_name(parts: &[Part]) -> String {
    parts.first().map(|part| part.place.called()).unwrap_or_default()
}

/// About how many bytes the archive's stream has: a block a header, contents in whole blocks, two blocks at the end.
fn stream_len(items: &[Item]) -> u64 {
    items.iter().map(|item| 512 + item.entry.size.next_multiple_of(512)).sum::<u64>() + 1024
}

fn facts(parts: &[Part], items: &[Item]) -> Result<CodeFacts, GitError> {
    let Some(own) = parts.first() else { return Ok(CodeFacts::default()) };
    let files = items.iter().filter(|item| item.entry.kind == EntryKind::File);
    let changes = parts.iter().filter_map(|part| part.changes.as_ref().ok().copied().flatten());
    Ok(CodeFacts {
        commit: Some(own.found.commit.to_string()),
        committed: Timestamp::from_second(own.committed).ok(),
        reference: own.found.reference.clone(),
        references: own.refs.list.len() as u64,
        uncommitted: changes.map(|changes| changes.changed + changes.untracked).sum(),
        unpushed: changes::unpushed(&own.shadow, &own.refs)?,
        tree: FilesFacts {
            entries: items.len() as u64,
            files: files.clone().count() as u64,
            content: files.map(|item| item.entry.size).sum(),
            left_out: Vec::new(),
        },
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_capture_may_run_on_any_thread() {
        fn is_send<T: Send>() {}
        is_send::<super::Repository>();
    }
}
