//! One repository switched to the archived commit, or back.

use std::fmt::Write as _;

use super::bring::BROUGHT;
use super::desk::Desk;
use super::keep::{self, BEFORE};
use super::stage::check_lock;
use super::travel::{self, Begun};
use super::view::View;
use super::{Part, RestoreError, Staged, modes};
use crate::git::shown;

/// Switches, or goes on with a switch that was killed.
pub(super) fn switch(staged: &Staged, part: &Part) -> Result<(), RestoreError> {
    let desk = Desk::writing(&part.repo, staged.id)?;
    let begun = match Begun::read(desk.folder())? {
        Some(begun) => begun,
        None if is_done(&desk, staged, part)? => return Ok(()),
        None => begin(&desk, staged, part)?,
    };
    let modes = keep::load(&desk, &staged.reference(BEFORE))?.map(|before| before.modes).unwrap_or_default();
    travel::forward(&desk, part, &begun, &modes)
}

/// Whether the repository was switched, and what that needed is cleaned up already.
fn is_done(desk: &Desk<'_>, staged: &Staged, part: &Part) -> Result<bool, RestoreError> {
    if travel::check_moved(desk, part, false).is_ok() || travel::check_moved(desk, part, true).is_err() {
        return Ok(false);
    }
    Ok(keep::load(desk, &staged.reference(BEFORE))?.is_some())
}

/// Looks once more: what people did since the preparation is kept too, or forbids the switch.
fn begin(desk: &Desk<'_>, staged: &Staged, part: &Part) -> Result<Begun, RestoreError> {
    travel::check_moved(desk, part, false)?;
    if part.follows {
        check_lock(desk.repo)?;
    }
    let reference = staged.reference(BEFORE);
    let view = keep::save(desk, part, &part.commit, &staged.wishes(), &reference)?;
    if let Some(view) = &view {
        modes::check(desk, view)?;
    }
    let tree = match &view {
        Some(view) => tree_to_lay(desk, view, &part.commit)?,
        None => part.commit.clone(),
    };
    let begun = Begun { tree };
    begun.write(desk, view.as_ref().map(|view| view.index.as_path()))?;
    Ok(begun)
}

/// The commit's tree, but with the protected files as they are: those that are not there are not in it, so nothing is
/// laid out in their place.
fn tree_to_lay(desk: &Desk<'_>, view: &View, commit: &str) -> Result<String, RestoreError> {
    if view.protected.is_empty() {
        return Ok(commit.to_owned());
    }
    let listed = desk.ask("list the kept files", &view.index, &["ls-files", "-s", "-z"])?;
    let kept = super::view::tracked(desk, &listed)?;
    let mut input = Vec::new();
    for path in &view.protected {
        let mut entry = String::new();
        match kept.get(path) {
            Some((mode, id)) => _ = write!(entry, "{} {}", shown(mode), shown(id)),
            None => _ = write!(entry, "0 {}", "0".repeat(commit.len())),
        }
        input.extend([entry.as_bytes(), b"\t", path, b"\0"].concat());
    }
    let index = desk.new_index();
    desk.ask("read the commit", &index, &["read-tree", commit])?;
    desk.ask_with("spare the protected files", &index, &["update-index", "-z", "--index-info"], &input)?;
    Ok(keep::one_line(&desk.ask("spare the protected files", &index, &["write-tree"])?))
}

/// What the restore has in a repository, if anything; one that it was yet to make may not be there.
fn existing<'p>(staged: &Staged, part: &'p Part) -> Result<Option<Desk<'p>>, RestoreError> {
    match &part.founding {
        Some(_) => Desk::existing_if_any(&part.repo, staged.id),
        None => Desk::existing(&part.repo, staged.id),
    }
}

/// Goes back, if a switch was begun.
pub(super) fn back(staged: &Staged, part: &Part) -> Result<(), RestoreError> {
    let Some(desk) = existing(staged, part)? else { return Ok(()) };
    let Some(begun) = Begun::read(desk.folder())? else { return Ok(()) };
    let state = keep::load(&desk, &staged.reference(BEFORE))?
        .ok_or_else(|| RestoreError::NothingKept { repository: part.repo.called.clone(), id: staged.id })?;
    let from = if part.follows { travel::laid_out(&desk, &begun)? } else { desk.new_index() };
    travel::back(&desk, &state, &from, &state.modes)?;
    Begun::forget(&desk)
}

/// Removes what the restore made for itself.
pub(super) fn clean_up(staged: &Staged, part: &Part) -> Result<(), RestoreError> {
    if let Some(founding) = &part.founding
        && founding.remove(&part.repo, staged)?
    {
        return Ok(());
    }
    let Some(desk) = Desk::existing(&part.repo, staged.id)? else { return Ok(()) };
    if Begun::read(desk.folder())?.is_none() {
        keep::unset(&desk, &staged.reference(BEFORE))?;
    }
    keep::unset(&desk, &staged.reference(BROUGHT))?;
    remove(&desk)
}

/// Removes the private folder, and the lock if it is ours.
pub(super) fn remove(desk: &Desk<'_>) -> Result<(), RestoreError> {
    travel::release(desk)?;
    // A command that was given its input by a process that was killed may end just now.
    let script = r#"
        rm -rf "$1" 2>/dev/null || { sleep 1 && rm -rf "$1"; } || exit 1
        rmdir "${1%/*}" 2>/dev/null || :
    "#;
    desk.shell("remove the restore's folder", script, &[desk.folder().as_os_str()]).map(drop)
}
