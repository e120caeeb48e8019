//! Which files of another environment's code hold its settings, by what these include: they are not to come along.
//!
//! What tells the site, and its settings files, are laid out in a scratch folder out of the archive, and read there as
//! a site's are; what these would include is looked for in the archive, laid out too, and read again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use undercroft_model::{CodeSource, Element, EnvSettings};
use undercroft_site::files::Excludes;
use undercroft_site::profile::{credential_files, settings_files, site_marks};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::index::Index;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::{Entry, EntryKind};
use undercroft_vault::tree::take::{Runs, Taker, Wanted, Xattrs};
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

use super::RestoreOrder;
use super::error::{PartError, RestoreError};
use super::objects::{ObjectsError, folder, remove};
use super::run::failed;
use crate::Workplace;

/// Larger than settings are, in bytes.
const FILE_MAX: u64 = 512 * 1024;
/// Files include one another no deeper than the reader follows them.
const ROUNDS: usize = 9;

impl RestoreOrder {
    /// What the settings of the environment come from that the code is of, by the paths that these files would have
    /// here. Nothing if that is the same one.
    pub(super) fn theirs(&self, place: &Workplace, index: &Arc<Index>) -> Result<Vec<PathBuf>, RestoreError> {
        let code = self.elements.iter().find(|one| one.element == Element::Code);
        let (Some(code), Some(folder)) = (code.filter(|_| self.foreign), code_folder(&self.settings)) else {
            return Ok(Vec::new());
        };
        let found = settings_in(&code.archive, (&place.vault, index), &folder, (&place.cache, self.id));
        found.map_err(|source| failed(Element::Code, source))
    }
}

/// The folder of an environment's code.
fn code_folder(settings: &EnvSettings) -> Option<PathBuf> {
    let folder = match settings.code.as_ref()? {
        CodeSource::Folder { path, .. } => path.as_path(),
        CodeSource::Git { repository, .. } => Path::new(repository.as_str()),
    };
    Some(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()))
}

/// The files that settings come from in an archive of code, by the paths that they would have in `code`.
fn settings_in(
    archive: &ArchiveRecord,
    (vault, index): (&Vault, &Arc<Index>),
    code: &Path,
    (cache, id): (&Path, Uuid),
) -> Result<Vec<PathBuf>, PartError> {
    let scratch = folder(cache, id);
    remove(&scratch)?;
    // Nothing above it belongs to the site.
    let top = scratch.join("of/the/other/site");
    let fail = |source| ObjectsError { action: "making", path: top.clone(), source };
    // There are secrets in it.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&top).map_err(fail)?;
    let top = top.canonicalize().map_err(fail)?;
    let found = Desk { archive, vault, index, top: &top }.read(code);
    remove(&scratch)?;
    let mut found = found?;
    let inner = |file: &PathBuf| file.strip_prefix(&top).map(|inner| code.join(inner)).ok();
    found.sort();
    found.dedup();
    Ok(found.iter().filter_map(inner).collect())
}

/// Where an archive's settings are laid out and read.
struct Desk<'a> {
    archive: &'a ArchiveRecord,
    vault: &'a Vault,
    index: &'a Arc<Index>,
    top: &'a Path,
}

impl Desk<'_> {
    fn read(&self, code: &Path) -> Result<Vec<PathBuf>, PartError> {
        let patterns =
            Excludes::new(&credential_files()).map_err(|error| self.failed(io::Error::other(error)))?;
        let there = self.list()?;
        let mut laid = BTreeSet::new();
        let mut next: BTreeSet<_> =
            there.keys().filter(|path| is_mark(path) || patterns.names(path, false)).cloned().collect();
        let mut found = Vec::new();
        for _ in 0..ROUNDS {
            self.lay_out(&there, &mut laid, next)?;
            if laid.is_empty() {
                break;
            }
            self.borrow_marks(code);
            found = settings_files(self.top);
            let inner = found.iter().filter_map(|file| file.strip_prefix(self.top).ok());
            let inner = inner.map(|path| path.as_os_str().as_bytes().to_vec());
            next = inner.filter(|path| there.contains_key(path) && !laid.contains(path)).collect();
            if next.is_empty() {
                break;
            }
        }
        // A link to settings is one of the names by which they would come along.
        let links = there.iter().filter(|(_, entry)| matches!(entry.kind, EntryKind::Symlink { .. }));
        let leads = |path: &Path| path.canonicalize().is_ok_and(|real| found.contains(&real));
        let names: Vec<_> = links.map(|(path, _)| self.top.join(OsStr::from_bytes(path))).collect();
        let names: Vec<_> = names.into_iter().filter(|path| leads(path)).collect();
        found.extend(names);
        Ok(found)
    }

    fn failed(&self, source: io::Error) -> PartError {
        ObjectsError { action: "laying settings out in", path: self.top.to_owned(), source }.into()
    }

    fn manifest(&self) -> Result<ManifestReader, VaultError> {
        ManifestReader::open(Fetcher::new(self.vault, Arc::clone(self.index)), &self.archive.manifest)
    }

    /// What could be settings, by path.
    fn list(&self) -> Result<BTreeMap<Vec<u8>, Entry>, PartError> {
        let mut there = BTreeMap::new();
        let mut runs = Runs::open(self.manifest()?, Wanted::all())?;
        while let Some(run) = runs.next_run()? {
            for entry in run.entries.into_iter().map(|met| met.entry) {
                let could_be = match entry.kind {
                    EntryKind::File => entry.size <= FILE_MAX,
                    EntryKind::HardLink { .. } | EntryKind::Symlink { .. } => true,
                    _ => false,
                };
                if could_be && !entry.path.starts_with(b".git/") && is_inner(&entry.path) {
                    there.insert(entry.path.clone(), entry);
                }
            }
        }
        Ok(there)
    }

    /// Lays files out, and what links among them lead to.
    fn lay_out(
        &self,
        there: &BTreeMap<Vec<u8>, Entry>,
        laid: &mut BTreeSet<Vec<u8>>,
        mut next: BTreeSet<Vec<u8>>,
    ) -> Result<(), PartError> {
        let mut files: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        while let Some(path) = next.pop_first() {
            let Some(entry) = there.get(&path) else { continue };
            if !laid.insert(path.clone()) {
                continue;
            }
            match &entry.kind {
                EntryKind::Symlink { target } => {
                    if let Some(inner) = self.link(&path, target)? {
                        next.insert(inner);
                    }
                }
                EntryKind::HardLink { target } => files.entry(target.clone()).or_default().push(path),
                _ => files.entry(path.clone()).or_default().push(path),
            }
        }
        if files.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = files.keys().cloned().collect();
        let mut fetcher = Fetcher::new(self.vault, Arc::clone(self.index));
        let mut runs = Runs::open(self.manifest()?, Wanted::these(&wanted))?;
        let mut writer = Writer { desk: self, files, at: Vec::new() };
        while let Some(mut run) = runs.next_run()? {
            run.entries.retain(|met| {
                met.entry.kind == EntryKind::File && writer.files.contains_key(&met.entry.path)
            });
            run.take(&mut fetcher, &mut writer)?;
        }
        Ok(())
    }

    /// Where a file is laid out, in a folder that is made.
    fn place(&self, path: &[u8]) -> io::Result<PathBuf> {
        let place = self.top.join(OsStr::from_bytes(path));
        let above = place.parent().unwrap_or(self.top);
        fs::create_dir_all(above)?;
        // A link that was laid out before may stand above it.
        let inside = above.canonicalize()?.starts_with(self.top);
        if inside { Ok(place) } else { Err(io::Error::other("a link leads out of it")) }
    }

    /// Makes a link that leads nowhere else, and says where.
    fn link(&self, path: &[u8], target: &[u8]) -> Result<Option<Vec<u8>>, PartError> {
        let target = Path::new(OsStr::from_bytes(target));
        let from = Path::new(OsStr::from_bytes(path)).parent().unwrap_or(Path::new(""));
        let Some(inner) = inside(&from.join(target)).filter(|_| !target.is_absolute()) else {
            return Ok(None);
        };
        let place = self.place(path).map_err(|error| self.failed(error))?;
        match symlink(target, &place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(self.failed(error)),
            _ => Ok(Some(inner.into_os_string().into_encoded_bytes())),
        }
    }

    /// What Composer installs is often in no repository: the site is then told by what is in its place here.
    fn borrow_marks(&self, code: &Path) {
        let (marks, _) = site_marks();
        let Ok(entries) = fs::read_dir(code) else { return };
        let below = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        for folder in below.chain([code.to_owned(), code.join("web/wp"), code.join("app/public")]) {
            for mark in marks.iter().filter(|mark| mark.contains('/')) {
                let here = folder.join(mark);
                let small = fs::metadata(&here).is_ok_and(|facts| facts.is_file() && facts.len() <= FILE_MAX);
                let Some(inner) = here.strip_prefix(code).ok().filter(|_| small) else { continue };
                // Without it the site is not told, and what its settings include not known: no reason to fail.
                if let Ok(place) = self.place(inner.as_os_str().as_bytes())
                    && place.symlink_metadata().is_err()
                {
                    let _ = fs::copy(&here, &place);
                }
            }
        }
    }
}

/// Whether a file tells what site it is. Plugins and packages have names without a folder too, further down.
fn is_mark(path: &[u8]) -> bool {
    let (marks, deep) = site_marks();
    marks.iter().any(|mark| {
        let deep = if mark.contains('/') { deep } else { 1 };
        let above = path.strip_suffix(mark.as_bytes());
        above.is_some_and(|above| {
            let folders = above.iter().filter(|byte| **byte == b'/').count();
            (above.is_empty() || above.ends_with(b"/")) && folders <= deep
        })
    })
}

fn is_inner(path: &[u8]) -> bool {
    inside(Path::new(OsStr::from_bytes(path))).is_some_and(|inner| inner.as_os_str().as_bytes() == path)
}

/// A path without `..`; `None` if it leads out.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut inner = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inner.push(name),
            Component::ParentDir => inner.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(inner).filter(|inner| !inner.as_os_str().is_empty())
}

/// Writes files under all of their names that are wanted.
struct Writer<'d> {
    desk: &'d Desk<'d>,
    files: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    at: Vec<u8>,
}

impl Taker for Writer<'_> {
    type Error = PartError;

    fn begin(&mut self, _: &Entry, _: Xattrs) -> Result<(), PartError> {
        self.at.clear();
        Ok(())
    }

    fn content(&mut self, _: &Entry, bytes: &[u8]) -> Result<(), PartError> {
        self.at.extend(bytes);
        Ok(())
    }

    fn end(&mut self, entry: &Entry) -> Result<(), PartError> {
        for name in self.files.get(&entry.path).into_iter().flatten() {
            // What can't be laid out is not followed, and is held back by its own name all the same.
            if let Ok(place) = self.desk.place(name)
                && place.symlink_metadata().is_err()
            {
                let written = fs::File::create(&place).and_then(|mut file| file.write_all(&self.at));
                written.map_err(|error| self.desk.failed(error))?;
            }
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        true
    }
}
