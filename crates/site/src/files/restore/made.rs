//! The list of what was laid out: what `switch` goes by, in this process or another.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD};
use serde::{Deserialize, Serialize};
use undercroft_vault::stream::FileTime;
use undercroft_vault::tree::take::Xattrs;

use super::ground;
use super::kept::Kept;

/// The folder that holds the laid-out tree; after the switch, what was live.
pub const TREE: &str = "tree";
/// What names begin with where something waits for a moment, since the file system can't exchange two names.
pub const ASIDE: &str = "aside";
const LIST: &str = "made";
const NEW_LIST: &str = "made.new";
/// A file whose time says when the switch began; 1970 before.
const SWITCHED: &str = "switched";

/// So many milliseconds a tick of the clock for files may last, at most.
const TICKS: u32 = 50;

/// Something that is exchanged in one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its path; the live folder itself if empty.
    pub path: Vec<u8>,
    /// The number of what is to be there; nothing is, if `None`.
    pub new: Option<u64>,
    /// The number of what is there.
    pub old: Option<u64>,
}

/// What a folder says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When it last changed: Unix seconds and nanoseconds.
    pub mtime: (i64, u32),
}

/// A folder whose children are exchanged one by one, and which stays itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// Its path.
    pub path: Vec<u8>,
    /// How it is to look, if the archive has it.
    pub new: Option<Looks>,
    /// How it looked.
    pub old: Option<Looks>,
    /// The attributes that it is to have.
    #[serde(default)]
    pub new_xattrs: Xattrs,
    /// Those that it had.
    #[serde(default)]
    pub old_xattrs: Xattrs,
}

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// What is exchanged, in this order.
    pub units: Vec<Unit>,
    /// What stays.
    pub kept: Vec<Kept>,
    /// Folders that stay themselves.
    pub stays: Vec<Stay>,
}

impl Made {
    /// Writes the list durably.
    pub fn write(&self, stage: &Path) -> io::Result<()> {
        let switched = create(&stage.join(SWITCHED))?;
        switched.sync_all()?;
        set_switched(stage, FileTime::default())?;
        let mut file = create(&stage.join(NEW_LIST))?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        std::fs::rename(stage.join(NEW_LIST), stage.join(LIST))?;
        File::open(stage)?.sync_all()
    }

    /// Reads the list; `None` if it was never finished.
    pub fn read(stage: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(stage.join(LIST)) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the list is.
    pub fn list(stage: &Path) -> PathBuf {
        stage.join(LIST)
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Remembers when the switch began, unless that is known. Needs no room.
///
/// What was laid out is older, by the clock's coarse ticks too: they are a few milliseconds, and waited for.
pub fn mark_switched(stage: &Path, clock: impl Fn() -> FileTime) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if when_switched(stage)?.seconds > 0 {
        return Ok(());
    }
    let list = std::fs::symlink_metadata(stage.join(LIST))?;
    let last = FileTime { seconds: list.ctime(), nanos: list.ctime_nsec().clamp(0, 999_999_999) as u32 };
    let mut now = clock();
    for _ in 0..TICKS {
        // Kernels of today give a file that is looked at a finer time, which may be ahead of the coarse clock.
        if now > last {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        now = clock();
    }
    set_switched(stage, now)
}

/// Sets when the switch began.
pub fn set_switched(stage: &Path, time: FileTime) -> io::Result<()> {
    Ok(ground::set_time(CWD, stage.join(SWITCHED), time, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// When the switch began; 1970 if it did not.
pub fn when_switched(stage: &Path) -> io::Result<FileTime> {
    use std::os::unix::fs::MetadataExt;
    let facts = std::fs::symlink_metadata(stage.join(SWITCHED))?;
    Ok(FileTime { seconds: facts.mtime(), nanos: facts.mtime_nsec().clamp(0, 999_999_999) as u32 })
}
