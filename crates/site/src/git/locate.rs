//! Where a repository is: its git folder, the folder it shares with other work trees, its work tree.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::config::Config;
use super::error::GitError;

/// A repository on this machine.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Where HEAD and the index are.
    pub git_dir: PathBuf,
    /// Where references, objects and the configuration are; the same unless the work tree is a linked one.
    pub common_dir: PathBuf,
    /// The top of the work tree; `None` for a bare repository.
    pub work_tree: Option<PathBuf>,
}

impl Place {
    /// What errors and remarks call it.
    pub fn called(&self) -> String {
        self.work_tree.as_ref().unwrap_or(&self.git_dir).display().to_string()
    }
}

/// Looks for the repository that a folder is in: the folder itself, or the nearest one above it.
pub(super) fn find(folder: &Path) -> Result<Option<Place>, GitError> {
    let folder = fs::canonicalize(folder).map_err(GitError::io("read", folder))?;
    for above in folder.ancestors() {
        if let Some(place) = at(above)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// The repository whose top is this folder, or which is this folder.
pub(super) fn at(folder: &Path) -> Result<Option<Place>, GitError> {
    if let Some(git_dir) = dot_git(folder)? {
        return with_common(git_dir, Some(folder.to_owned())).map(Some);
    }
    if !is_git_dir(folder) {
        return Ok(None);
    }
    let inside = folder.file_name() == Some(OsStr::new(".git"));
    let work_tree = folder.parent().filter(|_| inside).map(Path::to_owned);
    with_common(folder.to_owned(), work_tree).map(Some)
}

/// The git folder of a work tree with this top: `.git`, or what the file `.git` names.
fn dot_git(top: &Path) -> Result<Option<PathBuf>, GitError> {
    let path = top.join(".git");
    let Ok(facts) = fs::metadata(&path) else { return Ok(None) };
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

fn with_common(git_dir: PathBuf, work_tree: Option<PathBuf>) -> Result<Place, GitError> {
    let file = git_dir.join("commondir");
    if !file.is_file() {
        let bare = work_tree.is_some() && Config::read(&git_dir)?.flag("core.bare");
        let work_tree = work_tree.filter(|_| !bare);
        return Ok(Place { common_dir: git_dir.clone(), git_dir, work_tree });
    }
    let text = fs::read(&file).map_err(GitError::io("read", &file))?;
    let common = git_dir.join(OsStr::from_bytes(text.trim_ascii_end()));
    let common_dir = fs::canonicalize(&common).map_err(GitError::io("read", common))?;
    Ok(Place { git_dir, common_dir, work_tree })
}
