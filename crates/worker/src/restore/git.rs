//! Code that is in a repository.

use std::path::{Path, PathBuf};

use undercroft_model::{CodeSource, Element, EnvSettings, Facts, Observer, Remark};
use undercroft_site::git::restore as git;
use undercroft_site::profile::{credential_files, missing_settings};
use uuid::Uuid;

use super::error::PartError;
use super::objects::{self, What};
use super::part::{How, Scene, Source};
use super::tree::own_settings;
use super::{ElementOrder, RestoreOrder};

/// What is asked of a repository.
pub struct GitOrder<'a> {
    order: git::Order,
    cache: &'a Path,
}

/// What all repositories of a restore have in common.
pub struct Repositories<'a> {
    /// Where the environment's elements are.
    pub settings: &'a EnvSettings,
    /// Where scratch files go.
    pub cache: &'a Path,
    /// Whether the archives are another environment's, whose credentials are not to come along.
    pub foreign: bool,
    /// What that environment's settings come from, by the paths that these files would have here.
    pub theirs: &'a [PathBuf],
    /// Whether files go that git does not track.
    pub remove_untracked: bool,
    /// The program's own folders.
    pub own: &'a [PathBuf],
    /// Names the restore.
    pub id: Uuid,
}

impl<'a> Repositories<'a> {
    /// The order, if the environment's code is in a repository.
    pub fn order(&self, archive: &str, facts: Option<&Facts>) -> Result<Option<GitOrder<'a>>, PartError> {
        let Some(CodeSource::Git { repository, revision, .. }) = &self.settings.code else { return Ok(None) };
        let (commit, reference) = match facts {
            Some(Facts::Code(facts)) => (facts.commit.clone(), facts.reference.clone()),
            _ => (None, None),
        };
        // Which branch another environment is on is its own matter.
        let branch = reference.filter(|_| !self.foreign);
        let commit = commit.ok_or_else(|| PartError::NoCommit { archive: archive.to_owned() })?;
        let files = self.settings.files.iter().map(|files| &files.path);
        let order = git::Order {
            repository: repository.clone(),
            revision: revision.clone(),
            commit,
            branch,
            id: self.id,
            protect: if self.foreign { credential_files() } else { Vec::new() },
            protect_files: match self.foreign {
                true => own_settings(self.settings).into_iter().chain(self.theirs.iter().cloned()).collect(),
                false => Vec::new(),
            },
            remove_untracked: self.remove_untracked,
            spare: files.chain(self.own).cloned().collect(),
            objects: None,
        };
        Ok(Some(GitOrder { order, cache: self.cache }))
    }
}

/// Tells of a site that comes back without its settings: git mostly ignores them, so that no archive has them.
pub(super) fn tell_lost_settings(order: &RestoreOrder, observer: &dyn Observer) {
    let Some(CodeSource::Git { repository, .. }) = &order.settings.code else { return };
    if order.settings.database.is_none() || order.elements.iter().all(|one| one.element != Element::Code) {
        return;
    }
    let folder = order.settings.folder.as_deref().unwrap_or(Path::new(repository));
    if let Some(file) = missing_settings(folder) {
        let text = format!(
            "the site has no settings: {} is not there, and git, which ignores it, has it in no backup of the code. Make it \
             anew, or get it from where you keep it",
            file.display()
        );
        observer.remark(Element::Code, Remark::note("", text));
    }
}

impl RestoreOrder {
    /// The repository, and the restore that is taken back, if the one keeps what was before the other.
    pub(super) fn kept_state(&self, one: &ElementOrder) -> Result<Option<(String, Uuid)>, PartError> {
        let (Element::Code, Some(restore), Some(CodeSource::Git { repository, .. })) =
            (one.element, self.takes_back, &self.settings.code)
        else {
            return Ok(None);
        };
        let is_kept = git::kept(repository)?.iter().any(|kept| kept.id == restore);
        Ok(is_kept.then(|| (repository.clone(), restore)))
    }
}

impl RestoreOrder {
    /// Refuses to put a repository's archive in the place of a folder in which there is anything: whatever git does not
    /// track is in no such archive, and would go without a word.
    pub(super) fn spares_untracked(&self, one: &ElementOrder) -> Result<(), PartError> {
        let (Element::Code, Some(CodeSource::Folder { path, .. })) = (one.element, &self.settings.code)
        else {
            return Ok(());
        };
        let is_of_git = matches!(&one.facts, Some(Facts::Code(facts)) if facts.commit.is_some());
        let is_asked = self.remove_untracked || self.takes_back.is_some() || !self.paths.is_empty();
        let uploads = self.settings.files.as_ref().map(|files| files.path.as_path());
        match is_of_git && !is_asked && holds_something(path, uploads) {
            true => Err(PartError::GitOverFolder { folder: path.clone() }),
            false => Ok(()),
        }
    }
}

/// Whether there is anything but folders in a folder, and in what lies apart from it.
fn holds_something(folder: &Path, apart: Option<&Path>) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => {
            Some(entry.path().as_path()) != apart && holds_something(&entry.path(), apart)
        }
        _ => true,
    })
}

impl GitOrder<'_> {
    /// The archived commit.
    pub fn commit(&self) -> &str {
        &self.order.commit
    }

    /// Decides how the repository goes back; lays the archive's own out if the environment's lacks the commit.
    pub fn decide(&mut self, scene: &Scene<'_>, source: &Source) -> Result<How, PartError> {
        if git::needs_objects(&self.order)? {
            self.lay_out(scene, source)?;
        }
        let staged = git::stage(&self.order, self.cache)?;
        Ok(How::Git { staged, objects: self.order.objects.clone() })
    }

    /// Looks whether anything is in the way, as far as the environment's own repository tells.
    pub fn check(&self) -> Result<(), PartError> {
        if !git::needs_objects(&self.order)? {
            git::stage(&self.order, self.cache)?;
        }
        Ok(())
    }

    /// Says what would change; the archive's repository is laid out for that if the environment's lacks the commit, and
    /// removed again.
    pub fn plan(&mut self, scene: &Scene<'_>, source: &Source) -> Result<git::Plan, PartError> {
        if !git::needs_objects(&self.order)? {
            return Ok(git::plan(&self.order, self.cache)?);
        }
        let folder = self.lay_out(scene, source)?;
        let plan = git::plan(&self.order, self.cache);
        objects::remove(&folder)?;
        Ok(git::Plan { needs_objects: false, ..plan? })
    }

    fn lay_out(&mut self, scene: &Scene<'_>, source: &Source) -> Result<PathBuf, PartError> {
        let folder = objects::folder(self.cache, self.order.id);
        let place = (folder.as_path(), self.order.id);
        let vault = (scene.vault, scene.index);
        objects::lay_out(vault, &source.archive, What::Repository, place, scene.observer)?;
        self.order.objects = Some(folder.clone());
        Ok(folder)
    }
}
