//! A repository made where the environment's is gone: an empty one, into which the archived commit then comes as into
//! any other.
//!
//! It is made beside its place with the restore's private folder in it, and moved there: as long as HEAD names a branch
//! that has no commit and no switch has begun, what is there is ours, and goes again with the restore.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use undercroft_model::CodeRevision;
use uuid::Uuid;

use super::desk::{Desk, Repo, sync};
use super::travel::Begun;
use super::{Order, RestoreError, Staged};
use crate::files::leave::STAGE_PREFIX;
use crate::git::GitError;
use crate::git::between::has_commit;
use crate::git::command::{Git, bare_command};
use crate::git::config::Config;
use crate::git::locate::{self, Place};
use crate::git::oid::ObjectId;
use crate::git::refs::{Head, Refs};
use crate::git::url::Address;

/// A repository that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Founding {
    /// The top of its work tree.
    pub top: PathBuf,
    /// The folders that are made for it, the outermost first: the top is the last of them, if it isn't there.
    folders: Vec<PathBuf>,
    /// The branch that HEAD names: `main`.
    branch: String,
    /// The archive's configuration: which remotes there are, and which branches follow them.
    config: Option<String>,
}

/// Where the environment's repository is.
pub(super) enum Site {
    There(Place),
    /// Nowhere: the folder that would be its work tree.
    Gone(PathBuf),
}

/// Finds the repository of an environment, or where it was. URLs are none of it.
pub(super) fn locate(path: &Path, commit: Option<&ObjectId>) -> Result<Site, RestoreError> {
    let called = std::path::absolute(path).map_err(GitError::io("read", path))?;
    let called = match called.file_name() {
        Some(name) if name == ".git" => called.parent().map(Path::to_owned).unwrap_or(called),
        _ => called,
    };
    let top = real(&called)?;
    let Some(nearest) = top.ancestors().find(|above| above.exists()) else { return gone(top) };
    match locate::find(nearest)? {
        Some(place) if is_of(&place, &top, commit)? => Ok(Site::There(place)),
        _ => gone(top),
    }
}

/// Whether a repository is that of a folder, and not another one which happens to be around it.
fn is_of(place: &Place, folder: &Path, commit: Option<&ObjectId>) -> Result<bool, RestoreError> {
    let Some(below) = place.work_tree.as_ref().and_then(|top| folder.strip_prefix(top).ok()) else {
        return Ok(true);
    };
    if below.as_os_str().is_empty() || below.starts_with(".git") {
        return Ok(true);
    }
    let git = Git::new(&place.git_dir, &place.called());
    if commit.is_some_and(|commit| has_commit(&git, commit).unwrap_or(false)) {
        return Ok(true);
    }
    let refs = Refs::read(&git)?;
    let head = match &refs.head {
        Head::Branch(name) => refs.object(name),
        Head::Detached(id) => Some(*id),
    };
    let Some(head) = head else { return Ok(false) };
    let wanted = [head.to_string().as_bytes(), b":", below.as_os_str().as_bytes(), b"\n"].concat();
    let found = git.ask_with("look up the folder", &["cat-file", "--batch-check"], &wanted)?;
    Ok(found.split(|b| *b == b' ').nth(1) == Some(b"tree"))
}

fn gone(top: PathBuf) -> Result<Site, RestoreError> {
    if top.exists() && !top.is_dir() {
        return Err(GitError::NotARepository(top).into());
    }
    if top.extension().is_some_and(|extension| extension == "git") {
        return Err(RestoreError::BareGone(top));
    }
    let git_dir = top.join(".git");
    if git_dir.symlink_metadata().is_ok() {
        return Err(RestoreError::Broken(git_dir));
    }
    Ok(Site::Gone(top))
}

/// A path with all links followed, also where there is nothing.
fn real(path: &Path) -> Result<PathBuf, RestoreError> {
    match fs::canonicalize(path) {
        Ok(path) => return Ok(path),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(GitError::io("read", path)(error).into()),
    }
    match (fs::read_link(path), path.parent(), path.file_name()) {
        // One that leads round and round is no path that was not found.
        (Ok(target), Some(parent), _) => real(&parent.join(target)),
        (_, Some(parent), Some(name)) => Ok(real(parent)?.join(name)),
        _ => Ok(path.to_owned()),
    }
}

/// Whether a repository on this machine is gone.
pub(super) fn is_gone(repository: &str) -> Result<bool, RestoreError> {
    let Address::Path(path) = Address::parse(repository)? else { return Ok(false) };
    Ok(matches!(locate(Path::new(&path), None)?, Site::Gone(_)))
}

/// Whether there is a repository in which something was committed.
pub(super) fn has_code(repository: &str, revision: &CodeRevision) -> bool {
    let look = || -> Result<bool, RestoreError> {
        let Address::Path(path) = Address::parse(repository)? else { return Ok(true) };
        if is_gone(repository)? {
            return Ok(false);
        }
        let place = crate::git::find(Path::new(&path))?;
        let refs = Refs::read(&Git::new(&place.git_dir, &place.called()))?;
        let unborn = matches!(&refs.head, Head::Branch(name) if refs.object(name).is_none());
        Ok(*revision != CodeRevision::Head || !unborn)
    };
    look().unwrap_or(true)
}

impl Founding {
    /// Decides how it is made.
    pub fn new(order: &Order, top: PathBuf, archive: Option<&Place>) -> Self {
        let mut folders: Vec<_> =
            top.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        folders.reverse();
        let branch = match &order.revision {
            CodeRevision::Branch(branch) => Some(branch.clone()),
            CodeRevision::Head => order.branch.clone(),
            CodeRevision::Tags(_) => None,
        };
        Founding {
            top,
            folders,
            branch: branch.unwrap_or_else(|| "main".to_owned()),
            config: archive.and_then(|archive| configuration(&archive.common_dir)),
        }
    }

    /// Its references: none yet.
    pub fn refs(&self) -> Refs {
        let head = Head::Branch(format!("refs/heads/{}", self.branch).into_bytes());
        Refs { head, list: Vec::new(), broken: Vec::new() }
    }

    /// Where it will be, and whose it is: that of whoever has its folder, or the one around it.
    pub fn repo(&self, sha256: bool) -> Result<Repo, RestoreError> {
        let above = self.nearest();
        let facts = fs::metadata(above).map_err(GitError::io("read", above))?;
        let us = rustix::process::geteuid();
        let is_made = !self.folders.is_empty() && !us.is_root();
        let (owner, group) = match is_made {
            true => (us.as_raw(), rustix::process::getegid().as_raw()),
            false => (facts.uid(), facts.gid()),
        };
        let git_dir = self.top.join(".git");
        Ok(Repo {
            called: self.top.display().to_string(),
            common_dir: git_dir.clone(),
            git_dir,
            work_tree: Some(self.top.clone()),
            owner,
            group,
            // What is around it may be open to more than a site should be.
            umask: if self.folders.is_empty() {
                !facts.mode() & 0o077
            } else {
                0o022 | (!facts.mode() & 0o055)
            },
            sha256,
        })
    }

    /// The folder that is there.
    pub fn nearest(&self) -> &Path {
        self.folders.first().and_then(|folder| folder.parent()).unwrap_or(&self.top)
    }

    /// What a person should know.
    pub fn notes(&self, repo: &Repo) -> Vec<String> {
        let what = if self.folders.is_empty() { "is in no repository" } else { "is not there" };
        let top = self.top.display();
        let mut notes =
            vec![format!("{top} {what}: a repository is made there, with the branch {}", self.branch)];
        if !self.folders.is_empty() && rustix::process::geteuid().is_root() {
            notes.push(format!(
                "{top} will belong to the user with the number {}, as the folder around it does: change that (chown -R) if \
                 the site runs as another",
                repo.owner
            ));
        }
        notes
    }

    fn beside(&self, id: Uuid) -> PathBuf {
        self.top.join(format!("{STAGE_PREFIX}{id}-repository"))
    }

    /// Makes it. May be called again.
    pub fn make(&self, repo: &Repo, id: Uuid) -> Result<(), RestoreError> {
        if repo.private(id).exists() {
            return Ok(());
        }
        if repo.git_dir.symlink_metadata().is_ok() {
            let what = format!("{} appeared", repo.git_dir.display());
            return Err(RestoreError::Moved { repository: repo.called.clone(), what });
        }
        for folder in &self.folders {
            make_folder(folder, repo)?;
        }
        // One that was begun by somebody who was killed.
        remove_all(&self.beside(id))?;
        let script = r#"
            git init --quiet --template= --object-format="$2" --initial-branch="$3" "$1" &&
                mkdir -p "$1/.git/undercroft/$4" || exit 1
            text=$(cat; printf x) && text=${text%x} || exit 1
            if [ -n "$text" ]; then printf '%s' "$text" > "$1/.git/config" || exit 1; fi
            mv "$1/.git" "$5/" && rmdir "$1"
        "#;
        let mut inner = Command::new("sh");
        let bare = bare_command();
        inner.envs(bare.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inner.args(["-c", script, "sh"]).arg(self.beside(id));
        inner.arg(if repo.sha256 { "sha256" } else { "sha1" }).arg(&self.branch);
        inner.arg(id.to_string()).arg(&self.top).current_dir(&self.top);
        let mut command = repo.as_owner(&inner);
        command.stdin(Stdio::piped());
        let config = self.config.as_deref().unwrap_or_default();
        repo.succeed("make a repository", command, Some(config.as_bytes()))?;
        sync(&self.top)
    }

    /// Removes what was made, unless a switch has begun or somebody has worked in it since; tells whether nothing is
    /// left of the repository.
    pub fn remove(&self, repo: &Repo, staged: &Staged) -> Result<bool, RestoreError> {
        let beside = self.beside(staged.id);
        remove_all(&beside)?;
        if let Some(desk) = Desk::existing_if_any(repo, staged.id)? {
            let refs = Refs::read(&desk.git_for_objects())?;
            let unborn = matches!(&refs.head, Head::Branch(name) if refs.object(name).is_none());
            if Begun::read(desk.folder())?.is_some() || !unborn {
                return Ok(false);
            }
            fs::rename(&repo.git_dir, &beside).map_err(GitError::io("remove", &repo.git_dir))?;
            remove_all(&beside)?;
        } else if repo.git_dir.exists() {
            return Ok(false);
        }
        for folder in self.folders.iter().rev() {
            // One that is not empty is in use by now.
            let _ = fs::remove_dir(folder);
        }
        Ok(true)
    }
}

/// Makes a folder, if it isn't there. What files of the same restore made on their way is the repository's owner's.
fn make_folder(folder: &Path, repo: &Repo) -> Result<(), RestoreError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(GitError::io("make", folder)(error).into());
        }
        _ => {}
    }
    let fail = |error| RestoreError::from(GitError::io("make", folder)(error));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(folder, Some(repo.owner), Some(repo.group)).map_err(fail)?;
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777 & !repo.umask)).map_err(fail)?;
    folder.parent().map_or(Ok(()), sync)
}

fn remove_all(folder: &Path) -> Result<(), RestoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(GitError::io("remove", folder)(error).into())
        }
        _ => Ok(()),
    }
}

/// The archive's, if it says nothing that is true of the archive alone.
fn configuration(archive: &Path) -> Option<String> {
    let config = Config::read(archive).ok()?;
    let own = config.get("core.worktree").is_some() || config.promisor().is_some();
    if own { None } else { fs::read_to_string(archive.join("config")).ok() }
}
