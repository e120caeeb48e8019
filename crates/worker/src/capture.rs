//! One element's capture: opened at the backup's moment, then written.

use std::path::{Path, PathBuf};

use undercroft_model::{
    CodeFacts, CodeSource, DatabaseTarget, Element, EnvSettings, Facts, FilesFacts, Observer,
};
use undercroft_site::database::Snapshot;
use undercroft_site::files::{Skip, Tree, TreeOptions};
use undercroft_site::git::Repository;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::session::Session;
use undercroft_vault::stream::TreeSource;
use undercroft_vault::text::TextWriter;
use undercroft_vault::tree::{TreeCounts, TreeJob, write_tree};

use crate::CaptureError;

/// An element that was opened: what it is to hold stands fixed from here on.
pub enum Open<'o> {
    /// A repository at a commit.
    Git(Box<Repository>),
    /// A plain folder of code.
    Folder(Box<Tree<'o>>),
    /// A database's snapshot.
    Database(Box<Snapshot>),
    /// A tree of files.
    Files(Box<Tree<'o>>),
}

/// Where captures find things and what they must leave alone.
pub struct Surroundings<'a> {
    /// The environment.
    pub settings: &'a EnvSettings,
    /// Where mirrors of remote repositories are kept.
    pub cache: &'a Path,
    /// Folders that are never part of an archive: the program's own.
    pub own: &'a [PathBuf],
}

impl Surroundings<'_> {
    fn own(&self) -> Vec<Skip<'_>> {
        self.own.iter().map(|path| Skip { path, what: "Undercroft's own data folder" }).collect()
    }
}

/// Opens an element. What it reads is, as far as its kind can, what was there now.
pub fn open<'o>(
    element: Element,
    around: &Surroundings<'_>,
    observer: &'o dyn Observer,
) -> Result<Open<'o>, CaptureError> {
    let settings = around.settings;
    match element {
        Element::Code => match settings.code.as_ref().ok_or(CaptureError::NotThere(element))? {
            CodeSource::Git { repository, with_credentials, revision } => {
                let repository =
                    if with_credentials.is_empty() { repository } else { with_credentials.reveal() };
                let opened = Repository::open(repository, revision, around.cache, observer)?;
                Ok(Open::Git(Box::new(opened)))
            }
            CodeSource::Folder { path, exclude } => {
                let mut skip = around.own();
                skip.extend(settings.files.as_ref().map(|files| Skip {
                    path: &files.path,
                    what: "the files folder, which has its own archive",
                }));
                let options = TreeOptions { element, folder: path, exclude, skip: &skip };
                Ok(Open::Folder(Box::new(Tree::open(options, observer)?)))
            }
        },
        Element::Database => {
            let target: &DatabaseTarget =
                settings.database.as_ref().ok_or(CaptureError::NotThere(element))?;
            Ok(Open::Database(Box::new(Snapshot::open(target, observer)?)))
        }
        Element::Files => {
            let files = settings.files.as_ref().ok_or(CaptureError::NotThere(element))?;
            let skip = around.own();
            let options = TreeOptions { element, folder: &files.path, exclude: &files.exclude, skip: &skip };
            Ok(Open::Files(Box::new(Tree::open(options, observer)?)))
        }
    }
}

/// How an archive is to be called, and what it may reuse.
pub struct Target<'a> {
    /// The archive's file name.
    pub name: String,
    /// The folder that a tree's entries are in.
    pub top: String,
    /// The same archive of the last backup.
    pub previous: Option<ManifestReader>,
    /// Where its fragments go.
    pub session: &'a Session,
}

/// Writes an opened element into the vault.
pub fn write(
    open: Open<'_>,
    target: Target<'_>,
    observer: &dyn Observer,
) -> Result<(ArchiveRecord, Facts), CaptureError> {
    match open {
        Open::Database(snapshot) => {
            observer.expect(Element::Database, snapshot.expected());
            let text = TextWriter::new(target.session, Element::Database, observer);
            let facts = snapshot.dump(&text, observer)?;
            Ok((text.finish(&target.name)?, Facts::Database(facts)))
        }
        Open::Git(mut repository) => {
            let (archive, counts) = tree(repository.as_mut(), Element::Code, target, observer)?;
            let mut facts = repository.finish()?;
            count(&mut facts.tree, counts);
            Ok((archive, Facts::Code(facts)))
        }
        Open::Folder(mut folder) => {
            let (archive, counts) = tree(folder.as_mut(), Element::Code, target, observer)?;
            let mut facts = CodeFacts { tree: folder.finish(), ..CodeFacts::default() };
            count(&mut facts.tree, counts);
            Ok((archive, Facts::Code(facts)))
        }
        Open::Files(mut files) => {
            let (archive, counts) = tree(files.as_mut(), Element::Files, target, observer)?;
            let mut facts = files.finish();
            count(&mut facts, counts);
            Ok((archive, Facts::Files(facts)))
        }
    }
}

fn tree(
    source: &mut dyn TreeSource,
    element: Element,
    target: Target<'_>,
    observer: &dyn Observer,
) -> Result<(ArchiveRecord, TreeCounts), CaptureError> {
    let job = TreeJob { name: &target.name, top: &target.top, element, previous: target.previous, observer };
    Ok(write_tree(target.session, source, job)?)
}

fn count(facts: &mut FilesFacts, counts: TreeCounts) {
    facts.entries = counts.entries;
    facts.files = counts.files;
    facts.content = counts.content;
}
