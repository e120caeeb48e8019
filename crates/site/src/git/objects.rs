//! The files that hold a repository's objects: packs with their indexes, and loose ones, its own and those that
//! it borrows.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::GitError;
use super::locate::Place;
use super::trust;

/// A file of the object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectFile {
    pub path: PathBuf,
    pub size: u64,
    pub stamp: [u8; 32],
}

/// Object files by their path below `objects`.
pub(super) type ObjectFiles = BTreeMap<String, ObjectFile>;

/// How far borrowed stores may borrow from others: as far as git goes.
const DEPTH: usize = 5;
/// Objects may be packed anew while they are listed; so often is the list made again.
const ATTEMPTS: usize = 20;

/// The object folders of a repository, its own first, and those it names that are not there.
pub(super) fn stores(place: &Place) -> Result<(Vec<PathBuf>, Vec<PathBuf>), GitError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let mut next = vec![place.common_dir.join("objects")];
    for _ in 0..=DEPTH {
        for objects in std::mem::take(&mut next) {
            let Ok(real) = fs::canonicalize(&objects) else {
                missing.push(objects);
                continue;
            };
            trust::check(place.owner, &place.common_dir, &real)?;
            check_links(place, &real)?;
            trust::check(place.owner, &real, &real.join("info/alternates"))?;
            if !found.contains(&real) {
                next.extend(alternates(&real)?);
                found.push(real);
            }
        }
    }
    Ok((found, missing))
}

/// Checks what links in a store lead to: git follows them.
fn check_links(place: &Place, store: &Path) -> Result<(), GitError> {
    for (name, path) in folder(store)? {
        let fan = name == "pack" || name.len() == 2 && is_hex(&name);
        trust::check(place.owner, store, &path)?;
        for (_, path) in if fan { folder(&path)? } else { Vec::new() } {
            let is_link = fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_symlink());
            if is_link {
                trust::check(place.owner, store, &path)?;
            }
        }
    }
    Ok(())
}

fn alternates(objects: &Path) -> Result<Vec<PathBuf>, GitError> {
    let file = objects.join("info/alternates");
    let text = match fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(GitError::io("read", file))?,
    };
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    Ok(lines.map(|line| objects.join(OsStr::from_bytes(line))).collect())
}

/// Lists the object files, as they all are at one moment.
///
/// While git packs objects anew, a file may have gone before its successor was seen: two lists in a row that are
/// the same tell that nothing moved between them.
pub(super) fn list(stores: &[PathBuf]) -> Result<ObjectFiles, GitError> {
    let mut before = list_once(stores)?;
    for _ in 0..ATTEMPTS {
        let now = list_once(stores)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    Err(GitError::Vanished(stores.first().cloned().unwrap_or_default()))
}

fn list_once(stores: &[PathBuf]) -> Result<ObjectFiles, GitError> {
    let mut files = ObjectFiles::new();
    for store in stores {
        for (name, path) in folder(store)? {
            if name.len() == 2 && is_hex(&name) {
                loose(&name, &path, &mut files)?;
            }
        }
        packs(&store.join("pack"), &mut files)?;
    }
    Ok(files)
}

/// The names in a folder that are text, with their paths. A folder that isn't there is empty.
fn folder(path: &Path) -> Result<Vec<(String, PathBuf)>, GitError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(GitError::io("read", path))?,
    };
    let mut list = Vec::new();
    for entry in entries {
        let entry = entry.map_err(GitError::io("read", path))?;
        if let Ok(name) = entry.file_name().into_string() {
            list.push((name, entry.path()));
        }
    }
    Ok(list)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn loose(fan: &str, path: &Path, files: &mut ObjectFiles) -> Result<(), GitError> {
    for (name, path) in folder(path)? {
        if matches!(name.len(), 38 | 62) && is_hex(&name) {
            add(files, format!("{fan}/{name}"), path)?;
        }
    }
    Ok(())
}

/// Packs that have their index; what else may lie beside them, git can make again.
fn packs(path: &Path, files: &mut ObjectFiles) -> Result<(), GitError> {
    let names: BTreeMap<_, _> = folder(path)?.into_iter().collect();
    for (name, path) in &names {
        let Some(stem) = name.strip_suffix(".pack").filter(|stem| is_pack(stem)) else { continue };
        let index = format!("{stem}.idx");
        let Some(index_path) = names.get(&index) else { continue };
        add(files, format!("pack/{index}"), index_path.clone())?;
        add(files, format!("pack/{name}"), path.clone())?;
        // Tells that what this pack's objects name may be missing.
        let promisor = format!("{stem}.promisor");
        if let Some(path) = names.get(&promisor) {
            add(files, format!("pack/{promisor}"), path.clone())?;
        }
    }
    Ok(())
}

fn is_pack(stem: &str) -> bool {
    stem.strip_prefix("pack-").is_some_and(|hash| !hash.is_empty() && is_hex(hash))
}

/// Adds a regular file, unless it went away, or a store that comes before has it.
fn add(files: &mut ObjectFiles, name: String, path: PathBuf) -> Result<(), GitError> {
    if files.contains_key(&name) {
        return Ok(());
    }
    match file(&path) {
        Ok(Some(file)) => {
            files.insert(name, file);
            Ok(())
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(GitError::io("read", path)(error)),
        _ => Ok(()),
    }
}

/// What a file is now; `None` for what is no regular file. A link is not followed: it could lead out of the
/// repository.
pub(super) fn file(path: &Path) -> io::Result<Option<ObjectFile>> {
    let facts = fs::symlink_metadata(path)?;
    Ok(facts.is_file().then(|| of_facts(path, &facts)))
}

/// What a file with these facts is.
pub(super) fn of_facts(path: &Path, facts: &fs::Metadata) -> ObjectFile {
    let mut hasher = blake3::Hasher::new();
    for number in [facts.mtime(), facts.mtime_nsec(), facts.ctime(), facts.ctime_nsec()] {
        hasher.update(&number.to_le_bytes());
    }
    for number in [facts.dev(), facts.ino()] {
        hasher.update(&number.to_le_bytes());
    }
    ObjectFile { path: path.to_owned(), size: facts.len(), stamp: *hasher.finalize().as_bytes() }
}
