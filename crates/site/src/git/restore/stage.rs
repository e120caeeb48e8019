//! Looking at a repository, refusing what can't work, and deciding.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use undercroft_model::CodeRevision;

use super::desk::{Desk, Repo, path_of};
use super::founding::Site;
use super::keep::BEFORE;
use super::look::{Looked, look, look_at, site};
use super::view::{View, Wishes};
use super::{Order, RestoreError, Staged, modes};
use crate::git::between::has_commit;
use crate::git::command::{Git, run};
use crate::git::locate::{self, Place};
use crate::git::oid::ObjectId;
use crate::git::refs::Head;
use crate::git::shadow::Scratch;
use crate::git::{GitError, shown, submodules, tree};
use crate::profile::pattern_of;

impl Looked {
    /// Refuses what can't work.
    pub fn check(&self) -> Result<(), RestoreError> {
        let repo = &self.part.repo;
        let repository = || repo.called.clone();
        let us = rustix::process::geteuid();
        if !us.is_root() && us.as_raw() != repo.owner {
            return Err(RestoreError::OtherOwner {
                repository: repository(),
                owner: repo.owner,
                us: us.as_raw(),
            });
        }
        if !has_commit(&self.shadow.git, &self.commit()?)? {
            let (commit, shallow) = (self.part.commit.clone(), self.shadow.shallow.is_some());
            return Err(RestoreError::NoCommit { repository: repository(), commit, shallow });
        }
        let desk = Desk::reading(repo, &self.shadow, &self.config)?;
        if let Some(founding) = &self.part.founding {
            let folder = founding.nearest().to_owned();
            return match modes::closed(&desk, &[folder.clone().into_os_string()])?.is_empty() {
                true => Ok(()),
                false => Err(RestoreError::NotWritable(folder)),
            };
        }
        let folders = [&repo.git_dir, &repo.common_dir].map(|folder| folder.clone().into_os_string());
        if let Some(folder) = modes::closed(&desk, &folders)?.pop() {
            return Err(RestoreError::NotWritable(folder.into()));
        }
        self.check_branch()?;
        if self.part.follows {
            self.check_work_tree()?;
        }
        Ok(())
    }

    fn commit(&self) -> Result<ObjectId, RestoreError> {
        let commit = &self.part.commit;
        ObjectId::parse(commit.as_bytes()).ok_or_else(|| RestoreError::NotACommit(commit.clone()))
    }

    fn check_work_tree(&self) -> Result<(), RestoreError> {
        let repo = &self.part.repo;
        for (file, what, ends) in UNDER_WAY {
            if repo.git_dir.join(file).exists() {
                return Err(RestoreError::Busy { repository: repo.called.clone(), what, ends });
            }
        }
        check_lock(repo)?;
        // A work tree's own configuration may say it.
        let git = Git::new(&repo.git_dir, &repo.called);
        let sparse = git.look_for(&["config", "--type=bool", "--get", "core.sparseCheckout"])?;
        if sparse.is_some_and(|answer| answer.trim_ascii() == b"true") {
            return Err(RestoreError::Sparse { repository: repo.called.clone() });
        }
        Ok(())
    }

    /// Looks whether another work tree has the branch checked out.
    fn check_branch(&self) -> Result<(), RestoreError> {
        let Some(branch) = self.part.branch.as_deref() else { return Ok(()) };
        let repo = &self.part.repo;
        let mut command = Git::new(&repo.git_dir, &repo.called).command();
        command.args(["worktree", "list", "--porcelain", "-z"]);
        let listed = repo.succeed("list the work trees", command, None)?;
        let mut at = PathBuf::new();
        for line in listed.split(|b| *b == 0) {
            if let Some(path) = line.strip_prefix(b"worktree ") {
                at = path_of(path);
            }
            let ours = repo.work_tree.as_ref().unwrap_or(&repo.git_dir);
            if line.strip_prefix(b"branch ") == Some(branch.as_bytes()) && !same(&at, ours) {
                let short = branch.strip_prefix("refs/heads/").unwrap_or(branch).to_owned();
                let repository = repo.called.clone();
                return Err(RestoreError::BranchElsewhere { repository, branch: short, elsewhere: at });
            }
        }
        Ok(())
    }

    /// The work tree, seen beside the commit; `None` if none follows.
    pub fn view(&self, wishes: &Wishes<'_>) -> Result<Option<(Desk<'_>, View)>, RestoreError> {
        if !self.part.follows {
            return Ok(None);
        }
        let desk = Desk::reading(&self.part.repo, &self.shadow, &self.config)?;
        let view = View::of(&desk, &self.part.repo.git_dir.join("index"), &self.part.commit, wishes)?;
        Ok(Some((desk, view)))
    }

    /// Refuses folders in which nothing can be laid out; there are none where all of them are yet to be made.
    pub fn check_modes(&self, desk: &Desk<'_>, view: &View) -> Result<(), RestoreError> {
        match &self.part.founding {
            Some(founding) if !founding.top.exists() => Ok(()),
            _ => modes::check(desk, view),
        }
    }

    /// The commit's submodules whose repositories are here, and in words those that are not.
    pub fn submodules(
        &self,
        scratch: &Scratch,
        archive: Option<&Place>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Looked>, RestoreError> {
        let mut found = Vec::new();
        if !self.part.follows {
            return Ok(found);
        }
        let nodes = tree::list(&self.shadow.git, &self.commit()?)?;
        for (number, link) in submodules::links(&self.shadow, &nodes)?.iter().enumerate() {
            let name = shown(&link.path);
            let folder = self.place.work_tree.as_ref().map(|top| top.join(OsStr::from_bytes(&link.path)));
            // What is left of them without the repository that they belong to is none.
            let here = self.part.founding.is_none()
                && folder.as_ref().is_some_and(|folder| folder.join(".git").symlink_metadata().is_ok());
            let place = if here { submodules::locate(&self.place, link)? } else { None };
            let Some(place) = place.filter(|place| place.work_tree.is_some()) else {
                notes.push(format!(
                    "{name} is a submodule that is not laid out here: run git submodule update --init {name}"
                ));
                continue;
            };
            let stored = match archive {
                Some(archive) => submodules::locate(archive, link)?,
                None => None,
            };
            let scratch = scratch.path().join(format!("module-{number}"));
            let looked = look_at(
                place,
                (&CodeRevision::Tags(String::new()), None),
                link.commit,
                stored.as_ref(),
                scratch,
            )?;
            match looked.check() {
                Ok(()) if looked.refs.head != Head::Detached(link.commit) => found.push(looked),
                Ok(()) => {}
                Err(RestoreError::NoCommit { commit, .. }) => notes.push(format!(
                    "{name} is a submodule whose commit {commit} is neither here nor in the archive: run git submodule update {name}"
                )),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// What a repository can be in the middle of, and the file that tells.
const UNDER_WAY: [(&str, &str, &str); 7] = [
    ("MERGE_HEAD", "a merge", "merge --abort, or commit"),
    ("rebase-merge", "a rebase", "rebase --abort, or --continue"),
    ("rebase-apply", "a rebase or the applying of mails", "rebase --abort, or am --abort"),
    ("CHERRY_PICK_HEAD", "a cherry-pick", "cherry-pick --abort, or --continue"),
    ("REVERT_HEAD", "a revert", "revert --abort, or --continue"),
    ("BISECT_LOG", "a bisection", "bisect reset"),
    ("sequencer", "a cherry-pick or revert of several commits", "cherry-pick --quit, or revert --quit"),
];

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// Refuses an index that another git command holds.
pub(super) fn check_lock(repo: &Repo) -> Result<(), RestoreError> {
    let path = repo.git_dir.join("index.lock");
    let Ok(facts) = fs::symlink_metadata(&path) else { return Ok(()) };
    let since = facts.modified().ok().and_then(|time| jiff::Timestamp::try_from(time).ok());
    let since = since.map(|time| format!(" since {time:.0}")).unwrap_or_default();
    Err(RestoreError::IndexLocked { path, since })
}

/// Decides.
pub(super) fn stage(order: &Order, cache: &Path) -> Result<Staged, RestoreError> {
    let scratch = Scratch::make(cache)?;
    let own = look(order, &scratch)?;
    own.check()?;
    let protect = protected(order, &own.place);
    let (remove_untracked, spare) = (order.remove_untracked, spared(order));
    let wishes = Wishes { protect: &protect, remove_untracked, spare: &spare };
    let mut notes = own.notes();
    if let Some((desk, view)) = own.view(&wishes)? {
        own.check_modes(&desk, &view)?;
        notes.extend(view.held_back(&desk));
        let differing = if own.part.founding.is_some() { view.differing(&desk)?.len() } else { 0 };
        if differing > 0 {
            notes.push(format!(
                "{differing} files that lay in the places of the commit's are kept in the repository: git show \
                 {BEFORE}{}:PATH",
                order.id
            ));
        }
    }
    let archive = order.objects.as_deref().map(crate::git::find).transpose()?;
    let modules = own.submodules(&scratch, archive.as_ref(), &mut notes)?;
    if let CodeRevision::Tags(pattern) = &order.revision {
        notes.push(later_tag(pattern));
    }
    let parts = std::iter::once(&own).chain(&modules).map(Looked::decided).collect();
    Ok(Staged { id: order.id, protect, remove_untracked, spare, parts, notes })
}

/// The folders of which nothing goes: as they are called below real folders, and where they really are.
pub(super) fn spared(order: &Order) -> Vec<PathBuf> {
    let names = |folder: &PathBuf| {
        let called =
            folder.parent().and_then(|above| Some(above.canonicalize().ok()?.join(folder.file_name()?)));
        [Some(folder.clone()), called, folder.canonicalize().ok()]
    };
    let mut all: Vec<_> = order.spare.iter().flat_map(names).flatten().collect();
    all.sort();
    all.dedup();
    all
}

/// All that stays, as patterns.
pub(super) fn protected(order: &Order, place: &Place) -> Vec<String> {
    let top = place.work_tree.as_deref();
    let files = order.protect_files.iter().filter_map(|file| pattern_of(top?, file));
    order.protect.iter().cloned().chain(files).collect()
}

/// What to know of environments that deploy tags.
pub(super) fn later_tag(pattern: &str) -> String {
    format!(
        "no tag is moved: HEAD is detached at the archived commit, and the next backup again takes the newest tag that matches {pattern}, until a newer one is made here"
    )
}

/// Whether the commit, or that of a submodule which is laid out here, is missing.
pub(super) fn needs_objects(order: &Order) -> Result<bool, RestoreError> {
    let commit = ObjectId::parse(order.commit.as_bytes())
        .ok_or_else(|| RestoreError::NotACommit(order.commit.clone()))?;
    let Site::There(place) = site(order, &commit)? else { return Ok(true) };
    let git = Git::new(&place.git_dir, &place.called());
    if !has_whole(&git, &commit)? {
        return Ok(true);
    }
    let Some(top) = &place.work_tree else { return Ok(false) };
    for node in tree::list(&git, &commit)?.iter().filter(|node| node.kind == tree::NodeKind::Link) {
        let folder = top.join(path_of(&node.path));
        if folder.join(".git").symlink_metadata().is_err() {
            continue;
        }
        let Ok(Some(module)) = locate::at(&folder, Some(place.owner)) else { continue };
        if !has_commit(&Git::new(&module.git_dir, &module.called()), &node.id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the repository has a commit with all of its files.
pub(super) fn has_whole(git: &Git, commit: &ObjectId) -> Result<bool, GitError> {
    if !has_commit(git, commit)? {
        return Ok(false);
    }
    let mut command = git.command();
    command.args(["rev-list", "--objects", "--no-walk", "--missing=print", "--no-object-names"]);
    command.args([&commit.to_string(), "--"]);
    let output = run(command, None)?;
    Ok(output.status.success() && !output.stdout.split(|b| *b == b'\n').any(|line| line.starts_with(b"?")))
}
