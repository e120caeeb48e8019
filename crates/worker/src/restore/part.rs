//! One element of a restore: how it is prepared beside the live environment, switched, taken back, cleaned up.
//!
//! What to do is decided once and kept in the journal; the phases then need nothing but that and a
//! [`Scene`], which another process can set up again.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use undercroft_model::{
    DatabaseFacts, DatabaseTarget, Element, EnvSettings, Facts, Observer, Remark, Weight,
};
use undercroft_site::database::Rewrite;
use undercroft_site::database::restore as database;
use undercroft_site::files::restore as files;
use undercroft_site::git::restore as git;
use undercroft_site::replace::SearchReplace;
use undercroft_vault::Vault;
use undercroft_vault::index::Index;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::sections::{SectionSource, Sections, TextSection};
use undercroft_vault::stream::SectionKind;
use uuid::Uuid;

use super::error::{PartError, SwitchError};
use super::tree::TreeOrder;
use crate::error::chain;

/// What was decided of one element. Names everything that will be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Staged {
    /// The element.
    pub element: Element,
    /// The backup that it comes from.
    pub backup: Uuid,
    /// The archive's name.
    pub archive: String,
    /// How it comes back.
    pub how: How,
}

/// How an element comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum How {
    /// Into a schema.
    Database {
        /// What was decided.
        staged: database::Staged,
        /// Texts that are replaced on the way.
        search_replace: Vec<(String, String)>,
    },
    /// Into a folder.
    Tree {
        /// What was decided.
        staged: files::Staged,
    },
    /// Into a repository.
    Git {
        /// What was decided.
        staged: git::Staged,
        /// Where the archive's repository was laid out, if that was needed.
        objects: Option<PathBuf>,
    },
    /// Into a scratch schema only, to be compared with what was captured.
    TestRestore {
        /// Names the scratch schema.
        id: Uuid,
    },
    /// A repository goes back to what it was before a restore.
    GitBack {
        /// The repository.
        repository: String,
        /// The restore that is taken back.
        restore: Uuid,
        /// The restore that does so, and may be taken back itself; an older release did not say.
        #[serde(default)]
        id: Uuid,
    },
}

/// What the phases work with.
pub struct Scene<'a> {
    /// Where the environment's elements are.
    pub settings: &'a EnvSettings,
    /// The vault.
    pub vault: &'a Vault,
    /// What it holds.
    pub index: &'a Arc<Index>,
    /// Told of what is done.
    pub observer: &'a dyn Observer,
}

/// What the phases work with that read no archive: it may be gone by then.
#[derive(Clone, Copy)]
pub struct Live<'a> {
    /// Where the environment's elements are.
    pub settings: &'a EnvSettings,
    /// Told of what is done.
    pub observer: &'a dyn Observer,
}

/// Stands for the dump where none is read.
struct NoDump;

impl SectionSource for NoDump {
    fn sections(&self) -> &[TextSection] {
        &[]
    }

    fn open(&self, _: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

impl<'a> Live<'a> {
    pub(super) fn database(&self) -> Result<database::Order<'a>, PartError> {
        let target = self.settings.database.as_ref().ok_or(PartError::NotThere(Element::Database))?;
        Ok(database::Order {
            target,
            dump: &NoDump,
            facts: None,
            rewrite: None,
            absent_is_removed: false,
            may_lose: false,
            foreign: false,
            observer: self.observer,
        })
    }
}

/// An archive with what its backup says of it.
#[derive(Debug, Clone)]
pub struct Source {
    /// The archive.
    pub archive: ArchiveRecord,
    /// What was counted in it, if it is a database.
    pub facts: Option<DatabaseFacts>,
}

impl Source {
    /// An archive with what its backup says of that element.
    pub fn new(archive: ArchiveRecord, facts: Option<&Facts>) -> Self {
        let facts = match facts {
            Some(Facts::Database(facts)) => Some(facts.clone()),
            _ => None,
        };
        Source { archive, facts }
    }
}

/// The parts of a database's order that live as long as a phase.
struct Dump<'a> {
    target: &'a DatabaseTarget,
    sections: Sections,
    replace: Option<SearchReplace>,
}

impl<'a> Scene<'a> {
    /// What needs no archive.
    pub fn live(&self) -> Live<'a> {
        Live { settings: self.settings, observer: self.observer }
    }

    fn dump(&self, source: &Source, pairs: &[(String, String)]) -> Result<Dump<'a>, PartError> {
        let target = self.settings.database.as_ref().ok_or(PartError::NotThere(Element::Database))?;
        let sections = Sections::read(self.vault, self.index, &source.archive)?;
        let replace = (!pairs.is_empty()).then(|| SearchReplace::new(pairs)).transpose()?;
        Ok(Dump { target, sections, replace })
    }

    /// Compares a dump with what was captured, in a scratch schema that `id` names and that is removed again.
    pub fn test_restore(&self, source: &Source, id: Uuid) -> Result<database::TestRestore, PartError> {
        let dump = self.dump(source, &[])?;
        Ok(database::test_restore(&dump.order(source, self.observer), id)?)
    }
}

impl Dump<'_> {
    fn order<'o>(&'o self, source: &'o Source, observer: &'o dyn Observer) -> database::Order<'o> {
        database::Order {
            target: self.target,
            dump: &self.sections,
            facts: source.facts.as_ref(),
            rewrite: self.replace.as_ref().map(|replace| replace as &dyn Rewrite),
            absent_is_removed: false,
            may_lose: false,
            foreign: false,
            observer,
        }
    }
}

/// What is asked of a database.
pub struct DatabaseOrder<'a> {
    /// These tables alone; all if there are none.
    pub tables: &'a [String],
    /// Load over what is there.
    pub in_place: bool,
    /// Leave tables as they are that are damaged in the vault.
    pub skip_damaged: bool,
    /// Remove tables that are named and not in the dump.
    pub absent_is_removed: bool,
    /// Replace what could not be put back, too.
    pub may_lose: bool,
    /// The dump is another environment's.
    pub foreign: bool,
    /// Texts that are replaced on the way.
    pub search_replace: &'a [(String, String)],
}

impl DatabaseOrder<'_> {
    /// The tables that come back alone; `None` for all.
    fn only(&self, dump: &Dump<'_>, observer: &dyn Observer) -> Result<Option<Vec<String>>, PartError> {
        let asked = (!self.tables.is_empty()).then(|| self.tables.to_vec());
        if !self.skip_damaged {
            return Ok(asked);
        }
        observer.doing(Element::Database, "looking for damage");
        let damaged: BTreeSet<usize> = dump.sections.damaged(observer)?.into_iter().collect();
        let sections = dump.sections.sections().iter().enumerate();
        let is_asked = |name: &String| self.tables.is_empty() || self.tables.contains(name);
        let is_table =
            |section: &TextSection| matches!(section.label.kind, SectionKind::Table | SectionKind::Sequence);
        let (hit, whole): (Vec<_>, Vec<_>) = sections
            .filter(|(_, section)| is_table(section) && is_asked(&section.label.name))
            .map(|(place, section)| (damaged.contains(&place), section.label.name.clone()))
            .partition(|(is_damaged, _)| *is_damaged);
        if damaged.is_empty() || (hit.is_empty() && asked.is_some()) {
            return Ok(asked);
        }
        for (_, name) in hit {
            let text = "is damaged in the vault, and stays as it is".to_owned();
            observer.remark(Element::Database, Remark { weight: Weight::Lost, subject: name, text });
        }
        if asked.is_none() {
            let text = "only tables come back; views, routines, events and tables that the dump lacks stay as they are";
            observer.remark(Element::Database, Remark::note("", text));
        }
        let whole: Vec<_> = whole.into_iter().map(|(_, name)| name).collect();
        if whole.is_empty() { Err(PartError::NothingWhole(Element::Database)) } else { Ok(Some(whole)) }
    }

    fn order<'o>(
        &self,
        dump: &'o Dump<'_>,
        source: &'o Source,
        observer: &'o dyn Observer,
    ) -> database::Order<'o> {
        let DatabaseOrder { absent_is_removed, may_lose, foreign, .. } = *self;
        database::Order { absent_is_removed, may_lose, foreign, ..dump.order(source, observer) }
    }

    fn way(&self) -> database::Way {
        if self.in_place { database::Way::InPlace } else { database::Way::Switch }
    }

    /// Decides how a database comes back.
    pub fn decide(&self, scene: &Scene<'_>, source: &Source, id: Uuid) -> Result<How, PartError> {
        let dump = scene.dump(source, self.search_replace)?;
        let only = self.only(&dump, scene.observer)?;
        let order = self.order(&dump, source, scene.observer);
        let staged = database::stage(&order, id, only.as_deref(), self.way())?;
        Ok(How::Database { staged, search_replace: self.search_replace.to_vec() })
    }

    /// Says what would change.
    pub fn plan(&self, scene: &Scene<'_>, source: &Source, id: Uuid) -> Result<database::Plan, PartError> {
        let dump = scene.dump(source, self.search_replace)?;
        let only = self.only(&dump, scene.observer)?;
        let order = self.order(&dump, source, scene.observer);
        let (_, plan) = database::plan(&order, id, only.as_deref(), self.way())?;
        Ok(plan)
    }
}

impl Staged {
    /// Makes everything beside the live environment. `tree`: the order that was decided on, for what is a tree.
    pub fn prepare(
        &self,
        scene: &Scene<'_>,
        source: &Source,
        tree: Option<&TreeOrder<'_>>,
    ) -> Result<String, PartError> {
        match &self.how {
            How::Database { staged, search_replace } => {
                let dump = scene.dump(source, search_replace)?;
                database::prepare(staged, &dump.order(source, scene.observer))?;
                Ok(dump.replace.as_ref().map(SearchReplace::summary).unwrap_or_default())
            }
            How::Tree { staged } => {
                let order = tree.ok_or(PartError::NotThere(self.element))?;
                let made = order.with(&source.archive, |order| {
                    files::prepare(staged, order, scene.vault, scene.index, scene.observer)
                })?;
                Ok(format!("{} written, {} unchanged", made.written.entries, made.linked.entries))
            }
            How::Git { staged, .. } => {
                git::prepare(staged, scene.observer)?;
                Ok(String::new())
            }
            How::GitBack { .. } | How::TestRestore { .. } => Ok(String::new()),
        }
    }

    /// Makes live what was prepared; also again, after it was killed or was done. Not for what [is loaded over what is
    /// live](Self::is_in_place).
    pub fn switch(&self, live: Live<'_>) -> Result<(), SwitchError> {
        match &self.how {
            How::Database { staged, .. } => {
                let order = live.database().map_err(SwitchError::as_it_was)?;
                Ok(database::switch(staged, &order)?)
            }
            How::Tree { staged } => Ok(files::switch(staged, live.observer)?),
            How::Git { staged, .. } => Ok(git::switch(staged, live.observer)?),
            How::GitBack { repository, restore, id } => {
                git::undo(repository, *restore)?;
                keep_for_undoing(repository, (*restore, *id), live.observer);
                Ok(())
            }
            How::TestRestore { .. } => Ok(()),
        }
    }

    /// Loads a dump over what is live; also again, after it was killed or was done. Of everything else, as
    /// [`switch`](Self::switch).
    pub fn load_over(&self, scene: &Scene<'_>, source: &Source) -> Result<(), SwitchError> {
        match &self.how {
            How::Database { staged, search_replace } if self.is_in_place() => {
                let dump = scene.dump(source, search_replace).map_err(SwitchError::as_it_was)?;
                Ok(database::switch(staged, &dump.order(source, scene.observer))?)
            }
            _ => self.switch(scene.live()),
        }
    }

    /// Makes live again what was before.
    pub fn switch_back(&self, live: Live<'_>) -> Result<(), SwitchError> {
        match &self.how {
            // It comes first, and nothing goes back that was switched after it.
            How::Database { .. } if self.is_in_place() => Ok(()),
            How::Database { staged, .. } => {
                let order = live.database().map_err(SwitchError::as_it_was)?;
                Ok(database::switch_back(staged, &order)?)
            }
            How::Tree { staged } => Ok(files::switch_back(staged, live.observer)?),
            How::Git { staged, .. } => Ok(git::switch_back(staged)?),
            // It is the last part of any restore: there is nothing after it that could fail.
            How::GitBack { .. } | How::TestRestore { .. } => Ok(()),
        }
    }

    /// The folder in which a tree is laid out.
    pub fn laid_out(&self) -> Option<PathBuf> {
        match &self.how {
            How::Tree { staged } => Some(staged.stage.clone()),
            _ => None,
        }
    }

    /// Whether nothing live is concerned.
    pub fn is_a_test(&self) -> bool {
        matches!(self.how, How::TestRestore { .. })
    }

    /// Whether a failed switch can't be taken back: the database is loaded over what is live.
    pub fn is_in_place(&self) -> bool {
        matches!(&self.how, How::Database { staged, .. } if staged.way == database::Way::InPlace)
    }
}

/// What was undone may be wanted again. That it can't be kept for that undoes nothing of what was done.
fn keep_for_undoing(repository: &str, (restore, id): (Uuid, Uuid), observer: &dyn Observer) {
    if id.is_nil() {
        return;
    }
    if let Err(error) = git::keep_undone(repository, restore, id) {
        let text = format!("the code's state that was undone is not kept for --undo: {}", chain(&error));
        observer.remark(Element::Code, Remark::note("", text));
    }
}
