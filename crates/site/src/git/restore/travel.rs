//! A work tree, its index and the references taken from one state to another.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::desk::{Desk, path_of, sync};
use super::keep::{self, State};
use super::modes::{self, Mode, Set};
use super::stage::check_lock;
use super::{Part, RestoreError, view};
use crate::git::command::Git;
use crate::git::refs::{Head, Refs};
use crate::git::{GitError, lfs, shown};

/// A switch that has begun: what it needs to be gone on with, or back from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    /// The tree that the work tree gets: the commit's, but for what is protected.
    pub tree: String,
}

/// The index with which the work tree was kept.
const KEPT_INDEX: &str = "kept-index";
const BEGUN: &str = "begun";

impl Begun {
    /// Reads it, if a switch has begun.
    pub fn read(folder: &Path) -> Result<Option<Self>, RestoreError> {
        let path = folder.join(BEGUN);
        if !path.exists() {
            return Ok(None);
        }
        let text = view::read(&path)?;
        Ok(Some(Begun { tree: keep::one_line(&text) }))
    }

    /// From here on a killed switch is gone on with.
    pub fn write(&self, desk: &Desk<'_>, kept: Option<&Path>) -> Result<(), RestoreError> {
        const DOING: &str = "note that the switch begins";
        let script = r#"
            if [ -n "$3" ]; then mv -f "$3" "$1/kept-index" || exit 1; fi
            printf '%s\n' "$2" > "$1/begun.part"
        "#;
        let folder = desk.folder();
        let index = kept.map(Path::as_os_str).unwrap_or_default();
        desk.shell(DOING, script, &[folder.as_os_str(), OsStr::new(&self.tree), index])?;
        // A note that outlives a power cut without what it speaks of would be worse than none.
        if kept.is_some() {
            sync(&folder.join(KEPT_INDEX))?;
        }
        sync(&folder.join("begun.part"))?;
        desk.shell(DOING, "exec mv -f \"$1/begun.part\" \"$1/begun\"", &[folder.as_os_str()])?;
        // The folders that it is in may be as new.
        folder.ancestors().take(3).try_for_each(sync)
    }

    /// It never was: all is as before.
    pub fn forget(desk: &Desk<'_>) -> Result<(), RestoreError> {
        let script = "rm -f \"$1/begun\"";
        desk.shell("note that all is as before", script, &[desk.folder().as_os_str()])?;
        sync(desk.folder())
    }
}

/// Where references go.
pub(super) struct Goal<'a> {
    pub branch: Option<&'a str>,
    pub tip: Option<&'a str>,
    /// What HEAD is to be; `None` to leave it, where the branch alone moves.
    pub head: Option<&'a str>,
}

/// Checks that nobody moved the repository since it was staged.
pub(super) fn check_moved(desk: &Desk<'_>, part: &Part, begun: bool) -> Result<(), RestoreError> {
    let refs = Refs::read(&Git::new(&part.repo.git_dir, &part.repo.called))?;
    let head = match &refs.head {
        Head::Branch(name) => format!("ref: {}", shown(name)),
        Head::Detached(id) => id.to_string(),
    };
    let moved = |what: String| {
        let repository = desk.repo.called.clone();
        Err(RestoreError::Moved { repository, what })
    };
    if head != part.head && !(begun && part.goal_of_head().as_ref() == Some(&head)) {
        return moved(format!("HEAD is now {head}"));
    }
    let Some(branch) = &part.branch else { return Ok(()) };
    let tip = refs.object(branch.as_bytes()).map(|id| id.to_string());
    if tip != part.tip && !(begun && tip.as_ref() == Some(&part.commit)) {
        return moved(format!("{branch} is now at {}", tip.as_deref().unwrap_or("nothing")));
    }
    Ok(())
}

/// Takes the repository to the commit. `now`: the permissions of what is there.
pub(super) fn forward(desk: &Desk<'_>, part: &Part, begun: &Begun, now: &[Mode]) -> Result<(), RestoreError> {
    check_moved(desk, part, true)?;
    if part.follows {
        hold(desk)?;
        let index = desk.new_index();
        desk.copy_index(&desk.folder().join(KEPT_INDEX), &index)?;
        modes::open(desk, now)?;
        desk.ask("lay the commit out", &index, &["read-tree", "--reset", "-u", &begun.tree])?;
        fill_large_files(desk, &index)?;
        modes::set(desk, now, Set::Others)?;
        modes::close(desk, now)?;
        read_index(desk, &index, &part.commit)?;
        set_index(desk, &index)?;
    }
    let head = part.goal_of_head();
    let (branch, tip) = (part.branch.as_deref(), Some(part.commit.as_str()));
    move_references(desk, &Goal { branch, tip, head: head.as_deref() })?;
    release(desk)
}

/// Takes the repository to a state that was kept. `from` is an index that holds every file that may have to go, `now`
/// the permissions of what is there.
pub(super) fn back(desk: &Desk<'_>, state: &State, from: &Path, now: &[Mode]) -> Result<(), RestoreError> {
    if let Some(index_commit) = &state.index {
        hold(desk)?;
        let index = desk.new_index();
        desk.copy_index(from, &index)?;
        desk.attempt(&index, &["update-index", "-q", "--refresh", "--ignore-submodules"])?;
        modes::open(desk, now)?;
        desk.ask("lay out what was before", &index, &["read-tree", "--reset", "-u", &state.commit])?;
        fill_large_files(desk, &index)?;
        modes::set(desk, &state.modes, Set::Same)?;
        modes::close(desk, now)?;
        modes::close(desk, &state.modes)?;
        read_index(desk, &index, index_commit)?;
        keep::set_marks(desk, &index, index_commit)?;
        set_index(desk, &index)?;
    }
    let (branch, tip) = (state.branch.as_deref(), state.tip.as_deref());
    move_references(desk, &Goal { branch, tip, head: Some(&state.head) })?;
    release(desk)
}

/// An index that holds what a switch laid out, however far it came.
pub(super) fn laid_out(desk: &Desk<'_>, begun: &Begun) -> Result<PathBuf, RestoreError> {
    let index = desk.new_index();
    desk.copy_index(&desk.folder().join(KEPT_INDEX), &index)?;
    desk.ask("read what was laid out", &index, &["read-tree", "--reset", &begun.tree])?;
    Ok(index)
}

/// Makes an index that of a commit.
fn read_index(desk: &Desk<'_>, index: &Path, commit: &str) -> Result<(), RestoreError> {
    desk.ask("make the index", index, &["read-tree", "--reset", commit])?;
    desk.attempt(index, &["update-index", "-q", "--refresh", "--ignore-submodules"])
}

/// Makes an index the repository's, once the files it tells of are on the disk.
fn set_index(desk: &Desk<'_>, index: &Path) -> Result<(), RestoreError> {
    if let Some(top) = &desk.repo.work_tree {
        let folder = File::open(top).map_err(GitError::io("read", top))?;
        rustix::fs::syncfs(&folder).map_err(|error| GitError::io("write", top)(error.into()))?;
    }
    let to = desk.repo.git_dir.join("index");
    let args = [index.as_os_str(), to.as_os_str()];
    desk.shell("set the index", "exec mv -f \"$1\" \"$2\"", &args)?;
    sync(&desk.repo.git_dir)
}

/// Takes the index's lock, as git does, so that git keeps away. It is a link to a file of ours: by that it is known
/// again after a kill.
fn hold(desk: &Desk<'_>) -> Result<(), RestoreError> {
    let script = r#"
        [ -f "$1/mine" ] || : > "$1/mine" || exit 1
        ln "$1/mine" "$2" 2>/dev/null || [ "$1/mine" -ef "$2" ]
    "#;
    let lock = desk.repo.git_dir.join("index.lock");
    let held = desk.shell("lock the index", script, &[desk.folder().as_os_str(), lock.as_os_str()]);
    if let Err(error) = held {
        check_lock(desk.repo)?;
        return Err(error);
    }
    Ok(())
}

/// Gives the index's lock back, if it is ours.
pub(super) fn release(desk: &Desk<'_>) -> Result<(), RestoreError> {
    let script = "if [ \"$1/mine\" -ef \"$2\" ]; then exec rm -f \"$2\"; fi";
    let lock = desk.repo.git_dir.join("index.lock");
    let args = [desk.folder().as_os_str(), lock.as_os_str()];
    desk.shell("unlock the index", script, &args).map(drop)
}

fn move_references(desk: &Desk<'_>, goal: &Goal<'_>) -> Result<(), RestoreError> {
    const WHY: &str = "undercroft: restore";
    let run = |args: &[&str]| {
        let mut command = desk.references();
        command.args(args);
        desk.repo.succeed("move the branch", command, None).map(drop)
    };
    let refs = Refs::read(&desk.git_for_objects())?;
    let tip = goal.branch.and_then(|branch| refs.object(branch.as_bytes())).map(|id| id.to_string());
    match (goal.branch, goal.tip) {
        // Whoever holds it need not be waited for.
        (Some(_), wanted) if tip.as_deref() == wanted => {}
        (Some(branch), Some(tip)) => run(&["update-ref", "-m", WHY, branch, tip])?,
        (Some(branch), None) => run(&["update-ref", "-d", branch])?,
        (None, _) => {}
    }
    match goal.head.map(|head| (head, head.strip_prefix("ref: "))) {
        Some((_, Some(name))) => run(&["symbolic-ref", "-m", WHY, "HEAD", name]),
        Some((id, None)) => run(&["update-ref", "--no-deref", "-m", WHY, "HEAD", id]),
        None => Ok(()),
    }
}

/// Puts the content of large files, where the repository has it, in the places of their pointers, as git-lfs would.
fn fill_large_files(desk: &Desk<'_>, index: &Path) -> Result<(), RestoreError> {
    let Some(top) = &desk.repo.work_tree else { return Ok(()) };
    let files = desk.ask("list the files", index, &["ls-files", "-z"])?;
    if !files.split(|b| *b == 0).any(|path| path.ends_with(b".gitattributes")) {
        return Ok(());
    }
    let args = ["check-attr", "--cached", "-z", "--stdin", "filter"];
    let answer = desk.ask_with("look up attributes", index, &args, &files)?;
    let fields: Vec<_> = answer.split(|b| *b == 0).collect();
    for [path, _, filter] in fields.as_chunks::<3>().0 {
        let file = top.join(path_of(path));
        let Some((name, size)) = (*filter == b"lfs").then(|| lfs::content_of(&file)).flatten() else {
            continue;
        };
        let content = desk.repo.common_dir.join(name);
        if !content.metadata().is_ok_and(|facts| facts.is_file() && facts.len() == size) {
            continue;
        }
        let script = r#"
            cat "$1" > "$2.undercroft" || exit 1
            if [ -x "$2" ]; then chmod +x "$2.undercroft" || exit 1; fi
            exec mv -f "$2.undercroft" "$2"
        "#;
        let args = [content.as_os_str(), file.as_os_str()];
        desk.shell("lay out a large file", script, &args)?;
    }
    Ok(())
}
