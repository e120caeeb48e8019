//! A shadow: a repository of our own in a scratch folder, which borrows its objects from the captured one.
//!
//! It has that one's references and a HEAD at the environment's commit, and a configuration that is ours: what
//! git is asked there can run no program that the captured repository names, and changes nothing in it. Its HEAD,
//! `packed-refs`, `shallow` and `index` are those of the archive.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};

use super::command::Git;
use super::config::ConfigWriter;
use super::error::GitError;
use super::locate::Place;
use super::oid::ObjectId;
use super::refs::{Head, Refs, Target};

/// A folder that goes when it is dropped; those of captures that were killed go with the next.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    _lock: File,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Scratch {
    /// Makes one in the cache folder.
    pub fn make(cache: &Path) -> Result<Self, GitError> {
        let scratch = cache.join("scratch");
        make_private(&scratch)?;
        let gate = open_lock(&scratch.join("lock"))?;
        flock(&gate, FlockOperation::LockExclusive)
            .map_err(|error| GitError::io("lock", &scratch)(error.into()))?;
        sweep(&scratch);
        let folder = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let folder = scratch.join(format!("{}-{number}", std::process::id()));
            match fs::create_dir(&folder) {
                // What another container's process with the same number holds.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => {
                    other.map_err(GitError::io("make", &folder))?;
                    break folder;
                }
            }
        };
        let lock = open_lock(&folder.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| GitError::io("lock", &folder)(error.into()))?;
        Ok(Scratch { folder, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed now is removed by the next capture.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes a folder, and those above it, that only this user may enter: a site's code is nobody else's business.
pub(super) fn make_private(folder: &Path) -> Result<(), GitError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(GitError::io("make", folder))
}

/// Opens a file that is locked to keep others out.
pub(super) fn open_lock(path: &Path) -> Result<File, GitError> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true).open(path).map_err(GitError::io("write", path))
}

/// Removes folders whose lock nobody holds.
fn sweep(scratch: &Path) {
    for entry in fs::read_dir(scratch).into_iter().flatten().flatten() {
        let lock = entry.path().join("lock");
        let free = |file: &File| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if File::open(&lock).is_ok_and(|file| free(&file)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A shadow of one repository.
#[derive(Debug)]
pub(super) struct Shadow {
    folder: PathBuf,
    /// Git in it.
    pub git: Git,
    /// HEAD of the archive.
    pub head: Vec<u8>,
    /// `packed-refs` of the archive.
    pub packed_refs: Vec<u8>,
    /// References that name other references, with the text of their files.
    pub symbolic: Vec<(Vec<u8>, Vec<u8>)>,
    /// References whose objects are missing.
    pub dangling: Vec<String>,
    /// `shallow` of the archive, if its history is cut short.
    pub shallow: Option<Vec<u8>>,
}

impl Shadow {
    /// Makes the shadow of a repository in `folder`.
    pub fn make(folder: PathBuf, place: &Place, refs: &Refs, sha256: bool) -> Result<Self, GitError> {
        for part in ["objects/info", "refs", "info"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).map_err(GitError::io("make", &part))?;
        }
        let git = Git::new(&folder, &place.called());
        let shallow = fs::read(place.common_dir.join("shallow")).ok().filter(|text| !text.is_empty());
        if !shallow.iter().flat_map(|text| text.split(|b| *b == b'\n')).all(is_id_or_empty) {
            let why = "its file shallow holds something else than commits".to_owned();
            return Err(GitError::Damaged { repository: place.called(), why });
        }
        let mut shadow = Shadow {
            folder,
            git,
            head: Vec::new(),
            packed_refs: Vec::new(),
            symbolic: Vec::new(),
            dangling: Vec::new(),
            shallow,
        };
        shadow.write("objects/info/alternates", &alternate(&place.common_dir.join("objects")))?;
        shadow.write("config", &ConfigWriter::begin(sha256, None, true).finish())?;
        if let Some(text) = &shadow.shallow {
            shadow.write("shallow", text)?;
        }
        shadow.set_head(&refs.head)?;
        shadow.set_refs(refs)?;
        Ok(shadow)
    }

    /// Writes a file of the shadow.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), GitError> {
        let path = self.folder.join(name);
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(GitError::io("write", path))
    }

    /// A path in the shadow.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Moves HEAD.
    pub fn set_head(&mut self, head: &Head) -> Result<(), GitError> {
        self.head = match head {
            Head::Branch(name) => [b"ref: ", name.as_slice(), b"\n"].concat(),
            Head::Detached(id) => format!("{id}\n").into_bytes(),
        };
        self.write("HEAD", &self.head)
    }

    fn set_refs(&mut self, refs: &Refs) -> Result<(), GitError> {
        let peeled = self.peel(refs)?;
        let mut text = b"# pack-refs with: peeled fully-peeled sorted \n".to_vec();
        for (name, target) in &refs.list {
            match target {
                Target::Reference(to) => {
                    self.symbolic.push((name.clone(), [b"ref: ", to.as_slice(), b"\n"].concat()));
                }
                Target::Object(id) => {
                    text.extend(format!("{id} ").as_bytes());
                    text.extend(name);
                    text.push(b'\n');
                    match peeled.get(id) {
                        Some(Peeled::Missing) => self.dangling.push(super::shown(name)),
                        Some(Peeled::To(object)) => text.extend(format!("^{object}\n").as_bytes()),
                        Some(Peeled::Itself) | None => {}
                    }
                }
            }
        }
        self.write("packed-refs", &text)?;
        self.packed_refs = text;
        Ok(())
    }

    /// What the objects of references are: tags are followed to what they name in the end.
    fn peel(&self, refs: &Refs) -> Result<HashMap<ObjectId, Peeled>, GitError> {
        let mut ids: Vec<_> = refs
            .list
            .iter()
            .filter_map(|(_, t)| if let Target::Object(id) = t { Some(*id) } else { None })
            .collect();
        ids.sort();
        ids.dedup();
        let mut input = String::new();
        for id in &ids {
            input.push_str(&format!("{id}\n{id}^{{}}\n"));
        }
        let doing = "look up what the references name";
        let answer = self.git.ask_with(doing, &["cat-file", "--batch-check"], input.as_bytes())?;
        let mut lines = answer.split(|b| *b == b'\n');
        let mut peeled = HashMap::new();
        for id in ids {
            let (own, end) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            let end = end.split(|b| *b == b' ').next().and_then(ObjectId::parse);
            let what = match end {
                _ if own.ends_with(b" missing") => Peeled::Missing,
                Some(end) if end == id => Peeled::Itself,
                Some(end) => Peeled::To(end),
                None => Peeled::Missing,
            };
            peeled.insert(id, what);
        }
        Ok(peeled)
    }

    /// Writes the index of a commit, without anything of a work tree's files in it, and gives its bytes.
    pub fn write_index(&self, commit: &ObjectId) -> Result<Vec<u8>, GitError> {
        self.git.ask("make the index of the commit", &["read-tree", &commit.to_string()])?;
        let path = self.path("index");
        fs::read(&path).map_err(GitError::io("read", path))
    }
}

fn is_id_or_empty(line: &[u8]) -> bool {
    line.is_empty() || ObjectId::parse(line).is_some()
}

enum Peeled {
    Missing,
    Itself,
    To(ObjectId),
}

/// A line of `objects/info/alternates`.
fn alternate(objects: &Path) -> Vec<u8> {
    let bytes = objects.as_os_str().as_bytes();
    if !bytes.contains(&b'\n') {
        return [bytes, b"\n"].concat();
    }
    let mut line = b"\"".to_vec();
    for byte in bytes {
        match byte {
            b'\n' => line.extend(b"\\n"),
            b'"' | b'\\' => line.extend([b'\\', *byte]),
            _ => line.push(*byte),
        }
    }
    line.extend(b"\"\n");
    line
}
