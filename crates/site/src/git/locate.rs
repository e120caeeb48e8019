//! Where a repository is: its git folder, the folder it shares with other work trees, its work tree.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::config::Config;
use super::error::GitError;
use super::trust;

/// A repository on this machine.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Where HEAD and the index are.
    pub git_dir: PathBuf,
    /// Where references, objects and the configuration are; the same unless the work tree is a linked one.
    pub common_dir: PathBuf,
    /// The top of the work tree; `None` for a bare repository.
    pub work_tree: Option<PathBuf>,
    /// On whose behalf it is read.
    pub owner: u32,
}

impl Place {
    /// Checks that the files which are read as a whole lead nowhere that its owner may not look.
    pub fn check_files(&self) -> Result<(), GitError> {
        for name in [
            "config",
            "packed-refs",
            "shallow",
            "logs/refs/stash",
            "objects",
            "refs",
            "lfs",
            "info/exclude",
            "info/attributes",
        ] {
            trust::check(self.owner, &self.common_dir, &self.common_dir.join(name))?;
        }
        for name in ["HEAD", "index"] {
            trust::check(self.owner, &self.git_dir, &self.git_dir.join(name))?;
        }
        Ok(())
    }

    /// What errors and remarks call it.
    pub fn called(&self) -> String {
        self.work_tree.as_ref().unwrap_or(&self.git_dir).display().to_string()
    }
}

/// Looks for the repository that a folder is in: the folder itself, or the nearest one above it.
pub(super) fn find(folder: &Path) -> Result<Option<Place>, GitError> {
    let folder = fs::canonicalize(folder).map_err(GitError::io("read", folder))?;
    for above in folder.ancestors() {
        if let Some(place) = at(above, None)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// The repository whose top is this folder, or which is this folder. It is read on behalf of `user`; of the
/// folder's owner if none is given.
pub(super) fn at(folder: &Path, user: Option<u32>) -> Result<Option<Place>, GitError> {
    if let Some(git_dir) = dot_git(folder)? {
        return with_common(git_dir, Some(folder.to_owned()), user).map(Some);
    }
    if !is_git_dir(folder) {
        return Ok(None);
    }
    let inside = folder.file_name() == Some(OsStr::new(".git"));
    let work_tree = folder.parent().filter(|_| inside).map(Path::to_owned);
    with_common(folder.to_owned(), work_tree, user).map(Some)
}

/// The git folder of a work tree with this top: `.git`, or what the file `.git` names.
fn dot_git(top: &Path) -> Result<Option<PathBuf>, GitError> {
    let path = top.join(".git");
    let facts = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(GitError::io("read", path)(error));
        }
        Err(_) => return Ok(None),
        Ok(facts) => facts,
    };
    if facts.is_dir() {
        return Ok(is_git_dir(&path).then_some(path));
    }
    if !facts.is_file() || facts.len() > 16_384 {
        return Ok(None);
    }
    let text = fs::read(&path).map_err(GitError::io("read", &path))?;
    let Some(named) = text.strip_prefix(b"gitdir: ") else { return Ok(None) };
    let git_dir = top.join(OsStr::from_bytes(named.trim_ascii_end()));
    if !is_git_dir(&git_dir) {
        return Err(GitError::NotARepository(git_dir));
    }
    fs::canonicalize(&git_dir).map_err(GitError::io("read", git_dir)).map(Some)
}

fn is_git_dir(folder: &Path) -> bool {
    let whole = folder.join("objects").is_dir() && folder.join("refs").is_dir();
    folder.join("HEAD").symlink_metadata().is_ok() && (whole || folder.join("commondir").is_file())
}

fn with_common(git_dir: PathBuf, work_tree: Option<PathBuf>, user: Option<u32>) -> Result<Place, GitError> {
    let top = work_tree.as_ref().unwrap_or(&git_dir);
    let owner = user.map_or_else(|| trust::owner(top), Ok)?;
    trust::check(owner, top, &git_dir)?;
    let file = git_dir.join("commondir");
    if !file.is_file() {
        let bare = work_tree.is_some() && Config::read(&git_dir)?.flag("core.bare");
        let work_tree = work_tree.filter(|_| !bare);
        return Ok(Place { common_dir: git_dir.clone(), git_dir, work_tree, owner });
    }
    trust::check(owner, &git_dir, &file)?;
    let text = fs::read(&file).map_err(GitError::io("read", &file))?;
    let common = git_dir.join(OsStr::from_bytes(text.trim_ascii_end()));
    let common_dir = fs::canonicalize(&common).map_err(GitError::io("read", common))?;
    trust::check(owner, &git_dir, &common_dir)?;
    Ok(Place { git_dir, common_dir, work_tree, owner })
}
