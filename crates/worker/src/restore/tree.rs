//! A tree's order: files, or code in a plain folder.

use std::path::{Path, PathBuf};

use undercroft_model::{CodeSource, Element, EnvSettings};
use undercroft_site::files::Skip;
use undercroft_site::files::restore as files;
use undercroft_site::profile::{credential_files, pattern_of, settings_files};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::FileTime;
use uuid::Uuid;

use super::error::PartError;
use super::part::{How, Scene, Source};

/// What is asked of a tree.
pub struct TreeOrder<'a> {
    element: Element,
    live: &'a Path,
    keep: &'a [String],
    protect: Vec<String>,
    skip: Vec<Skip<'a>>,
    only: Option<Vec<Vec<u8>>>,
    now: Option<(&'a ArchiveRecord, FileTime)>,
    takes_back: bool,
    id: Uuid,
    skip_damaged: bool,
    /// Where another tree of the same restore is laid out, which may be inside this one: it moves along.
    guest: Option<PathBuf>,
}

/// What all trees of a restore have in common.
pub struct Trees<'a> {
    /// Where the environment's elements are.
    pub settings: &'a EnvSettings,
    /// The program's own folders.
    pub own: &'a [PathBuf],
    /// These paths alone; all if there are none.
    pub paths: &'a [String],
    /// Whether the archives are another environment's, whose credentials are not to come along.
    pub foreign: bool,
    /// What that environment's settings come from, by the paths that these files would have here.
    pub theirs: &'a [PathBuf],
    /// Go on without what is damaged in the vault.
    pub skip_damaged: bool,
    /// Whether another restore is taken back: what was not there before it goes.
    pub takes_back: bool,
    /// Names the restore.
    pub id: Uuid,
}

impl<'a> Trees<'a> {
    /// The order of an element that is a tree; `None` if it is another thing.
    pub fn order(
        &self,
        element: Element,
        now: Option<(&'a ArchiveRecord, FileTime)>,
    ) -> Option<TreeOrder<'a>> {
        let files = self.settings.files.as_ref();
        let (live, keep) = match (element, &self.settings.code) {
            (Element::Files, _) => files.map(|files| (files.path.as_path(), files.exclude.as_slice()))?,
            (Element::Code, Some(CodeSource::Folder { path, exclude })) => {
                (path.as_path(), exclude.as_slice())
            }
            _ => return None,
        };
        let own = self.own.iter().map(|path| Skip { path, what: "Undercroft's own data folder" });
        let mut skip: Vec<_> = own.collect();
        if element == Element::Code {
            skip.extend(files.map(|files| Skip {
                path: &files.path,
                what: "the files folder, which has its own archive",
            }));
        }
        let only = (!self.paths.is_empty())
            .then(|| self.paths.iter().map(|path| path.trim_matches('/').as_bytes().to_vec()).collect());
        let protect = if self.foreign { protected(self.settings, self.theirs, live) } else { Vec::new() };
        let skip_damaged = self.skip_damaged;
        Some(TreeOrder {
            element,
            live,
            keep,
            protect,
            skip,
            only,
            now,
            takes_back: self.takes_back,
            id: self.id,
            skip_damaged,
            guest: None,
        })
    }
}

/// Patterns of what holds an environment's own credentials: the files that the CMS has for it, and those that its
/// settings, and those of the other environment, come from now.
fn protected(settings: &EnvSettings, theirs: &[PathBuf], live: &Path) -> Vec<String> {
    let live = live.canonicalize().unwrap_or_else(|_| live.to_owned());
    let own = own_settings(settings);
    let named = own.iter().chain(theirs);
    credential_files().into_iter().chain(named.filter_map(|file| pattern_of(&live, file))).collect()
}

/// The files that an environment's settings come from now, or would come from if they were there.
pub fn own_settings(settings: &EnvSettings) -> Vec<PathBuf> {
    let folder = settings.folder.as_deref().or(match &settings.code {
        Some(CodeSource::Folder { path, .. }) => Some(path.as_path()),
        Some(CodeSource::Git { repository, .. }) => Some(Path::new(repository.as_str())),
        None => None,
    });
    folder.filter(|folder| folder.is_dir()).map(settings_files).unwrap_or_default()
}

impl TreeOrder<'_> {
    /// Says where another tree of the same restore is laid out.
    pub fn with_guest(self, guest: Option<PathBuf>) -> Self {
        TreeOrder { guest, ..self }
    }

    /// Calls `with` with the order in the form that `site` takes.
    pub fn with<T>(&self, archive: &ArchiveRecord, with: impl FnOnce(&files::Order<'_>) -> T) -> T {
        let mut skip = self.skip.clone();
        skip.extend(self.guest.as_deref().map(|path| Skip { path, what: "what is prepared for the files" }));
        with(&files::Order {
            element: self.element,
            live: self.live,
            archive,
            now: self.now.map(|(archive, captured)| files::Now { archive, captured }),
            only: self.only.as_deref(),
            absent_is_removed: self.takes_back,
            keep: self.keep,
            protect: &self.protect,
            skip: &skip,
            skip_damaged: self.skip_damaged,
            id: self.id,
        })
    }

    /// Decides how the tree comes back.
    pub fn decide(&self, scene: &Scene<'_>, source: &Source) -> Result<How, PartError> {
        let staged = self
            .with(&source.archive, |order| files::stage(order, scene.vault, scene.index, scene.observer))?;
        Ok(How::Tree { staged })
    }

    /// Says what would change.
    pub fn plan(&self, scene: &Scene<'_>, source: &Source) -> Result<files::Plan, PartError> {
        Ok(self.with(&source.archive, |order| files::plan(order, scene.vault, scene.index, scene.observer))?)
    }
}
