//! The state of a repository, kept as a commit, so that it can be had back exactly.
//!
//! The commit's tree is the work tree: tracked files as they are, and the untracked ones that the restore removes or
//! writes over. Its parents are the commit that the branch was at, and one whose tree is the index. Its message says
//! what HEAD and the branch were, and the permissions of what the restore changes, where git would give others.

use super::desk::{Desk, path_of};
use super::modes::{self, Mode};
use super::view::{self, View, Wishes};
use super::{Part, RestoreError};
use crate::git::GitError;
use crate::git::oid::ObjectId;

/// Below this is what was before restores.
pub(super) const BEFORE: &str = "refs/undercroft/before/";
/// Below this is what restores were undone from.
pub(super) const UNDONE: &str = "refs/undercroft/undone/";

/// A state that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// The commit that keeps it.
    pub commit: String,
    /// What HEAD was: `ref: refs/heads/main` or a commit.
    pub head: String,
    /// The branch that moved; `None` if HEAD itself did.
    pub branch: Option<String>,
    /// Where that was.
    pub tip: Option<String>,
    /// The commit that keeps the index; `None` if no work tree followed.
    pub index: Option<String>,
    /// Permissions that git does not keep, of what the restore changed.
    pub modes: Vec<Mode>,
}

/// Keeps the state of a repository under a reference, and gives what was seen of its work tree, whose index then
/// holds all that the commit does.
pub(super) fn save(
    desk: &Desk<'_>,
    part: &Part,
    target: &str,
    wishes: &Wishes<'_>,
    reference: &str,
) -> Result<Option<View>, RestoreError> {
    let mut parents = part.tip.iter().flat_map(|tip| ["-p".to_owned(), tip.clone()]).collect::<Vec<_>>();
    let none = desk.new_index();
    let (view, tree, index) = if part.follows {
        let view = View::of(desk, &desk.repo.git_dir.join("index"), target, wishes)?;
        let tree = write_tree(desk, &view.index)?;
        let index = commit(desk, &tree, &parents, &index_message(&view))?;
        add(desk, &view)?;
        let tree = write_tree(desk, &view.index)?;
        parents.extend(["-p".to_owned(), index.clone()]);
        (Some(view), tree, Some(index))
    } else {
        let tree = match &part.tip {
            Some(tip) => {
                one_line(&desk.ask("read a commit", &none, &["rev-parse", &format!("{tip}^{{tree}}")])?)
            }
            None => write_tree(desk, &none)?,
        };
        (None, tree, None)
    };
    let line =
        |name: &str, value: Option<&str>| value.map(|value| format!("{name}: {value}\n")).unwrap_or_default();
    let message = [
        "What was before an Undercroft restore\n\n".to_owned(),
        line("Head", Some(&part.head)),
        line("Branch", part.branch.as_deref()),
        line("Tip", part.tip.as_deref()),
        line("Index", index.as_deref()),
        view.as_ref().map(|view| modes::lines(&modes::of(desk, view))).unwrap_or_default(),
    ]
    .concat();
    let kept = commit(desk, &tree, &parents, &message)?;
    set(desk, reference, &kept)?;
    Ok(view)
}

/// The first line of the commit that keeps the index; after it, a line a mark.
const INDEX: &str = "The index before an Undercroft restore";

fn index_message(view: &View) -> String {
    let mark = |(option, path): &(&str, Vec<u8>)| format!("{option} {}\n", path.escape_ascii());
    format!("{INDEX}\n\n{}", view.unlooked.iter().map(mark).collect::<String>())
}

/// Sets the marks that the kept index had on its files.
pub(super) fn set_marks(
    desk: &Desk<'_>,
    index: &std::path::Path,
    index_commit: &str,
) -> Result<(), RestoreError> {
    let text = desk.git_for_objects().ask("read what was kept", &["cat-file", "commit", index_commit])?;
    let text = String::from_utf8_lossy(&text).into_owned();
    if !text.lines().any(|line| line.starts_with("--")) {
        return Ok(());
    }
    let listed = desk.ask("list the tracked files", index, &["ls-files", "-z"])?;
    for option in ["--assume-unchanged", "--skip-worktree"] {
        let named: std::collections::BTreeSet<_> =
            text.lines().filter_map(|line| line.strip_prefix(option)?.strip_prefix(' ')).collect();
        let paths: Vec<_> = listed
            .split(|b| *b == 0)
            .filter(|path| !path.is_empty() && named.contains(path.escape_ascii().to_string().as_str()))
            .map(<[u8]>::to_vec)
            .collect();
        view::mark(desk, index, option, &paths)?;
    }
    Ok(())
}

/// Adds to the view's index what is no longer, or not yet, in it.
fn add(desk: &Desk<'_>, view: &View) -> Result<(), RestoreError> {
    let (gone, there): (Vec<_>, Vec<_>) = view.dirty.iter().partition(|path| is_gone(desk, path));
    let listed =
        |paths: &[&Vec<u8>]| paths.iter().flat_map(|path| [path.as_slice(), b"\0"].concat()).collect();
    let gone: Vec<u8> = listed(&gone);
    let there: Vec<_> = there.into_iter().chain(&view.in_the_way).chain(&view.unwanted).collect();
    let there: Vec<u8> = listed(&there);
    // Plain removing refuses what lies behind a link.
    let args = ["update-index", "--force-remove", "-z", "--stdin"];
    desk.ask_with("keep the changed files", &view.index, &args, &gone)?;
    let args = ["update-index", "--add", "--remove", "--replace", "-z", "--stdin"];
    desk.ask_with("keep the changed files", &view.index, &args, &there).map(drop)
}

/// Whether a tracked file is not there, or a link leads to what is in its place.
fn is_gone(desk: &Desk<'_>, path: &[u8]) -> bool {
    let Some(top) = &desk.repo.work_tree else { return true };
    let path = path_of(path);
    let folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    let is_folder =
        |path: &std::path::Path| top.join(path).symlink_metadata().is_ok_and(|facts| facts.is_dir());
    !folders.into_iter().all(is_folder) || top.join(&path).symlink_metadata().is_err()
}

fn write_tree(desk: &Desk<'_>, index: &std::path::Path) -> Result<String, RestoreError> {
    Ok(one_line(&desk.ask("keep the files", index, &["write-tree"])?))
}

fn commit(desk: &Desk<'_>, tree: &str, parents: &[String], message: &str) -> Result<String, RestoreError> {
    let mut args = vec!["commit-tree", "--no-gpg-sign", tree, "-F", "-"];
    args.extend(parents.iter().map(String::as_str));
    Ok(one_line(&desk.ask_with("keep the files", &desk.new_index(), &args, message.as_bytes())?))
}

/// Sets a reference of ours.
pub(super) fn set(desk: &Desk<'_>, reference: &str, commit: &str) -> Result<(), RestoreError> {
    let mut command = desk.references();
    command.args(["update-ref", reference, commit]);
    desk.repo.succeed("set a reference", command, None).map(drop)
}

/// Removes a reference of ours, if it is there.
pub(super) fn unset(desk: &Desk<'_>, reference: &str) -> Result<(), RestoreError> {
    let mut command = desk.references();
    command.args(["update-ref", "-d", reference]);
    desk.repo.succeed("remove a reference", command, None).map(drop)
}

/// What is kept under a reference; `None` if nothing is.
pub(super) fn load(desk: &Desk<'_>, reference: &str) -> Result<Option<State>, RestoreError> {
    let git = desk.git_for_objects();
    let Some(commit) = git.look_for(&["rev-parse", "--verify", "--quiet", reference])? else {
        return Ok(None);
    };
    let commit = one_line(&commit);
    let text = git.ask("read what was kept", &["cat-file", "commit", &commit])?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let message = text.split_once("\n\n").map(|(_, message)| message).unwrap_or_default();
    let value = |name: &str| {
        let line = |line: &str| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned);
        message.lines().find_map(line)
    };
    let damaged = || GitError::Damaged {
        repository: desk.repo.called.clone(),
        why: format!("{reference} is not what a restore kept"),
    };
    let whole = |id: &Option<String>| id.iter().all(|id| ObjectId::parse(id.as_bytes()).is_some());
    let head = value("Head").ok_or_else(damaged)?;
    let (branch, tip, index) = (value("Branch"), value("Tip"), value("Index"));
    let state = State { commit, head, branch, tip, index, modes: modes::parse(message) };
    if !whole(&state.tip) || !whole(&state.index) {
        return Err(damaged().into());
    }
    Ok(Some(state))
}

/// An answer of one line.
pub(super) fn one_line(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).trim_end().to_owned()
}
