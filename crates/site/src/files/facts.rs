//! What `stat` says of an entry, and the entry made of it.

use std::path::Path;

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, CWD, FileType, Statx, StatxFlags, StatxTimestamp, statx};
use rustix::path::Arg;
use undercroft_vault::stream::{Entry, EntryKind, FileTime};

use super::mounts::Mount;

/// What `stat` says of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its kind.
    pub kind: FileType,
    /// The device it is on: major and minor number.
    pub device: (u32, u32),
    /// Its number on that device.
    pub inode: u64,
    /// How many names it has.
    pub names: u32,
    /// Bytes of content.
    pub size: u64,
    /// When its content last changed.
    pub mtime: FileTime,
    /// When anything of it last changed. Nobody can set it.
    pub ctime: FileTime,
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    special: (u32, u32),
}

/// What is asked for: all that makes an [`Entry`], and no access time, which network file systems would have to
/// fetch.
const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::UID)
    .union(StatxFlags::GID)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE);

impl Facts {
    /// Looks at a name in an open folder. A symlink is looked at itself.
    pub fn of_name(folder: impl AsFd, name: impl Arg) -> rustix::io::Result<Self> {
        statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, WANTED).map(|stat| Facts::new(&stat))
    }

    /// Looks at what a path leads to, through symlinks.
    pub fn of_path(path: &Path) -> rustix::io::Result<Self> {
        statx(CWD, path, AtFlags::empty(), WANTED).map(|stat| Facts::new(&stat))
    }

    /// Looks at what is open.
    pub fn of_open(fd: impl AsFd) -> rustix::io::Result<Self> {
        statx(fd, c"", AtFlags::EMPTY_PATH, WANTED).map(|stat| Facts::new(&stat))
    }

    fn new(stat: &Statx) -> Self {
        Facts {
            kind: FileType::from_raw_mode(u32::from(stat.stx_mode)),
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            names: stat.stx_nlink,
            size: stat.stx_size,
            mtime: time(&stat.stx_mtime),
            ctime: time(&stat.stx_ctime),
            mode: u32::from(stat.stx_mode) & 0o7777,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            special: (stat.stx_rdev_major, stat.stx_rdev_minor),
        }
    }

    /// Which thing it is, whatever it is called.
    pub fn identity(&self) -> Identity {
        Identity { device: self.device, inode: self.inode }
    }

    /// Whether both are one folder. The times must agree too: some file systems give a number twice.
    pub fn is_same_folder(&self, other: &Facts) -> bool {
        self.identity() == other.identity() && self.same_content(other)
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Bytes of content: 0 for all but files.
    pub fn content(&self) -> u64 {
        if self.kind == FileType::RegularFile { self.size } else { 0 }
    }

    /// Whether nothing that tells of changed content differs.
    pub fn same_content(&self, other: &Facts) -> bool {
        (self.size, self.mtime, self.ctime) == (other.size, other.mtime, other.ctime)
    }

    /// The entry; `None` for what an archive can't hold, such as sockets. `target` is what a symlink points at.
    pub fn entry(&self, path: Vec<u8>, target: Vec<u8>, mount: Mount) -> Option<Entry> {
        let (major, minor) = self.special;
        let kind = match self.kind {
            FileType::RegularFile => EntryKind::File,
            FileType::Directory => EntryKind::Folder,
            FileType::Symlink => EntryKind::Symlink { target },
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => EntryKind::CharDevice { major, minor },
            FileType::BlockDevice => EntryKind::BlockDevice { major, minor },
            FileType::Socket | FileType::Unknown => return None,
        };
        let size = self.content();
        let (mode, uid, gid) = (self.mode, self.uid, self.gid);
        Some(Entry { path, kind, size, mtime: self.mtime, mode, uid, gid, stamp: self.stamp(mount) })
    }

    /// Inode and ctime, which change when content changes, even if its mtime is set back. The device is left
    /// out: network file systems and containers number theirs anew at each start, and that must not make the
    /// whole tree be read again.
    fn stamp(&self, mount: Mount) -> [u8; 32] {
        let mut stamp = [0; 32];
        let inode = if mount.stable_inodes { self.inode } else { 0 };
        stamp[..8].copy_from_slice(&inode.to_le_bytes());
        stamp[8..16].copy_from_slice(&self.ctime.seconds.to_le_bytes());
        stamp[16..20].copy_from_slice(&self.ctime.nanos.to_le_bytes());
        stamp[20] = u8::from(self.kind == FileType::RegularFile && self.names > 1);
        stamp
    }
}

/// Whether two stamps are of the same inode, as far as they tell.
pub fn same_inode(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a[..8] == b[..8]
}

/// Whether a stamp is of a file that has several names.
pub fn several_names(stamp: &[u8; 32]) -> bool {
    stamp[20] != 0
}

/// Which thing an entry is, as long as the walk lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    device: (u32, u32),
    inode: u64,
}

fn time(time: &StatxTimestamp) -> FileTime {
    FileTime { seconds: time.tv_sec, nanos: time.tv_nsec.min(999_999_999) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Mount = Mount { stable_inodes: true, own_clock: true };

    fn of_a_file() -> Facts {
        Facts::of_open(tempfile::tempfile().unwrap()).unwrap()
    }

    #[test]
    fn a_device_with_another_number_makes_no_other_stamp() {
        let facts = of_a_file();
        let mut remounted = facts;
        remounted.device = (facts.device.0 + 1, 7);
        assert_eq!(facts.stamp(LOCAL), remounted.stamp(LOCAL));
    }

    #[test]
    fn an_inode_counts_where_it_is_stable() {
        let facts = of_a_file();
        let mut other = facts;
        other.inode += 1;
        let unstable = Mount { stable_inodes: false, ..LOCAL };
        assert_ne!(facts.stamp(LOCAL), other.stamp(LOCAL));
        assert!(!same_inode(&facts.stamp(LOCAL), &other.stamp(LOCAL)));
        assert_eq!(facts.stamp(unstable), other.stamp(unstable));
        other.ctime.nanos ^= 1;
        assert_ne!(facts.stamp(unstable), other.stamp(unstable));
    }
}
