//! What a restore would do, told before it is done.

use std::collections::BTreeSet;
use std::path::Path;

use undercroft_model::CodeRevision;

use super::desk::Desk;
use super::look::{Looked, look};
use super::stage;
use super::view::{View, Wishes};
use super::{Order, Plan, RestoreError};
use crate::git::between::{between, has_commit};
use crate::git::oid::ObjectId;
use crate::git::shadow::Scratch;
use crate::git::shown;

/// Looks and tells.
pub(super) fn plan(order: &Order, cache: &Path) -> Result<Plan, RestoreError> {
    let scratch = Scratch::make(cache)?;
    let own = look(order, &scratch)?;
    let mut plan = Plan {
        branch: own
            .part
            .branch
            .as_deref()
            .map(|name| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned()),
        from: own.now.map(|id| id.to_string()),
        to: own.part.commit.clone(),
        work_tree: own.part.follows,
        needs_objects: stage::needs_objects(order)?,
        ..Plan::default()
    };
    if let CodeRevision::Tags(pattern) = &order.revision {
        plan.notes.push(stage::later_tag(pattern));
    }
    plan.notes.extend(own.notes());
    let to = ObjectId::parse(order.commit.as_bytes());
    let to = to.ok_or_else(|| RestoreError::NotACommit(order.commit.clone()))?;
    if !has_commit(&own.shadow.git, &to)? && order.objects.is_none() {
        return Ok(plan);
    }
    own.check()?;
    if let Some(from) = own.now {
        plan.between = between(&own.shadow.git, &from, &to)?;
    }
    let protect = stage::protected(order, &own.place);
    let spare = stage::spared(order);
    let wishes = Wishes { protect: &protect, remove_untracked: order.remove_untracked, spare: &spare };
    if let Some((desk, view)) = own.view(&wishes)? {
        own.check_modes(&desk, &view)?;
        fill(&mut plan, &own, &desk, &view)?;
        plan.notes.extend(view.held_back(&desk));
    }
    let archive = order.objects.as_deref().map(crate::git::find).transpose()?;
    for module in own.submodules(&scratch, archive.as_ref(), &mut plan.notes)? {
        plan.notes.push(format!("the submodule {} goes to {}", module.part.repo.called, module.part.commit));
    }
    Ok(plan)
}

/// So many files are named with what happens to them.
const NAMED: usize = 10;

/// Tells what becomes of untracked files.
fn tell(plan: &mut Plan, paths: &[&Vec<u8>], what: &str) {
    for path in paths.iter().take(NAMED) {
        plan.notes.push(format!("{} {what}", shown(path)));
    }
    if let Some(more) = paths.len().checked_sub(NAMED).filter(|more| *more > 0) {
        plan.notes.push(format!("{more} more files: each {what}"));
    }
}

fn fill(plan: &mut Plan, own: &Looked, desk: &Desk<'_>, view: &View) -> Result<(), RestoreError> {
    let dirty: BTreeSet<_> = view.dirty.iter().collect();
    let differing: BTreeSet<_> = view.differing(desk)?.into_iter().collect();
    let in_the_way: BTreeSet<_> = view.in_the_way.iter().collect();
    for (path, target) in view.target.iter().filter(|(path, _)| !view.protected.contains(*path)) {
        match view.tracked.get(path) {
            Some(now) if now != target || dirty.contains(path) => plan.changed.push(shown(path)),
            Some(_) => {}
            None if differing.contains(path) => plan.changed.push(shown(path)),
            None if in_the_way.contains(path) => {}
            None => plan.added.push(shown(path)),
        }
    }
    let gone = view.tracked.keys().filter(|path| !view.target.contains_key(*path));
    plan.removed = gone.filter(|path| !view.protected.contains(*path)).map(|path| shown(path)).collect();
    plan.protected = view.protected.iter().map(|path| shown(path)).collect();
    let mut aside: BTreeSet<String> = view.dirty.iter().map(|path| shown(path)).collect();
    if let Some(now) = own.now.map(|id| id.to_string()) {
        let args =
            ["diff-index", "--cached", "--name-only", "-z", "--no-renames", "--ignore-submodules=all", &now];
        let staged = desk.ask("look for staged changes", &view.index, &args)?;
        aside.extend(staged.split(|b| *b == 0).filter(|path| !path.is_empty()).map(shown));
    }
    plan.put_aside = aside.into_iter().collect();
    let told = differing.iter().filter(|path| !view.protected.contains(*path));
    let (replaced, removed): (Vec<_>, Vec<_>) = told.partition(|path| view.target.contains_key(*path));
    let kept = if own.part.founding.is_some() { "in the repository that is made" } else { "for --undo" };
    tell(plan, &replaced, &format!("is not tracked now: what is there is replaced, and kept {kept}"));
    tell(
        plan,
        &removed,
        &format!("is not tracked, and the commit has a folder there: it goes, and is kept {kept}"),
    );
    let gone: BTreeSet<_> = differing.iter().chain(&view.unwanted).collect();
    plan.untracked_removed =
        gone.iter().filter(|path| !view.protected.contains(**path)).map(|path| shown(path)).collect();
    let gone: BTreeSet<_> = view.in_the_way.iter().chain(&view.unwanted).collect();
    let untracked = view.untracked(desk, &[])?;
    plan.untracked_kept =
        untracked.iter().filter(|path| !gone.contains(path) || view.protected.contains(*path)).count() as u64;
    Ok(())
}
