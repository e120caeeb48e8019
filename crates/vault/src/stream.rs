//! The seams through which streams come in: a tree of entries, or text in sections.
//!
//! Whoever captures implements [`TreeSource`] or writes to a [`TextSink`]; the vault decides where the
//! streams are cut and which of their stretches it has already.

use std::io::{self, Read};

use undercroft_model::Remark;

/// A time as file systems keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct FileTime {
    /// Unix seconds.
    pub seconds: i64,
    /// Nanoseconds after that second, below 1,000,000,000.
    pub nanos: u32,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Another name of a file that came before.
    HardLink {
        /// The path of that file's first name, as it stood in its own entry.
        target: Vec<u8>,
    },
    /// A symbolic link.
    Symlink {
        /// What it points at, as it says.
        target: Vec<u8>,
    },
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the archive's top folder: bytes, parted by `/`, with none at either end. Empty for the
    /// top folder itself.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of content; 0 for all but files.
    pub size: u64,
    /// When its content last changed.
    pub mtime: FileTime,
    /// Permission bits, with set-uid, set-gid and sticky: at most `0o7777`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Whatever else tells whether the entry is what it was at the last backup: ctime, inode and device of
    /// a file, the object id of a blob. Never part of the archive.
    pub stamp: [u8; 32],
}

/// The content of one entry, being read.
///
/// An error of the system costs the entry, and is told as a loss. An error that wraps another one
/// ([`io::Error::other`]) ends the capture.
pub trait Content: Read {
    /// Asked once, after the last byte was read: was the entry the same all the while?
    fn settled(&mut self) -> Settled;
}

/// What became of an entry while its content was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It stayed as it was, and its facts can be trusted next time.
    Unchanged,
    /// It stayed as it was, but changed so shortly before that a further change might not show in its
    /// times: next time it has to be read again.
    TooFresh,
    /// It changed while it was read.
    Changed,
}

/// An entry that was opened for reading.
pub struct Opened<'a> {
    /// The entry as it is now: its size or time may differ from when it was met.
    pub entry: Entry,
    /// Extended attributes, by name, in byte order of the names.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its content; exactly [`Entry::size`] bytes unless it changes meanwhile. `None` for all but files.
    pub content: Option<Box<dyn Content + 'a>>,
}

/// Why an entry can't be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The entry is left out of the archive, and the remark says why.
    Skip(Remark),
    /// The capture can't go on.
    Fatal(io::Error),
}

/// A tree of entries.
pub trait TreeSource {
    /// The next entry, or `None` after the last. Entries come in byte order of their paths, where a folder's
    /// path counts as if it ended in `/`; the top folder comes first.
    fn next_entry(&mut self) -> io::Result<Option<Entry>>;

    /// Opens an entry that [`next_entry`](Self::next_entry) gave earlier, after a while, or never.
    fn open<'a>(&'a self, entry: &Entry) -> Result<Opened<'a>, OpenError>;

    /// The owner's and the group's name, where they have any.
    fn owner_names(&self, uid: u32, gid: u32) -> (Option<String>, Option<String>);
}

/// What a section of a text stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SectionKind {
    /// What comes before all else: comments and session settings.
    Preamble,
    /// A table: its definition, rows and triggers.
    Table,
    /// A sequence.
    Sequence,
    /// A view.
    View,
    /// Stored procedures, functions and packages.
    Routines,
    /// Events.
    Events,
    /// What closes the dump.
    End,
}

/// Names a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionLabel {
    /// What it is.
    pub kind: SectionKind,
    /// The object's name; empty where the section has none.
    pub name: String,
}

/// Takes text in sections. Sections begin at a cut, so that one that did not change costs nothing.
pub trait TextSink: Sync {
    /// Opens the section that stands at `ordinal` in the stream. Ordinals start at 0 and leave no gap;
    /// several sections may be open at a time, on several threads, and be opened in any order.
    fn section(&self, ordinal: u32, label: SectionLabel) -> io::Result<Box<dyn Section + '_>>;
}

/// A section that is being written.
pub trait Section: Send {
    /// Appends text. Blocks while the store is slow.
    fn write(&mut self, text: &[u8]) -> io::Result<()>;

    /// Closes the section, which has `rows` rows if it has rows. A section that is dropped without it makes
    /// the whole stream fail.
    fn finish(self: Box<Self>, rows: Option<u64>) -> io::Result<()>;
}
