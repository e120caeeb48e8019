//! What a restore would change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use undercroft_model::Remark;
use undercroft_model::api::{CommitChanges, Count, ElementChanges, TableChange, TreeChanges};
use undercroft_model::{Cancelled, Element, Observer};
use undercroft_site::database::restore as database;
use undercroft_site::files::restore as files;
use undercroft_site::git::restore as git;

use super::error::{PartError, RestoreError};
use super::part::Scene;
use super::run::{Kind, failed};
use super::{ElementOrder, RestoreOrder};
use crate::Workplace;

/// Looks at what a restore would change, and changes nothing.
///
/// # Errors
/// [`RestoreError`], as the restore itself would refuse it.
pub fn plan(
    order: &RestoreOrder,
    place: &Workplace,
    observer: &dyn Observer,
) -> Result<BTreeMap<Element, ElementChanges>, RestoreError> {
    let index = Arc::new(place.vault.read_index()?);
    let scene = Scene { settings: &order.settings, vault: &place.vault, index: &index, observer };
    let theirs = order.theirs(place, &index)?;
    let one = |element: &ElementOrder| {
        if observer.cancelled() {
            return Err(Cancelled.into());
        }
        observer.doing(element.element, "looking");
        let changes = plan_one(order, element, (place, &theirs), &scene);
        Ok((element.element, changes.map_err(|source| failed(element.element, source))?))
    };
    order.elements.iter().map(one).collect()
}

fn plan_one(
    order: &RestoreOrder,
    element: &ElementOrder,
    (place, theirs): (&Workplace, &[PathBuf]),
    scene: &Scene<'_>,
) -> Result<ElementChanges, PartError> {
    let source = element.source();
    let changes = ElementChanges { archive: element.archive.name.clone(), ..ElementChanges::default() };
    Ok(match order.kind(element, place, theirs)? {
        Kind::Database(database) => {
            let mut changes = of_database(changes, database.plan(scene, &source, order.id)?);
            changes.remarks.extend(order.search_replace.iter().map(|(old, new)| {
                let text = format!(
                    "{old} is replaced with {new} in the rows on their way; the restore tells how often"
                );
                Remark::note("", text)
            }));
            changes
        }
        Kind::Tree(tree) => of_tree(changes, tree.plan(scene, &source)?),
        Kind::Git(mut git) => {
            let mut changes = of_repository(changes, git.plan(scene, &source)?);
            if order.kept_state(element)?.is_some() {
                let text = "the work tree goes back to just what it was before that restore, with what was in no commit \
                            then";
                changes.remarks.push(Remark::note("", text));
            }
            changes
        }
    })
}

fn of_tree(changes: ElementChanges, plan: files::Plan) -> ElementChanges {
    let count = |sum: files::Sum| Count { number: sum.entries, bytes: sum.bytes };
    let word = |effect| match effect {
        files::Effect::Added => "added",
        files::Effect::Changed => "changed",
        files::Effect::Removed => "removed",
    };
    let remarks = plan.held_back.iter().map(|path| Remark::note(path.clone(), files::HELD_BACK));
    let remarks = remarks.collect();
    let tree = TreeChanges {
        added: count(plan.added),
        changed: count(plan.changed),
        removed: count(plan.removed),
        unchanged: count(plan.unchanged),
        kept: Count { number: plan.kept, bytes: 0 },
        first: plan.samples.into_iter().map(|(effect, path)| (word(effect).to_owned(), path)).collect(),
    };
    ElementChanges { tree: Some(tree), remarks, ..changes }
}

fn of_database(changes: ElementChanges, plan: database::Plan) -> ElementChanges {
    let way = match plan.way {
        database::Way::Switch => {
            format!("prepared beside {} on {}, then switched in at once", plan.schema, plan.server)
        }
        database::Way::InPlace => {
            format!("loaded over {} on {}: not all or nothing", plan.schema, plan.server)
        }
    };
    let tables = plan.tables.into_iter().map(|table| {
        let change = match (table.is_added(), table.is_removed()) {
            (true, _) => "added",
            (_, true) => "removed",
            _ => "replaced",
        };
        TableChange {
            change: change.to_owned(),
            kind: "table".to_owned(),
            rows: table.dump_rows,
            bytes: table.dump_bytes.unwrap_or(0),
            rows_now: table.live_rows,
            bytes_now: table.live_bytes,
            name: table.name,
        }
    });
    let mut remarks: Vec<_> = plan.notes.into_iter().map(|note| Remark::note("", note)).collect();
    let others = [
        ("views", (Some(plan.views.0), plan.views.1)),
        ("triggers", plan.triggers),
        ("routines", plan.routines),
        ("events", plan.events),
    ];
    for (what, (dump, live)) in others {
        if dump.unwrap_or(0) > 0 || live > 0 {
            let dump = dump.map_or_else(|| "an unknown number".to_owned(), |dump| dump.to_string());
            remarks.push(Remark::note("", format!("{what}: {dump} in the archive, {live} now")));
        }
    }
    ElementChanges { way, tables: Some(tables.collect()), remarks, ..changes }
}

fn of_repository(changes: ElementChanges, plan: git::Plan) -> ElementChanges {
    let between = plan.between.clone().unwrap_or_default();
    let line =
        |sign, commit: &undercroft_site::git::Commit| (sign, commit.id.clone(), commit.subject.clone());
    let first = between.coming.iter().map(|c| line('+', c)).chain(between.going.iter().map(|c| line('-', c)));
    let commits = CommitChanges {
        from: plan.from.clone(),
        to: plan.to.clone(),
        branch: plan.branch.clone(),
        ahead: between.ahead,
        behind: between.behind,
        first: first.collect(),
        uncommitted: plan.put_aside.len() as u64,
        untracked: plan.untracked_kept,
    };
    let has_told = !plan.needs_objects
        || [&plan.added, &plan.changed, &plan.removed].iter().any(|paths| !paths.is_empty());
    // What the commit has something else in place of is told as that.
    let told: BTreeSet<_> = plan.added.iter().chain(&plan.changed).collect();
    let untracked = plan.untracked_removed.iter().filter(|path| !told.contains(path));
    let removed: Vec<_> = plan.removed.iter().chain(untracked).cloned().collect();
    let paths = [("added", &plan.added), ("changed", &plan.changed), ("removed", &removed)];
    let count = |paths: &Vec<String>| Count { number: paths.len() as u64, bytes: 0 };
    let first = paths
        .iter()
        .flat_map(|(word, paths)| paths.iter().map(|path| ((*word).to_owned(), path.clone())))
        .take(100);
    let tree = TreeChanges {
        added: count(&plan.added),
        changed: count(&plan.changed),
        removed: count(&removed),
        first: first.collect(),
        kept: Count { number: plan.protected.len() as u64, bytes: 0 },
        ..TreeChanges::default()
    };
    let mut remarks: Vec<_> = plan.notes.into_iter().map(|note| Remark::note("", note)).collect();
    if plan.needs_objects {
        let text = "the repository lacks the commit, or some of it: which files would change is known once it is taken \
                    out of the archive, as the restore does";
        remarks.push(Remark::note("", text));
    }
    let tree = (plan.work_tree && has_told).then_some(tree);
    ElementChanges { commits: Some(commits), tree, remarks, ..changes }
}
