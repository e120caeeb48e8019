//! The phases of a restore, one after the other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use undercroft_model::{Cancelled, CodeSource, Element, Muted, Observer, Remark};
use undercroft_site::git::restore as git;

use super::error::{PartError, RestoreError};
use super::git::{GitOrder, Repositories, tell_lost_settings};
use super::journal::{self, Held, Journal, JournalError, Phase};
use super::part::{DatabaseOrder, How, Live, Scene, Source, Staged};
use super::tree::{TreeOrder, Trees};
use super::{ElementOrder, JournalPlace, RestoreOrder, SAFETY_DAYS};
use crate::Workplace;
use crate::error::chain;

/// What a restore did.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// Of each element: how it came back, as words; may be empty.
    pub elements: BTreeMap<Element, String>,
    /// What was made and could not be removed again, as a sentence. The next command tries again.
    pub left: Option<String>,
}

impl RestoreOrder {
    /// What trees have in common.
    fn trees<'a>(&'a self, place: &'a Workplace, theirs: &'a [PathBuf]) -> Trees<'a> {
        Trees {
            settings: &self.settings,
            own: &place.own,
            paths: &self.paths,
            foreign: self.foreign,
            theirs,
            skip_damaged: self.skip_damaged,
            takes_back: self.takes_back.is_some(),
            id: self.id,
        }
    }

    /// What repositories have in common.
    fn repositories<'a>(&'a self, place: &'a Workplace, theirs: &'a [PathBuf]) -> Repositories<'a> {
        Repositories {
            settings: &self.settings,
            cache: &place.cache,
            foreign: self.foreign,
            theirs,
            remove_untracked: self.remove_untracked,
            own: &place.own,
            id: self.id,
        }
    }

    /// What is asked of the database.
    fn database(&self) -> DatabaseOrder<'_> {
        DatabaseOrder {
            tables: &self.tables,
            in_place: self.in_place,
            skip_damaged: self.skip_damaged,
            absent_is_removed: self.takes_back.is_some(),
            may_lose: self.may_lose,
            foreign: self.foreign,
            search_replace: &self.search_replace,
        }
    }
}

impl ElementOrder {
    /// The archive with what its backup says of it.
    pub(super) fn source(&self) -> Source {
        Source::new(self.archive.clone(), self.facts.as_ref())
    }
}

/// What an element is where it goes to.
pub(super) enum Kind<'a> {
    /// A schema.
    Database(DatabaseOrder<'a>),
    /// A folder.
    Tree(TreeOrder<'a>),
    /// A repository.
    Git(GitOrder<'a>),
}

impl RestoreOrder {
    /// What an element is where it goes to; `theirs` is what [`theirs`](Self::theirs) gave.
    pub(super) fn kind<'a>(
        &'a self,
        one: &'a ElementOrder,
        place: &'a Workplace,
        theirs: &'a [PathBuf],
    ) -> Result<Kind<'a>, PartError> {
        if one.element == Element::Database {
            return Ok(Kind::Database(self.database()));
        }
        let now = one.now.as_ref().map(|(archive, captured)| (archive, *captured));
        if let Some(tree) = self.trees(place, theirs).order(one.element, now) {
            self.spares_untracked(one)?;
            return Ok(Kind::Tree(tree));
        }
        let git = (one.element == Element::Code)
            .then(|| self.repositories(place, theirs).order(&one.archive.name, one.facts.as_ref()))
            .transpose()?
            .flatten();
        git.map(Kind::Git).ok_or(PartError::NotThere(one.element))
    }
}

/// An element with what was decided of it.
struct Part<'a> {
    staged: Staged,
    source: Source,
    tree: Option<TreeOrder<'a>>,
}

/// The order in which elements are switched: what may fail comes first, and a repository that is taken back, after
/// which nothing can be, last.
fn rank(order: &RestoreOrder, element: Element) -> u8 {
    match element {
        Element::Database => 0,
        Element::Files => 2,
        Element::Code if order.takes_back.is_some() => 3,
        Element::Code => 1,
    }
}

/// Restores. When it is done the journal is left, so that whoever finds it knows how it came out: the caller removes
/// it once it is written down elsewhere, unless something is [left](Restored::left) to be cleaned up.
///
/// # Errors
/// [`RestoreError`]; but for [`RestoreError::Between`], [`RestoreError::InPlace`] and
/// [`RestoreError::AllButDatabase`] the environment is as it was.
pub fn restore(
    order: &RestoreOrder,
    place: &Workplace,
    journals: JournalPlace<'_>,
    observer: &dyn Observer,
) -> Result<Restored, RestoreError> {
    let index = Arc::new(place.vault.read_index()?);
    let scene = Scene { settings: &order.settings, vault: &place.vault, index: &index, observer };
    let theirs = order.theirs(place, &index)?;
    let mut parts: Vec<Part<'_>> = Vec::new();
    // Files come first: they may lie, and be laid out, inside the folder of the code.
    let (files, others): (Vec<_>, Vec<_>) =
        order.elements.iter().partition(|element| element.element == Element::Files);
    for element in files.into_iter().chain(others) {
        let guest = parts.iter().find_map(|part| part.staged.laid_out());
        let decided = decide(order, element, guest, (place, &theirs), &scene);
        parts.push(decided.map_err(|source| failed(element.element, source))?);
    }
    parts.sort_by_key(|part| rank(order, part.staged.element));
    let site = (order.site, order.site_name.clone());
    let mut journal = Journal::new(order.id, journals.worker, site, order.env.clone());
    journal.parts = parts.iter().map(|part| part.staged.clone()).collect();
    let _held = begin(&journal, journals)?;

    let prepared = prepare(&parts, &scene)
        .and_then(|told| if observer.cancelled() { Err(Cancelled.into()) } else { Ok(told) });
    let told = match prepared {
        Ok(told) => told,
        Err(error) => {
            let _ = abandon(&parts, scene.live(), &journal, journals);
            return Err(error);
        }
    };
    if let Err(error) = journal.enter(Phase::Switching, journals.folder) {
        let _ = abandon(&parts, scene.live(), &journal, journals);
        return Err(error.into());
    }
    // There is no stopping from here on: half of a switch is nothing that anybody wants.
    let unstoppable = Unstoppable(observer);
    let scene = Scene { observer: &unstoppable, ..scene };
    switch(&parts, &scene, &mut journal, journals)?;
    // Whatever can't be written or removed from here on is litter: the restore is done.
    let left = journal.enter(Phase::Switched, journals.folder).map_err(|error| chain(&error));
    let left = left.and_then(|()| clean_up(&parts, scene.live()));
    forget_old_states(order, place, &parts, &unstoppable);
    tell_lost_settings(order, &unstoppable);
    Ok(Restored { elements: told, left: left.err() })
}

/// Writes the journal down. As long as the restore is in hand, nobody takes it for one that was given up.
pub(super) fn begin(journal: &Journal, journals: JournalPlace<'_>) -> Result<Held, JournalError> {
    let path = Journal::path_of(journals.folder, journal.id);
    let taken = || JournalError::Io {
        action: "locking",
        path: path.clone(),
        source: std::io::ErrorKind::WouldBlock.into(),
    };
    let held = journal::hold(&path)?.ok_or_else(taken)?;
    if let Err(error) = journal.save(journals.folder) {
        let _ = journal.remove(journals.folder);
        return Err(error);
    }
    Ok(held)
}

pub(super) fn failed(element: Element, source: PartError) -> RestoreError {
    if source.is_cancelled() {
        Cancelled.into()
    } else {
        RestoreError::Part { element, source: Box::new(source) }
    }
}

/// Looks whether anything stands in the way of a restore that can be known before a safety backup is made. Changes
/// nothing.
///
/// # Errors
/// [`RestoreError`], as the restore itself would refuse it.
pub fn check(order: &RestoreOrder, place: &Workplace, observer: &dyn Observer) -> Result<(), RestoreError> {
    let index = Arc::new(place.vault.read_index()?);
    let theirs = order.theirs(place, &index)?;
    // What is said now would be said twice.
    let muted = Muted(observer);
    let scene = Scene { settings: &order.settings, vault: &place.vault, index: &index, observer: &muted };
    for element in &order.elements {
        if observer.cancelled() {
            return Err(Cancelled.into());
        }
        let source = element.source();
        let decided = match order.kind(element, place, &theirs) {
            Ok(Kind::Database(database)) => database.decide(&scene, &source, order.id).map(drop),
            Ok(Kind::Tree(tree)) => tree.decide(&scene, &source).map(drop),
            Ok(Kind::Git(git)) if !order.paths.is_empty() => {
                Err(PartError::PathsInGit { commit: git.commit().to_owned() })
            }
            // What it goes back to is no commit of the branch.
            Ok(Kind::Git(_)) if order.takes_back.is_some() => Ok(()),
            Ok(Kind::Git(git)) => git.check(),
            Err(error) => Err(error),
        };
        decided.map_err(|source| failed(element.element, source))?;
    }
    Ok(())
}

fn decide<'a>(
    order: &'a RestoreOrder,
    element: &'a ElementOrder,
    guest: Option<PathBuf>,
    (place, theirs): (&'a Workplace, &'a [PathBuf]),
    scene: &Scene<'_>,
) -> Result<Part<'a>, PartError> {
    scene.observer.doing(element.element, "looking");
    let source = element.source();
    let staged = |how| Staged {
        element: element.element,
        backup: element.backup,
        archive: element.archive.name.clone(),
        how,
    };
    if let Some((repository, restore)) = order.kept_state(element)? {
        let how = How::GitBack { repository, restore, id: order.id };
        return Ok(Part { staged: staged(how), source, tree: None });
    }
    if let (Element::Code, Some(_), Some(CodeSource::Git { .. })) =
        (element.element, order.takes_back, &order.settings.code)
    {
        let text = "the repository keeps nothing of the time before that restore: it goes back to the commit of then, \
                    and what was in no commit stays in the safety backup";
        scene.observer.remark(Element::Code, Remark::note("", text));
    }
    let (how, tree) = match order.kind(element, place, theirs)? {
        Kind::Database(database) => (database.decide(scene, &source, order.id)?, None),
        Kind::Tree(tree) => {
            let tree = tree.with_guest(guest);
            (tree.decide(scene, &source)?, Some(tree))
        }
        Kind::Git(git) if !order.paths.is_empty() => {
            return Err(PartError::PathsInGit { commit: git.commit().to_owned() });
        }
        Kind::Git(mut git) => (git.decide(scene, &source)?, None),
    };
    Ok(Part { staged: staged(how), source, tree })
}

/// Prepares all parts: a database waits for its server while trees wait for their disk. Trees come one after the
/// other, since one may lie inside another.
fn prepare(parts: &[Part<'_>], scene: &Scene<'_>) -> Result<BTreeMap<Element, String>, RestoreError> {
    let one = |part: &Part<'_>| {
        scene.observer.doing(part.staged.element, "preparing");
        let told = part.staged.prepare(scene, &part.source, part.tree.as_ref());
        (part.staged.element, told)
    };
    let (databases, mut others): (Vec<_>, Vec<_>) =
        parts.iter().partition(|part| part.staged.element == Element::Database);
    others.sort_by_key(|part| part.staged.element != Element::Files);
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            databases.into_iter().map(|part| scope.spawn(move || vec![one(part)])).collect();
        let mut results: Vec<_> = others.into_iter().map(one).collect();
        for thread in threads {
            let panicked = |_| vec![(Element::Database, Err(PartError::Panicked))];
            results.extend(thread.join().unwrap_or_else(panicked));
        }
        results
    });
    let told = results.into_iter().map(|(element, result)| match result {
        Ok(told) => Ok((element, told)),
        Err(source) => Err(failed(element, source)),
    });
    told.collect()
}

/// Makes all parts live, or none.
fn switch(
    parts: &[Part<'_>],
    scene: &Scene<'_>,
    journal: &mut Journal,
    journals: JournalPlace<'_>,
) -> Result<(), RestoreError> {
    for (done, part) in parts.iter().enumerate() {
        let element = part.staged.element;
        scene.observer.doing(element, "switching");
        let Err(source) = part.staged.load_over(scene, &part.source) else { continue };
        if part.staged.is_in_place() {
            let _ = abandon(parts, scene.live(), journal, journals);
            return Err(RestoreError::InPlace(Box::new(source)));
        }
        if source.is_between() {
            return Err(RestoreError::Between { element, source: Box::new(source) });
        }
        // If it can't be written down, a kill from here on ends with all switched: as asked, too.
        let _ = journal.enter(Phase::SwitchingBack, journals.folder);
        for part in parts.iter().take(done).rev() {
            let element = part.staged.element;
            part.staged
                .switch_back(scene.live())
                .map_err(|source| RestoreError::Between { element, source: Box::new(source) })?;
        }
        // What is cleaned up can't be switched back again.
        let _ = journal.enter(Phase::Preparing, journals.folder);
        let _ = abandon(parts, scene.live(), journal, journals);
        let source = Box::new(source);
        let loaded_over = parts.iter().take(done).any(|part| part.staged.is_in_place());
        return Err(if loaded_over {
            RestoreError::AllButDatabase { element, source }
        } else {
            RestoreError::PutBack { element, source }
        });
    }
    Ok(())
}

/// Removes what was made, and the journal. What is left over, as a sentence.
fn abandon(
    parts: &[Part<'_>],
    live: Live<'_>,
    journal: &Journal,
    journals: JournalPlace<'_>,
) -> Result<(), String> {
    clean_up(parts, live)?;
    journal.remove(journals.folder).map_err(|error| chain(&error))
}

/// What a repository keeps for undoing restores lives as long as the safety backups that were made with it.
fn forget_old_states(order: &RestoreOrder, place: &Workplace, parts: &[Part<'_>], observer: &dyn Observer) {
    let Some(CodeSource::Git { repository, .. }) = &order.settings.code else { return };
    if !parts.iter().any(|part| part.staged.element == Element::Code) {
        return;
    }
    let than = (place.clock)().as_second().saturating_sub_unsigned(SAFETY_DAYS * 86_400);
    if let Err(error) = git::forget_older(repository, than) {
        let text =
            format!("what the repository keeps of old restores could not be forgotten: {}", chain(&error));
        observer.remark(Element::Code, Remark::note("", text));
    }
}

/// Removes what is not needed any more. What is left over, as a sentence.
fn clean_up(parts: &[Part<'_>], live: Live<'_>) -> Result<(), String> {
    let unstoppable = Unstoppable(live.observer);
    let live = Live { observer: &unstoppable, ..live };
    let all: Vec<_> = parts.iter().map(|part| &part.staged).collect();
    let failed = Staged::clean_up_all(&all, live);
    let left: Vec<_> = failed.iter().map(|(element, error)| format!("{element}: {}", chain(error))).collect();
    if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
}

/// An observer that no longer says stop: what was begun has to be cleaned up all the same.
pub(super) struct Unstoppable<'o>(pub &'o dyn Observer);

impl Observer for Unstoppable<'_> {
    fn doing(&self, element: Element, what: &str) {
        self.0.doing(element, what);
    }
    fn expect(&self, element: Element, bytes: u64) {
        self.0.expect(element, bytes);
    }
    fn advance(&self, element: Element, read: u64, reused: u64) {
        self.0.advance(element, read, reused);
    }
    fn remark(&self, element: Element, remark: Remark) {
        self.0.remark(element, remark);
    }
    fn cancelled(&self) -> bool {
        false
    }
}
