//! A restore undone at a later time, and what is kept for that.

use std::collections::BTreeSet;
use std::path::Path;

use uuid::Uuid;

use super::desk::{Desk, Repo, path_of};
use super::keep::{self, BEFORE, State, UNDONE};
use super::look::find;
use super::stage::check_lock;
use super::view::Wishes;
use super::{Kept, Part, RestoreError, founding, modes, switch, travel};
use crate::git::command::Git;
use crate::git::config::Config;
use crate::git::locate::{self, Place};
use crate::git::oid::ObjectId;
use crate::git::refs::{Head, Refs};
use crate::git::{GitError, shown, tree};

/// Undoes a restore.
pub(super) fn undo(repository: &str, id: Uuid) -> Result<(), RestoreError> {
    let place = find(repository, None)?;
    let repo = Repo::of(&place, &Config::read(&place.common_dir)?)?;
    let git = Git::new(&repo.git_dir, &repo.called);
    let Some(before) = resolve(&git, &format!("{BEFORE}{id}"))? else {
        // It may have been undone by a process that could not say so any more.
        return match resolve(&git, &format!("{UNDONE}{id}"))? {
            Some(_) => tidy(&repo, id),
            None => Err(RestoreError::NothingKept { repository: repo.called.clone(), id }),
        };
    };
    let mut undone = false;
    let done = modules(&place, &git, &before)?
        .iter()
        .try_for_each(|module| {
            let repo = Repo::of(module, &Config::read(&module.common_dir)?)?;
            let git = Git::new(&repo.git_dir, &repo.called);
            if resolve(&git, &format!("{BEFORE}{id}"))?.is_some() {
                undo_one(&repo, id)?;
                undone = true;
                Ok(())
            } else {
                undone |= resolve(&git, &format!("{UNDONE}{id}"))?.is_some();
                tidy(&repo, id)
            }
        })
        .and_then(|()| undo_one(&repo, id));
    done.map_err(|why| match why {
        why @ RestoreError::HalfWay { .. } => why,
        why if undone => {
            half_way(&repo, format!("{BEFORE}{id}"), "a submodule is undone already".to_owned(), why)
        }
        why => why,
    })
}

/// Keeps what a restore was undone from as what was before another one, which is then undone as any is.
pub(super) fn keep_undone(repository: &str, id: Uuid, again: Uuid) -> Result<(), RestoreError> {
    let place = find(repository, None)?;
    let git = Git::new(&place.git_dir, &place.called());
    let (undone, before) = (format!("{UNDONE}{id}"), format!("{BEFORE}{again}"));
    let Some(state) = resolve(&git, &undone)? else {
        return Err(RestoreError::NothingKept { repository: place.called(), id });
    };
    let mut places = modules(&place, &git, &state)?;
    places.push(place);
    for place in places {
        let repo = Repo::of(&place, &Config::read(&place.common_dir)?)?;
        let git = Git::new(&repo.git_dir, &repo.called);
        // Of a submodule in which nothing was undone there is nothing to be undone either.
        if let Some(state) = resolve(&git, &undone)? {
            let desk = Desk::writing(&repo, again)?;
            keep::set(&desk, &before, &state.to_string())?;
            switch::remove(&desk)?;
        }
    }
    Ok(())
}

/// Removes what an undoing that was killed at its very end had not yet.
fn tidy(repo: &Repo, id: Uuid) -> Result<(), RestoreError> {
    match Desk::existing(repo, id)? {
        Some(desk) => switch::remove(&desk),
        None => Ok(()),
    }
}

fn undo_one(repo: &Repo, id: Uuid) -> Result<(), RestoreError> {
    let (before, undone) = (format!("{BEFORE}{id}"), format!("{UNDONE}{id}"));
    let desk = Desk::writing(repo, id)?;
    travel::release(&desk)?;
    let Some(state) = keep::load(&desk, &before)? else {
        return Err(RestoreError::NothingKept { repository: repo.called.clone(), id });
    };
    // An undoing that was killed had kept what it found, and may have changed something.
    let goes_on = keep::load(&desk, &undone)?.is_some();
    if state.index.is_some()
        && let Err(why) = check_lock(repo)
    {
        return Err(if goes_on { half_way(repo, undone, why.to_string(), why) } else { why });
    }
    let mut from = repo.git_dir.join("index");
    if !goes_on {
        let wishes = Wishes { protect: &[], remove_untracked: false, spare: &[] };
        let view = keep::save(&desk, &now(repo, &state)?, &state.commit, &wishes, &undone)?;
        let checked = view.as_ref().map_or(Ok(()), |view| modes::check(&desk, view));
        checked.or_else(|why| never_begun(&desk, &undone, why))?;
        from = view.map_or(from, |view| view.index);
    }
    let found = keep::load(&desk, &undone)?;
    let modes = found.as_ref().map(|found| found.modes.as_slice()).unwrap_or_default();
    match travel::back(&desk, &state, &from, modes) {
        Ok(()) => {}
        Err(why @ RestoreError::IndexLocked { .. }) if !goes_on => never_begun(&desk, &undone, why)?,
        Err(why) => match found.map_or(Ok(()), |found| put_back(&desk, &state, &found, &from)) {
            Ok(()) => never_begun(&desk, &undone, why)?,
            Err(back) => return Err(half_way(repo, undone, back.to_string(), why)),
        },
    }
    keep::unset(&desk, &before)?;
    switch::remove(&desk)
}

/// An undoing that changed nothing keeps nothing.
fn never_begun(desk: &Desk<'_>, undone: &str, why: RestoreError) -> Result<(), RestoreError> {
    keep::unset(desk, undone)?;
    switch::remove(desk)?;
    Err(why)
}

/// Takes a repository back to what it was before an undoing that failed.
fn put_back(desk: &Desk<'_>, state: &State, found: &State, from: &Path) -> Result<(), RestoreError> {
    let index = desk.new_index();
    if state.index.is_some() {
        desk.copy_index(from, &index)?;
        desk.ask("read what was laid out", &index, &["read-tree", "--reset", &state.commit])?;
    }
    travel::back(desk, found, &index, &found.modes)
}

fn half_way(repo: &Repo, reference: String, back: String, why: RestoreError) -> RestoreError {
    RestoreError::HalfWay { repository: repo.called.clone(), reference, back, why: Box::new(why) }
}

/// The repository as it is, in the terms of what was kept.
fn now(repo: &Repo, state: &State) -> Result<Part, RestoreError> {
    let refs = Refs::read(&Git::new(&repo.git_dir, &repo.called))?;
    let (head, at_head) = match &refs.head {
        Head::Branch(name) => (format!("ref: {}", shown(name)), refs.object(name)),
        Head::Detached(id) => (id.to_string(), Some(*id)),
    };
    let tip = match &state.branch {
        Some(branch) => refs.object(branch.as_bytes()),
        None => at_head,
    };
    Ok(Part {
        repo: repo.clone(),
        branch: state.branch.clone(),
        follows: state.index.is_some(),
        head,
        tip: tip.map(|id| id.to_string()),
        commit: state.commit.clone(),
        objects: None,
        attaches: false,
        founding: None,
    })
}

/// The submodules of the commit that is checked out and of the state before, as far as they are laid out.
fn modules(place: &Place, git: &Git, before: &ObjectId) -> Result<Vec<Place>, RestoreError> {
    let Some(top) = &place.work_tree else { return Ok(Vec::new()) };
    let mut paths = BTreeSet::new();
    let head = resolve(git, "HEAD")?;
    for commit in head.iter().chain([before]) {
        let nodes = tree::list(git, commit)?;
        paths.extend(nodes.into_iter().filter(|n| n.kind == tree::NodeKind::Link).map(|n| n.path));
    }
    let mut found = Vec::new();
    for path in paths {
        let folder = top.join(path_of(&path));
        if folder.join(".git").symlink_metadata().is_ok() {
            found.extend(locate::at(&folder, Some(place.owner))?);
        }
    }
    Ok(found)
}

fn resolve(git: &Git, name: &str) -> Result<Option<ObjectId>, GitError> {
    let found = git.look_for(&["rev-parse", "--verify", "--quiet", "--end-of-options", name])?;
    Ok(found.and_then(|id| ObjectId::parse(id.trim_ascii_end())))
}

/// What is kept, the oldest first.
pub(super) fn kept(repository: &str) -> Result<Vec<Kept>, RestoreError> {
    if founding::is_gone(repository)? {
        return Ok(Vec::new());
    }
    list(repository, &[BEFORE])
}

fn list(repository: &str, folders: &[&str]) -> Result<Vec<Kept>, RestoreError> {
    let place = find(repository, None)?;
    let git = Git::new(&place.git_dir, &place.called());
    let format = "--format=%(refname:lstrip=3) %(objectname) %(committerdate:unix)";
    let args = [&["for-each-ref", "--sort=committerdate", format], folders].concat();
    let answer = git.ask("list what is kept", &args)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let parse = |line: &str| {
        let mut words = line.split(' ');
        let id = words.next()?.parse().ok()?;
        Some(Kept { id, commit: words.next()?.to_owned(), seconds: words.next()?.parse().ok()? })
    };
    Ok(text.lines().filter_map(parse).collect())
}

/// Removes what was kept before a moment, in Unix seconds.
pub(super) fn forget_older(repository: &str, than: i64) -> Result<(), RestoreError> {
    let kept = list(repository, &[BEFORE, UNDONE])?;
    let old = kept.into_iter().filter(|kept| kept.seconds < than).map(|kept| kept.id);
    old.collect::<BTreeSet<_>>().into_iter().try_for_each(|id| forget(repository, id))
}

/// Removes what is kept.
pub(super) fn forget(repository: &str, id: Uuid) -> Result<(), RestoreError> {
    let place = find(repository, None)?;
    let git = Git::new(&place.git_dir, &place.called());
    let mut places = Vec::new();
    if let Some(before) = resolve(&git, &format!("{BEFORE}{id}"))? {
        places = modules(&place, &git, &before)?;
    }
    places.push(place);
    for place in places {
        let repo = Repo::of(&place, &Config::read(&place.common_dir)?)?;
        let desk = Desk::writing(&repo, id)?;
        for folder in [BEFORE, UNDONE] {
            keep::unset(&desk, &format!("{folder}{id}"))?;
        }
        switch::remove(&desk)?;
    }
    Ok(())
}
