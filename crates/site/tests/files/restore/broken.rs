//! Broken in ways that people break sites, and brought back.

use std::fs;

use filetime::{FileTime, set_file_times};
use undercroft_site::files::restore::{Effect, Sum};

use super::site::*;
use crate::mounted::may_mount;
use crate::support::*;

/// Deleted, hacked, added, overwritten.
fn break_it(site: &Site) {
    fs::remove_dir_all(site.path("2024/05")).unwrap();
    hack(&site.path("large"));
    hack(&site.path("2025/d.jpg"));
    plant(&site.live, &["2025/shell.php", "wp-l0gin.php"]);
    fs::write(site.path("top.txt"), "defaced, and longer than before").unwrap();
}

#[test]
fn deleted_hacked_and_added_files_are_as_they_were() {
    for with_safety in [false, true] {
        let (site, archive) = Site::planted();
        let was = things(&site.live);
        let untouched = inode(&site.path("2024/c.jpg"));
        break_it(&site);
        let safety = with_safety.then(|| site.safety());
        let prepared = site.restore(&archive, safety.as_ref(), None);
        assert_eq!(things(&site.live), was);
        assert_eq!(inode(&site.path("2024/c.jpg")), untouched, "what did not change is not rewritten");
        assert_eq!((prepared.linked.entries, prepared.written.entries), (2, 5));
        site.watch.assert_whole();
    }
}

#[test]
fn a_file_that_is_hacked_after_the_safety_backup_is_not_taken_for_the_one_that_was_captured() {
    let (site, archive) = Site::planted();
    let was = things(&site.live);
    let safety = site.safety();
    hack(&site.path("large"));
    hack(&site.path("z/z"));
    site.restore(&archive, Some(&safety), None);
    assert_eq!(things(&site.live), was);
}

#[test]
fn a_file_that_is_hacked_at_its_end_is_written_whole() {
    let site = Site::new();
    let content: Vec<u8> = (0..9_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(site.path("video"), &content).unwrap();
    let time = FileTime::from_unix_time(1_700_000_000, 5);
    set_file_times(site.path("video"), time, time).unwrap();
    let (archive, was) = (site.archive(), things(&site.live));
    let mut hacked = content;
    *hacked.last_mut().unwrap() ^= 1;
    fs::write(site.path("video"), hacked).unwrap();
    set_file_times(site.path("video"), time, time).unwrap();
    site.restore(&archive, None, None);
    assert_eq!(things(&site.live), was);
}

#[test]
fn no_content_is_read_to_decide() {
    // In a process of its own, whose reading can be counted.
    if !may_mount("restore::broken::no_content_is_read_to_decide") {
        return;
    }
    let (site, mut large) = (Site::new(), vec![b'L'; 20 << 20]);
    let time = FileTime::from_unix_time(1_700_000_000, 5);
    let write = |large: &[u8]| {
        fs::write(site.path("large"), large).unwrap();
        set_file_times(site.path("large"), time, time).unwrap();
    };
    write(&large);
    let archive = site.archive();
    *large.last_mut().unwrap() = b'X';
    write(&large);
    let read = || -> usize {
        let io = fs::read_to_string("/proc/self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    };
    let before = read();
    site.with(&archive, None, None, |order| site.stage(order).unwrap());
    let staged = read();
    assert!(staged - before < large.len(), "{} bytes", staged - before);
    site.plan(&archive, None, None);
    assert!(read() - staged >= large.len());
}

#[test]
fn a_plan_tells_what_will_be_done_and_does_nothing() {
    let (site, archive) = Site::planted();
    break_it(&site);
    let broken = things(&site.live);
    let plan = site.plan(&archive, None, None);
    assert_eq!(plan.added, Sum { entries: 3, bytes: 26 });
    assert_eq!(plan.removed.entries, 2);
    let by_lists = site.plan(&archive, Some(&site.safety()), None);
    for sample in [
        (Effect::Added, "2024/05/a.jpg"),
        (Effect::Removed, "2025/shell.php"),
        (Effect::Removed, "wp-l0gin.php"),
        // A hack that keeps size and time.
        (Effect::Changed, "large"),
        (Effect::Changed, "top.txt"),
    ] {
        for plan in [&plan, &by_lists] {
            let sample = (sample.0, sample.1.to_owned());
            assert!(plan.samples.contains(&sample), "{sample:?}: {:?}", plan.samples);
        }
    }
    assert_eq!((plan.added.entries, plan.removed.entries), (3, 2));
    assert_eq!(things(&site.live), broken);
}
