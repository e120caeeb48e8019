//! Whether what a repository leads to may be shown to its owner.
//!
//! Links, `.git` files and borrowed object stores can lead anywhere. If we run as root, a user could have us put
//! another's repository in a backup and download it from there. So what lies elsewhere must belong to the same
//! user, or be open to all.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::GitError;

/// Who owns a file or folder.
pub(super) fn owner(path: &Path) -> Result<u32, GitError> {
    fs::metadata(path).map(|facts| facts.uid()).map_err(GitError::io("read", path))
}

/// Checks that `to`, which something in the folder `within` leads to, may be read on behalf of a user.
pub(super) fn check(user: u32, within: &Path, to: &Path) -> Result<(), GitError> {
    let allowed = match rustix::process::geteuid().is_root() && user != 0 {
        true => is_allowed(user, within, to).map_err(GitError::io("read", to))?,
        // The system itself sees to it.
        false => true,
    };
    if allowed { Ok(()) } else { Err(GitError::Forbidden { from: within.to_owned(), to: to.to_owned() }) }
}

fn is_allowed(user: u32, within: &Path, to: &Path) -> io::Result<bool> {
    let real = match fs::canonicalize(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other?,
    };
    if real.starts_with(fs::canonicalize(within)?) {
        return Ok(true);
    }
    let facts = fs::metadata(&real)?;
    if facts.uid() == user {
        return Ok(true);
    }
    let above = real.ancestors().skip(1);
    let reachable = above.map(fs::metadata).map(|facts| facts.map(|facts| facts.mode() & 0o001 != 0));
    let reachable = reachable.collect::<io::Result<Vec<_>>>()?.into_iter().all(|open| open);
    let readable = if facts.is_dir() { 0o005 } else { 0o004 };
    Ok(reachable && facts.mode() & readable == readable)
}
