//! The repository as the vault reads it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use undercroft_vault::stream::{Content, Entry, OpenError, Opened, Settled, TreeSource};

use super::error::GitError;
use super::layout::{Item, Origin, order};
use super::{Repository, objects, shown};

impl TreeSource for Repository {
    fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let item = self.items.get(self.next);
        self.next += 1;
        Ok(item.map(|item| item.entry.clone()))
    }

    fn open<'a>(&'a self, entry: &Entry) -> Result<Opened<'a>, OpenError> {
        let item = self.item(entry).ok_or_else(|| OpenError::Fatal(io::ErrorKind::NotFound.into()))?;
        let content: Option<Box<dyn Content + 'a>> = match &item.origin {
            Origin::Nowhere => None,
            Origin::Bytes(bytes) => Some(Box::new(Constant(bytes.as_slice()))),
            Origin::Made(path) => {
                let file =
                    File::open(path).map_err(|e| OpenError::Fatal(GitError::io("read", path)(e).into()))?;
                Some(Box::new(Constant(file)))
            }
            Origin::File(_) => Some(Box::new(Constant(self.object_file(item)?))),
            Origin::Blob(part, id) => {
                let part = self.parts.get(*part).ok_or(OpenError::Fatal(io::ErrorKind::NotFound.into()))?;
                let blob = part.blobs.open(id).map_err(OpenError::Fatal)?;
                // It was there when the tree was listed.
                let gone = || GitError::Vanished(part.place.common_dir.join("objects").join(id.to_string()));
                Some(Box::new(blob.ok_or_else(|| OpenError::Fatal(gone().into()))?))
            }
        };
        Ok(Opened { entry: item.entry.clone(), xattrs: Vec::new(), content })
    }

    fn owner_names(&self, _: u32, _: u32) -> (Option<String>, Option<String>) {
        // Whoever unpacks the archive owns it.
        (None, None)
    }
}

impl Repository {
    fn item(&self, entry: &Entry) -> Option<&Item> {
        let at = self.items.binary_search_by(|item| order(&item.entry, entry)).ok()?;
        self.items.get(at)
    }

    /// Opens a file that must still be what was listed.
    fn object_file(&self, item: &Item) -> Result<File, OpenError> {
        let Origin::File(path) = &item.origin else {
            return Err(OpenError::Fatal(io::Error::other(shown(&item.entry.path))));
        };
        let vanished = || OpenError::Fatal(GitError::Vanished(path.clone()).into());
        let flags = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let file = match File::options().read(true).custom_flags(flags).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(vanished()),
            Err(error) => return Err(OpenError::Fatal(GitError::io("read", path)(error).into())),
            Ok(file) => file,
        };
        let facts =
            file.metadata().map_err(|error| OpenError::Fatal(GitError::io("read", path)(error).into()))?;
        let now = objects::of_facts(path, &facts);
        if now.size == item.entry.size && now.stamp == item.entry.stamp { Ok(file) } else { Err(vanished()) }
    }
}

/// Content that can't change.
struct Constant<R>(R);

impl<R: Read> Read for Constant<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Content for Constant<R> {
    fn settled(&mut self) -> Settled {
        Settled::Unchanged
    }
}
