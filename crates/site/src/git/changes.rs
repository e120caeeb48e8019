//! What a work tree has that is in no commit, and which commits no remote has.

use std::fs::{self, File};
use std::path::Path;

use super::blobs::Blobs;
use super::command::{complaint, run};
use super::config::Config;
use super::error::GitError;
use super::lfs;
use super::locate::Place;
use super::refs::Refs;
use super::shadow::Shadow;

/// Changes of a work tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Files that were changed, added, deleted, or are in conflict.
    pub changed: u64,
    /// Files, and folders that hold nothing else, that git does not know and was not told to ignore.
    pub untracked: u64,
}

/// What of the repository's configuration decides whether a file counts as changed. None of it names a program.
pub(super) const RESPECTED: [&str; 9] = [
    "core.filemode",
    "core.autocrlf",
    "core.eol",
    "core.ignorecase",
    "core.symlinks",
    "core.precomposeunicode",
    "core.trustctime",
    "core.checkstat",
    "core.excludesfile",
];

/// Counts a work tree's changes against the HEAD of the shadow; an error's text if that can't be done.
///
/// A copy of the index is looked at, in the shadow: neither is the repository's written, nor does a filter or a
/// monitor run that its configuration names.
pub(super) fn count(
    shadow: &Shadow,
    place: &Place,
    config: &Config,
    blobs: &Blobs,
) -> Result<Option<Changes>, String> {
    let Some(work_tree) = &place.work_tree else { return Ok(None) };
    if !copy_index(&place.git_dir, shadow).map_err(|error| error.to_string())? {
        return Ok(None);
    }
    for name in ["info/exclude", "info/attributes"] {
        if let Ok(text) = fs::read(place.common_dir.join(name)) {
            shadow.write(name, &text).map_err(|error| error.to_string())?;
        }
    }
    let mut command = shadow.git.command();
    command.env("GIT_WORK_TREE", work_tree).env("GIT_INDEX_FILE", shadow.path("source-index"));
    command.current_dir(work_tree);
    for key in RESPECTED {
        if let Some(value) = config.get(key) {
            command.args(["-c", &format!("{key}={}", String::from_utf8_lossy(value))]);
        }
    }
    command.args(["-c", "core.safecrlf=false", "status", "--porcelain=v2", "-z", "--no-renames"]);
    command.args(["--untracked-files=normal", "--ignore-submodules=dirty"]);
    let output = run(command, None).map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(complaint(&output));
    }
    let mut changes = Changes::default();
    for line in output.stdout.split(|b| *b == 0) {
        match line.first() {
            Some(b'?') => changes.untracked += 1,
            Some(b'1') if lfs::is_unchanged(line, work_tree, blobs) => {}
            Some(b'1' | b'2' | b'u') => changes.changed += 1,
            _ => {}
        }
    }
    let _ = fs::remove_file(shadow.path("info/attributes"));
    Ok(Some(changes))
}

/// Copies the index with its time, by which git tells files that changed right after it was written.
fn copy_index(git_dir: &Path, shadow: &Shadow) -> Result<bool, GitError> {
    let from = git_dir.join("index");
    let to = shadow.path("source-index");
    if !from.is_file() {
        return Ok(false);
    }
    for entry in fs::read_dir(git_dir).map_err(GitError::io("read", git_dir))?.flatten() {
        // An index may lean on a shared one.
        if entry.file_name().as_encoded_bytes().starts_with(b"sharedindex.") {
            let path = shadow.path(&entry.file_name().to_string_lossy());
            fs::copy(entry.path(), &path).map_err(GitError::io("write", path))?;
        }
    }
    let time = fs::metadata(&from).and_then(|facts| facts.modified()).map_err(GitError::io("read", &from))?;
    fs::copy(&from, &to).map_err(GitError::io("read", &from))?;
    let file = File::options().write(true).open(&to).map_err(GitError::io("write", &to))?;
    file.set_modified(time).map_err(GitError::io("write", &to))?;
    Ok(true)
}

/// Counts the commits of the shadow's HEAD that no remote is known to have. `None` if no remote is known to have
/// any.
pub(super) fn unpushed(shadow: &Shadow, refs: &Refs) -> Result<Option<u64>, GitError> {
    if refs.under(b"refs/remotes/").next().is_none() {
        return Ok(None);
    }
    let answer = shadow.git.ask("count commits", &["rev-list", "--count", "HEAD", "--not", "--remotes"])?;
    Ok(std::str::from_utf8(&answer).ok().and_then(|text| text.trim().parse().ok()))
}

/// Says in words what is in no commit.
pub(super) fn in_words(changes: Changes) -> Option<String> {
    let files = |n: u64| if n == 1 { "1 file".to_owned() } else { format!("{n} files") };
    let what = match (changes.changed, changes.untracked) {
        (0, 0) => return None,
        (changed, 0) => format!("{} changed", files(changed)),
        (0, untracked) => format!("{untracked} untracked"),
        (changed, untracked) => format!("{} changed and {untracked} untracked", files(changed)),
    };
    let verb = if changes.changed + changes.untracked == 1 { "is" } else { "are" };
    Some(format!("{what} {verb} in no commit, and so not in the backup"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_said_in_words() {
        let say = |changed, untracked| in_words(Changes { changed, untracked });
        assert_eq!(say(0, 0), None);
        assert_eq!(say(1, 0).unwrap(), "1 file changed is in no commit, and so not in the backup");
        let text = "3 files changed and 2 untracked are in no commit, and so not in the backup";
        assert_eq!(say(3, 2).unwrap(), text);
    }
}
