//! A look at a folder: is it in a repository, and what is checked out there?

use std::path::{Path, PathBuf};

use super::command::Git;
use super::config::Config;
use super::error::GitError;
use super::refs::{Head, Refs};
use super::{locate, revision, shown, url};

/// What a look at a folder finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The top of the work tree, or the bare repository.
    pub top: PathBuf,
    /// Whether the repository is bare.
    pub bare: bool,
    /// The branch that HEAD names; `None` if HEAD is detached.
    pub branch: Option<String>,
    /// The commit that is checked out; `None` if nothing was committed yet.
    pub commit: Option<String>,
    /// Names and URLs of the remotes, without credentials.
    pub remotes: Vec<(String, String)>,
    /// The tags, the newest first.
    pub tags: Vec<String>,
    /// Whether the commit has files in the folder that was looked at. A folder can lie in a repository that knows
    /// nothing of it.
    pub tracked: bool,
}

/// Looks whether a folder is in a git repository. Nothing is written, and no configuration of the repository's is
/// obeyed.
///
/// # Errors
/// [`GitError`] if the folder can't be read, or git can't be run or does not understand the repository.
pub fn look(folder: &Path) -> Result<Option<Found>, GitError> {
    let Some(place) = locate::find(folder)? else { return Ok(None) };
    place.check_files()?;
    let git = Git::new(&place.git_dir, &place.called());
    let refs = Refs::read(&git)?;
    let (branch, commit) = match &refs.head {
        Head::Branch(name) => {
            (Some(shown(name.strip_prefix(b"refs/heads/").unwrap_or(name))), refs.object(name))
        }
        Head::Detached(id) => (None, Some(*id)),
    };
    let config = Config::read(&place.common_dir)?;
    let remotes = config.remotes().into_iter().filter_map(|remote| {
        let url = remote.urls.first()?;
        Some((shown(&remote.name), shown(&url::without_credentials(url))))
    });
    // Where the objects of tags are missing, their names are there all the same.
    let tags = revision::tags(&git, "*").map_or_else(
        |_| refs.under(b"refs/tags/").map(shown).collect(),
        |tags| tags.iter().map(|tag| shown(tag)).collect(),
    );
    let tracked = match (commit, &place.work_tree) {
        (Some(commit), Some(top)) => is_tracked(&git, &commit.to_string(), folder, top)?,
        (commit, _) => commit.is_some(),
    };
    Ok(Some(Found {
        bare: place.work_tree.is_none(),
        top: place.work_tree.unwrap_or(place.git_dir),
        branch,
        commit: commit.map(|id| id.to_string()),
        remotes: remotes.collect(),
        tags,
        tracked,
    }))
}

fn is_tracked(git: &Git, commit: &str, folder: &Path, top: &Path) -> Result<bool, GitError> {
    use std::os::unix::ffi::OsStrExt;

    let folder = std::fs::canonicalize(folder).map_err(GitError::io("read", folder))?;
    let Ok(below) = folder.strip_prefix(top) else { return Ok(true) };
    if below.starts_with(".git") {
        return Ok(true);
    }
    let wanted = [commit.as_bytes(), b":", below.as_os_str().as_bytes(), b"\n"].concat();
    let found = git.ask_with("look up the folder", &["cat-file", "--batch-check"], &wanted)?;
    Ok(found.split(|b| *b == b' ').nth(1) == Some(b"tree"))
}
