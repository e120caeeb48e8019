//! Owner, permissions, times and extended attributes, set on what was made.

use rustix::fd::AsFd;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Uid, XattrFlags, chmodat, chownat, fchmod, fchown, fsetxattr,
};
use rustix::io::Errno;
use undercroft_model::Weight;
use undercroft_vault::stream::FileTime;
use undercroft_vault::tree::take::Xattrs;

use super::super::facts::Facts;
use super::super::words::why;
use super::ground::{Spot, set_time};
use super::made::Looks;
use super::tally::Tally;

/// Bits that let a program run with its owner's or group's rights.
const SET_ID: u32 = 0o6000;

impl Looks {
    /// As an entry has them.
    pub fn of_entry(entry: &undercroft_vault::stream::Entry) -> Self {
        let mtime = (entry.mtime.seconds, entry.mtime.nanos);
        Looks { mode: entry.mode & 0o7777, uid: entry.uid, gid: entry.gid, mtime }
    }

    /// As something has them now.
    pub fn of_facts(facts: &Facts) -> Self {
        let mtime = (facts.mtime.seconds, facts.mtime.nanos);
        Looks { mode: facts.mode, uid: facts.uid, gid: facts.gid, mtime }
    }

    fn time(&self) -> FileTime {
        FileTime { seconds: self.mtime.0, nanos: self.mtime.1 }
    }

    /// Sets all that may be set on something open; what may not is counted.
    ///
    /// The order matters: a new owner takes set-uid and capabilities away, and an access list changes permissions.
    pub fn set(&self, fd: impl AsFd, xattrs: &Xattrs, path: &[u8], tally: &Tally) -> rustix::io::Result<()> {
        let owned = self.own(path, tally, |uid, gid| fchown(&fd, uid, gid))?;
        for (name, value) in xattrs {
            match fsetxattr(&fd, name.as_slice(), value, XattrFlags::empty()) {
                Ok(()) => {}
                Err(Errno::NOSPC | Errno::DQUOT) => return Err(Errno::NOSPC),
                Err(error) => {
                    let name = String::from_utf8_lossy(name);
                    let text = format!("its attribute {name} could not be set: {}", why(error));
                    tally.add(Weight::Lost, text, path);
                }
            }
        }
        fchmod(&fd, self.mode(owned))?;
        set_time(&fd, c"", self.time(), AtFlags::EMPTY_PATH)
    }

    /// The same for what can't be opened: symlinks, pipes and devices.
    pub fn set_named(
        &self,
        spot: &Spot,
        kind: FileType,
        path: &[u8],
        tally: &Tally,
    ) -> rustix::io::Result<()> {
        let (folder, name) = (&spot.folder, spot.name.as_slice());
        let owned =
            self.own(path, tally, |uid, gid| chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW))?;
        if kind != FileType::Symlink {
            chmodat(folder, name, self.mode(owned), AtFlags::empty())?;
        }
        set_time(folder, name, self.time(), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Permissions; without the rights of an owner that could not be set.
    fn mode(&self, owned: bool) -> Mode {
        Mode::from_raw_mode(if owned { self.mode } else { self.mode & !SET_ID })
    }

    /// Sets owner and group, or the group alone; whether both are as they should be.
    fn own(
        &self,
        path: &[u8],
        tally: &Tally,
        change: impl Fn(Option<Uid>, Option<Gid>) -> rustix::io::Result<()>,
    ) -> rustix::io::Result<bool> {
        // The highest number means "nobody in particular", and can't be set.
        let uid = (self.uid != u32::MAX).then(|| Uid::from_raw(self.uid));
        let gid = (self.gid != u32::MAX).then(|| Gid::from_raw(self.gid));
        match change(uid, gid) {
            Ok(()) => Ok(true),
            Err(Errno::PERM | Errno::INVAL) => {
                // A group that this account is in may be set.
                let _ = change(None, gid);
                let text = "belongs to the account that restores, since only root may give files away";
                tally.add(Weight::Note, text, path);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
