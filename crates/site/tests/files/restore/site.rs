//! A live folder with a vault, broken and restored.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use filetime::{FileTime as Time, set_file_times};
use tempfile::TempDir;
use undercroft_model::{Element, Observer};
use undercroft_site::files::restore::{
    self, Now, Order, Plan, PrepareError, Prepared, StageError, Staged, clean_up, switch,
};
use undercroft_site::files::{Skip, TreeOptions};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::FileTime;
use uuid::Uuid;

use crate::support::*;

/// A live folder, its vault, and an archive of it.
pub struct Site {
    pub kept: Kept,
    pub folder: TempDir,
    pub live: PathBuf,
    pub keep: Vec<String>,
    pub protect: Vec<String>,
    pub skip: Vec<PathBuf>,
    pub absent_is_removed: bool,
    pub watch: Watch,
}

/// A safety backup.
pub type Safety = (ArchiveRecord, FileTime);

impl Site {
    /// An empty live folder.
    pub fn new() -> Self {
        Site::at("live")
    }

    /// An empty live folder at a path below the site's own.
    pub fn at(live: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path().join(live);
        fs::create_dir_all(&live).unwrap();
        let (keep, protect, skip) = (Vec::new(), Vec::new(), Vec::new());
        let (kept, watch) = (Kept::new(), Watch::default());
        Site { kept, folder, live, keep, protect, skip, absent_is_removed: false, watch }
    }

    /// A small site, with an archive of it.
    pub fn planted() -> (Self, ArchiveRecord) {
        let site = Site::new();
        plant(&site.live, &["2024/05/a.jpg", "2024/05/b.jpg", "2024/c.jpg", "2025/d.jpg", "top.txt", "z/z"]);
        fs::write(site.live.join("large"), vec![b'L'; 700_000]).unwrap();
        let archive = site.archive();
        (site, archive)
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.live.join(path)
    }

    /// An archive of what is live.
    pub fn archive(&self) -> ArchiveRecord {
        let skip: Vec<_> = self.skips();
        let options =
            TreeOptions { folder: &self.live, element: Element::Files, exclude: &self.keep, skip: &skip };
        self.kept.capture(options, None, &Watch::default()).0
    }

    /// A safety backup, taken once what was written last can be trusted.
    pub fn safety(&self) -> Safety {
        settle();
        let captured = restore::now();
        (self.archive(), captured)
    }

    fn skips(&self) -> Vec<Skip<'_>> {
        self.skip.iter().map(|path| Skip { path, what: "another element" }).collect()
    }

    /// Does something with the order of a restore.
    pub fn with<T>(
        &self,
        archive: &ArchiveRecord,
        now: Option<&Safety>,
        only: Option<&[&str]>,
        what: impl FnOnce(&Order<'_>) -> T,
    ) -> T {
        let only: Option<Vec<_>> =
            only.map(|only| only.iter().map(|path| path.as_bytes().to_vec()).collect());
        let skip = self.skips();
        what(&Order {
            element: Element::Files,
            live: &self.live,
            archive,
            now: now.map(|(archive, captured)| Now { archive, captured: *captured }),
            only: only.as_deref(),
            absent_is_removed: self.absent_is_removed,
            keep: &self.keep,
            protect: &self.protect,
            skip: &skip,
            skip_damaged: false,
            id: Uuid::new_v4(),
        })
    }

    pub fn plan(&self, archive: &ArchiveRecord, now: Option<&Safety>, only: Option<&[&str]>) -> Plan {
        self.with(archive, now, only, |order| {
            restore::plan(order, self.kept.vault(), &self.kept.index(), &self.watch).unwrap()
        })
    }

    /// What was written before is told apart from what comes later.
    pub fn stage(&self, order: &Order<'_>) -> Result<Staged, StageError> {
        settle();
        restore::stage(order, self.kept.vault(), &self.kept.index(), &self.watch)
    }

    pub fn prepare(&self, staged: &Staged, order: &Order<'_>) -> Result<Prepared, PrepareError> {
        self.prepare_watched(staged, order, &self.watch)
    }

    pub fn prepare_watched(
        &self,
        staged: &Staged,
        order: &Order<'_>,
        watch: &dyn Observer,
    ) -> Result<Prepared, PrepareError> {
        restore::prepare(staged, order, self.kept.vault(), &self.kept.index(), watch)
    }

    /// Everything up to the switch.
    pub fn prepared(
        &self,
        archive: &ArchiveRecord,
        now: Option<&Safety>,
        only: Option<&[&str]>,
    ) -> (Staged, Prepared) {
        self.with(archive, now, only, |order| {
            let staged = self.stage(order).unwrap();
            let prepared = self.prepare(&staged, order).unwrap();
            (staged, prepared)
        })
    }

    /// The whole restore.
    pub fn restore(&self, archive: &ArchiveRecord, now: Option<&Safety>, only: Option<&[&str]>) -> Prepared {
        let (staged, prepared) = self.prepared(archive, now, only);
        switch(&staged, &self.watch).unwrap();
        clean_up(&staged, &self.watch).unwrap();
        assert!(!staged.stage.exists());
        prepared
    }
}

/// Changes a file as an intruder would: size, time and permissions stay.
pub fn hack(file: &Path) {
    let facts = fs::metadata(file).unwrap();
    let text: Vec<u8> = fs::read(file).unwrap().iter().map(|byte| byte ^ 1).collect();
    fs::write(file, text).unwrap();
    let time = Time::from_last_modification_time(&facts);
    set_file_times(file, time, time).unwrap();
    assert_eq!(fs::metadata(file).unwrap().size(), facts.size());
}

pub fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().ino()
}
