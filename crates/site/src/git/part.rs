//! One repository of an archive: the environment's own, or a submodule's.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use undercroft_model::CodeRevision;

use super::blobs::Blobs;
use super::command::Git;
use super::config::{Config, ConfigWriter};
use super::convert::Converted;
use super::error::GitError;
use super::layout::{EXECUTABLE, Layout, Origin, PLAIN, READ_ONLY};
use super::locate::Place;
use super::objects;
use super::oid::ObjectId;
use super::refs::{Head, Refs};
use super::revision::{self, Resolved};
use super::shadow::Shadow;
use super::submodules::Link;
use super::tree::{Node, NodeKind};
use super::{changes, shown, url};

/// Which commit is wanted.
pub(super) enum Want<'a> {
    /// What a person chose.
    Revision(&'a CodeRevision),
    /// What a link names.
    Commit(ObjectId),
}

/// Where a repository stands in the archive.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    /// The top of its work tree; empty for the environment's own.
    pub work: Vec<u8>,
    /// Its git folder.
    pub git: Vec<u8>,
}

impl Spot {
    /// Whether its git folder is where git looks first.
    pub fn has_folder(&self) -> bool {
        self.git == join(&self.work, b".git")
    }
}

/// A repository that is being captured.
#[derive(Debug)]
pub(super) struct Part {
    pub place: Place,
    pub spot: Spot,
    pub source: Git,
    pub config: Config,
    pub refs: Refs,
    pub shadow: Shadow,
    pub blobs: Blobs,
    pub found: Resolved,
    /// When the commit was made.
    pub committed: i64,
    /// Changes that are in no commit; why they could not be counted.
    pub changes: Result<Option<changes::Changes>, String>,
    /// Stores that it should borrow objects from, but that are not there.
    pub missing_stores: Vec<PathBuf>,
    stores: Vec<PathBuf>,
    sha256: bool,
}

/// The work tree of a commit, as it is to be laid out.
pub(super) struct WorkTree<'a> {
    /// The repository's place among those of the archive.
    pub at: usize,
    pub nodes: &'a [Node],
    /// When each of them last changed.
    pub times: &'a [i64],
    /// Files that are not as git keeps them.
    pub converted: HashMap<&'a [u8], Converted>,
}

/// The time of what never changes: a commit must not make a pack look new.
const FIXED: i64 = 1_000_000_000;
/// The longest target that a symbolic link can have.
const TARGET_MAX: u64 = 4096;

/// A path below a folder of the archive.
pub(super) fn join(folder: &[u8], path: &[u8]) -> Vec<u8> {
    if folder.is_empty() { path.to_vec() } else { [folder, b"/", path].concat() }
}

/// The way from a folder of the archive to a path of it.
fn way(from: &[u8], to: &[u8]) -> Vec<u8> {
    let ups = if from.is_empty() { 0 } else { from.split(|b| *b == b'/').count() };
    [b"../".repeat(ups).as_slice(), to].concat()
}

impl Part {
    /// Reads the references and finds the commit: from here on it is decided what the archive holds.
    pub fn open(place: Place, want: &Want<'_>, spot: Spot, scratch: PathBuf) -> Result<Self, GitError> {
        place.check_files()?;
        // Git follows all of them: they are looked at first.
        let (stores, missing_stores) = objects::stores(&place)?;
        let config = Config::read(&place.common_dir)?;
        let sha256 = config.get("extensions.objectformat").is_some_and(|f| f.eq_ignore_ascii_case(b"sha256"));
        let source = Git::new(&place.git_dir, &place.called());
        let refs = Refs::read(&source)?;
        let mut shadow = Shadow::make(scratch, &place, &refs, sha256)?;
        let found = match want {
            Want::Revision(revision) => revision::resolve(&shadow.git, &refs, revision)?,
            Want::Commit(commit) => {
                Resolved { commit: *commit, head: Head::Detached(*commit), reference: None }
            }
        };
        let committed = commit_time(&shadow.git, &found.commit)?;
        let blobs = Blobs::new(shadow.git.clone());
        let changes = changes::count(&shadow, &place, &config, &blobs);
        shadow.set_head(&found.head)?;
        Ok(Part {
            place,
            spot,
            source,
            config,
            refs,
            shadow,
            blobs,
            found,
            committed,
            changes,
            missing_stores,
            stores,
            sha256,
        })
    }

    /// Adds the work tree of the commit, and gives the paths of files whose content is missing.
    pub fn lay_work_tree(&self, tree: WorkTree<'_>, layout: &mut Layout) -> Result<Vec<Vec<u8>>, GitError> {
        let mut missing = Vec::new();
        layout.folder(&self.spot.work, self.committed);
        for (node, seconds) in tree.nodes.iter().zip(tree.times) {
            let path = join(&self.spot.work, &node.path);
            let (seconds, stamp) = (*seconds, node.id.stamp());
            match (node.kind, node.size) {
                (NodeKind::Link, _) => layout.folder(&path, seconds),
                (NodeKind::Symlink, Some(_)) => match self.target(&node.id)? {
                    Some(target) => layout.symlink(path, seconds, target, stamp),
                    None => missing.push(path),
                },
                (NodeKind::File | NodeKind::Executable, Some(size)) => {
                    let mode = if node.kind == NodeKind::File { PLAIN } else { EXECUTABLE };
                    match tree.converted.get(node.path.as_slice()) {
                        Some(made) => {
                            let origin = Origin::Made(made.path.clone());
                            layout.file(path, mode, seconds, made.size, made.stamp, origin);
                        }
                        None => {
                            layout.file(path, mode, seconds, size, stamp, Origin::Blob(tree.at, node.id));
                        }
                    }
                }
                (_, None) => missing.push(path),
            }
        }
        if !self.spot.has_folder() {
            let text = [b"gitdir: ".as_slice(), &way(&self.spot.work, &self.spot.git), b"\n"].concat();
            layout.bytes(join(&self.spot.work, b".git"), self.committed, text);
        }
        Ok(missing)
    }

    fn target(&self, id: &ObjectId) -> Result<Option<Vec<u8>>, GitError> {
        let target =
            self.blobs.whole(id, TARGET_MAX).map_err(GitError::io("read", &self.place.common_dir))?;
        Ok(target.filter(|target| !target.is_empty() && !target.contains(&0)))
    }

    /// Adds the git folder.
    pub fn lay_git_folder(
        &self,
        index: Vec<u8>,
        links: &[Link],
        layout: &mut Layout,
    ) -> Result<(), GitError> {
        let at = |name: &str| join(&self.spot.git, name.as_bytes());
        layout.bytes(at("HEAD"), self.committed, self.shadow.head.clone());
        layout.bytes(at("config"), self.committed, self.config_text(links));
        layout.bytes(at("packed-refs"), self.committed, self.shadow.packed_refs.clone());
        layout.bytes(at("index"), self.committed, index);
        if let Some(text) = &self.shadow.shallow {
            layout.bytes(at("shallow"), self.committed, text.clone());
        }
        for (name, text) in &self.shadow.symbolic {
            layout.bytes(join(&self.spot.git, name), self.committed, text.clone());
        }
        for folder in ["refs/heads", "refs/tags", "objects/info", "objects/pack"] {
            layout.folder(&at(folder), FIXED);
        }
        // What was stashed before the last time is in this list alone.
        if let Ok(text) = fs::read(self.place.common_dir.join("logs/refs/stash")) {
            layout.bytes(at("logs/refs/stash"), FIXED, text);
        }
        self.lay_objects(layout)
    }

    fn lay_objects(&self, layout: &mut Layout) -> Result<(), GitError> {
        for (name, file) in objects::list(&self.stores)? {
            let path = join(&self.spot.git, format!("objects/{name}").as_bytes());
            layout.file(path, READ_ONLY, FIXED, file.size, file.stamp, Origin::File(file.path));
        }
        Ok(())
    }

    /// Adds a file that lies in the git folder and never changes.
    pub fn lay_file(&self, name: &str, file: objects::ObjectFile, layout: &mut Layout) {
        let path = join(&self.spot.git, name.as_bytes());
        layout.file(path, PLAIN, FIXED, file.size, file.stamp, Origin::File(file.path));
    }

    fn config_text(&self, links: &[Link]) -> Vec<u8> {
        let mut writer = ConfigWriter::begin(self.sha256, self.config.promisor(), false);
        if !self.spot.has_folder() {
            writer.section("core", None);
            writer.value("worktree", &way(&self.spot.git, &self.spot.work));
        }
        writer.remotes(&self.config);
        writer
            .branches(&self.config, |branch| self.refs.object(&[b"refs/heads/", branch].concat()).is_some());
        for (name, url) in links.iter().filter_map(|link| link.named.as_ref()) {
            writer.section("submodule", Some(name));
            writer.value("active", b"true");
            let own =
                self.config.parted().find(|(s, n, key, _)| *s == b"submodule" && n == name && *key == b"url");
            // A URL that is relative to this repository's own is made whole by git, which then keeps it.
            let relative = own.is_none() && (url.starts_with(b"./") || url.starts_with(b"../"));
            if !relative {
                writer.value("url", &url::without_credentials(own.map_or(url, |(.., url)| url)));
            }
        }
        writer.finish()
    }

    /// How many objects of the history are not there.
    pub fn absent_objects(&self) -> Result<u64, GitError> {
        let args = ["rev-list", "--objects", "--all", "HEAD", "--missing=print", "--no-object-names"];
        let answer = self.shadow.git.ask("list the objects", &args)?;
        Ok(answer.split(|b| *b == b'\n').filter(|line| line.starts_with(b"?")).count() as u64)
    }

    /// Whether the repository is as it was when it was opened; `by_head` if the commit was the one checked out.
    pub fn settled(&self, by_head: bool) -> Result<(), GitError> {
        let now = Refs::read(&self.source)?;
        let moved = |what: String| Err(GitError::Moved { repository: self.place.called(), what });
        if by_head && now.head != self.refs.head {
            return moved("HEAD moved".to_owned());
        }
        match first_difference(&self.refs, &now) {
            Some(name) => moved(format!("{} moved", shown(&name))),
            None => Ok(()),
        }
    }
}

/// The first reference that two readings don't have alike.
fn first_difference(before: &Refs, after: &Refs) -> Option<Vec<u8>> {
    let same = before.list.iter().zip(&after.list).take_while(|(a, b)| a == b).count();
    let name = |refs: &Refs| refs.list.get(same).map(|(name, _)| name.clone());
    match (name(before), name(after)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn commit_time(git: &Git, commit: &ObjectId) -> Result<i64, GitError> {
    let id = commit.to_string();
    let answer = git.ask("read the commit", &["log", "-1", "--format=%ct", &id, "--"])?;
    let text = String::from_utf8_lossy(&answer);
    text.trim().parse().map_err(|_| GitError::Damaged {
        repository: git.called().to_owned(),
        why: format!("{id} is not a commit"),
    })
}
