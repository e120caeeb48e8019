//! What the file systems that a tree lies on can be trusted with.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rustix::fd::AsFd;
use rustix::fs::fstatfs;
use rustix::time::{ClockId, clock_gettime};
use undercroft_vault::stream::FileTime;

use super::facts::Facts;

/// What is known of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    /// An inode has the same number tomorrow. Where numbers are made up as names are looked up, they say
    /// nothing.
    pub stable_inodes: bool,
    /// Its times come from this machine's clock.
    pub own_clock: bool,
}

impl Mount {
    const LOCAL: Mount = Mount { stable_inodes: true, own_clock: true };
    const REMOTE: Mount = Mount { stable_inodes: true, own_clock: false };
    const SHARED: Mount = Mount { stable_inodes: false, own_clock: false };

    /// By the kernel's magic number; one that is not known counts as local.
    fn of_type(magic: u32) -> Self {
        match magic {
            // FAT, exFAT.
            0x4d44 | 0x2011_bab0 => Mount { stable_inodes: false, own_clock: true },
            // FUSE, SMB in its three drivers.
            0x6573_5546 | 0xff53_4d42 | 0xfe53_4d42 | 0x517b => Mount::SHARED,
            // Folders that VirtualBox, VMware and Parallels share with a machine.
            0x786f_4256 | 0xbacb_acbc | 0x7c7c_6673 => Mount::SHARED,
            // NFS, Ceph, 9P, Lustre, BeeGFS.
            0x6969 | 0x00c3_6400 | 0x0102_1997 | 0x0bd0_0bd0 | 0x1983_0326 => Mount::REMOTE,
            // AFS in its two drivers, GPFS, GFS2, OCFS2.
            0x5346_414f | 0x6b41_4653 | 0x4750_4653 | 0x0116_1970 | 0x7461_636f => Mount::REMOTE,
            _ => Mount::LOCAL,
        }
    }

    /// Whether something changed so shortly before `now`, the time when reading it began, that a later change
    /// might be given the same times.
    pub fn too_fresh(self, facts: &Facts, now: FileTime) -> bool {
        [facts.mtime, facts.ctime].into_iter().any(|time| between(time, now) <= self.grain(time))
    }

    /// How far apart two changes are, at most, that can be given the same time, in nanoseconds.
    ///
    /// The kernel's clock for files ticks every 4 to 10 ms. File systems that keep whole seconds, or every
    /// other one, are known by the time itself. Another machine's clock may differ from ours.
    fn grain(self, time: FileTime) -> u128 {
        const MILLISECOND: u128 = 1_000_000;
        match (self.own_clock, time.nanos) {
            (false, _) => 60_000 * MILLISECOND,
            (true, 0) => 2_100 * MILLISECOND,
            (true, _) => 100 * MILLISECOND,
        }
    }
}

/// The time by the clock that the kernel stamps files with.
pub fn now() -> FileTime {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    FileTime { seconds: now.tv_sec, nanos: now.tv_nsec.clamp(0, 999_999_999) as u32 }
}

fn between(a: FileTime, b: FileTime) -> u128 {
    let nanos = |time: FileTime| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    nanos(a).abs_diff(nanos(b))
}

/// The file systems met in a walk, by device.
#[derive(Debug, Default)]
pub struct Mounts(Mutex<HashMap<(u32, u32), Mount>>);

impl Mounts {
    /// The file system that an open folder is on.
    pub fn learn(&self, folder: impl AsFd, device: (u32, u32)) -> Mount {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(device).or_insert_with(|| match fstatfs(folder) {
            Ok(facts) => Mount::of_type(facts.f_type as u32),
            Err(_) => Mount::LOCAL,
        })
    }

    /// The file system of a device whose folders were met before. A single file that is mounted counts as local.
    pub fn of(&self, device: (u32, u32)) -> Mount {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&device).copied().unwrap_or(Mount::LOCAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: u32) -> FileTime {
        FileTime { seconds, nanos }
    }

    #[test]
    fn a_time_of_whole_seconds_is_fresh_for_longer() {
        assert!(Mount::LOCAL.grain(at(7, 0)) > 2_000_000_000);
        assert!(Mount::LOCAL.grain(at(7, 1)) < 1_000_000_000);
        assert_eq!(Mount::REMOTE.grain(at(7, 1)), Mount::REMOTE.grain(at(7, 0)));
    }

    #[test]
    fn the_distance_of_times_counts_both_ways_and_across_1970() {
        assert_eq!(between(at(-1, 999_999_999), at(0, 1)), 2);
        assert_eq!(between(at(5, 0), at(3, 500_000_000)), 1_500_000_000);
        assert_eq!(between(at(i64::MIN, 0), at(i64::MAX, 0)), u128::from(u64::MAX) * 1_000_000_000);
    }
}
