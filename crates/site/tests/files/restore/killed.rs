//! Killed at any moment, a restore leaves the folder as it was or as asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use undercroft_model::{Element, Silent};
use undercroft_site::files::restore::{Order, Staged, clean_up, prepare, stage, switch};
use undercroft_vault::keys::SecretKey;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::{Vault, store};
use uuid::Uuid;

use super::site::*;
use crate::support::*;

const TEST: &str = "restore::killed::a_restore_that_is_killed_ends_as_it_was_or_as_asked";
const KEEP: &str = "cache/";

/// The journal of a job: how far it came.
struct Journal(PathBuf);

impl Journal {
    fn write(&self, phase: &str, staged: &Staged) {
        let text = serde_json::to_string(&(phase, staged)).unwrap();
        fs::write(self.0.with_extension("new"), text).unwrap();
        fs::rename(self.0.with_extension("new"), &self.0).unwrap();
    }

    fn read(&self) -> Option<(String, Staged)> {
        Some(serde_json::from_slice(&fs::read(&self.0).ok()?).unwrap())
    }
}

/// What the process that is to be killed does.
fn restore(folder: &Path, kept: &Path) {
    let archive: ArchiveRecord = serde_json::from_slice(&fs::read(folder.join("archive")).unwrap()).unwrap();
    let store = Arc::new(store::local(kept).unwrap());
    let vault = Vault::open(store, Uuid::from_u128(7), &SecretKey::from_bytes([7; 32])).unwrap();
    let index = Arc::new(vault.read_index().unwrap());
    let live = folder.join("live");
    let order = Order {
        element: Element::Files,
        live: &live,
        archive: &archive,
        now: None,
        only: None,
        absent_is_removed: false,
        keep: &[KEEP.to_owned()],
        protect: &[],
        skip: &[],
        skip_damaged: false,
        id: Uuid::new_v4(),
    };
    let journal = Journal(folder.join("journal"));
    let staged = stage(&order, &vault, &index, &Silent).unwrap();
    journal.write("prepare", &staged);
    println!("begun");
    prepare(&staged, &order, &vault, &index, &Silent).unwrap();
    journal.write("switch", &staged);
    switch(&staged, &Silent).unwrap();
    journal.write("clean up", &staged);
    clean_up(&staged, &Silent).unwrap();
}

/// The content of all there is, and nothing of times: what is carried over may touch folders.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = things(folder).into_keys();
    files.map(|path| (path.clone(), fs::read(folder.join(path)).unwrap_or_default())).collect()
}

fn break_it(live: &Path, round: u32) {
    fs::remove_dir_all(live.join("folder1")).unwrap();
    hack(&live.join("folder2/file3"));
    plant(live, &["malware", &format!("folder3/malware{round}")]);
    fs::write(live.join("cache/c"), round.to_string()).unwrap();
}

#[test]
fn a_restore_that_is_killed_ends_as_it_was_or_as_asked() {
    if let (Some(folder), Some(kept)) = (std::env::var_os("KILL_FOLDER"), std::env::var_os("KILL_VAULT")) {
        return restore(Path::new(&folder), Path::new(&kept));
    }
    let mut site = Site::new();
    site.keep = vec![KEEP.to_owned()];
    for n in 0..300 {
        plant(&site.live, &[&format!("folder{}/file{n}", n % 10)]);
    }
    plant(&site.live, &["cache/c", "folder2/file3"]);
    let archive = site.archive();
    fs::write(site.folder.path().join("archive"), serde_json::to_vec(&archive).unwrap()).unwrap();
    let mut ends = std::collections::BTreeMap::new();
    for round in 0..60 {
        break_it(&site.live, round);
        let broken = contents(&site.live);
        let mut asked = broken.clone();
        asked.clear();
        kill_one(&site, Duration::from_micros(u64::from(round) * 1_500));
        let journal = Journal(site.folder.path().join("journal"));
        let phase = journal.read();
        let _ = fs::remove_file(&journal.0);
        if let Some((phase, staged)) = &phase {
            if phase == "switch" {
                switch(staged, &Silent).unwrap();
            }
            clean_up(staged, &Silent).unwrap();
            assert!(!staged.stage.exists());
        }
        let phase = phase.map_or("nothing".to_owned(), |(phase, _)| phase);
        let is = contents(&site.live);
        if ["nothing", "prepare"].contains(&phase.as_str()) {
            assert!(is == broken, "round {round}, killed in: {phase}");
            site.restore(&archive, None, None);
        }
        let is = contents(&site.live);
        assert!(!site.path("malware").exists() && site.path("folder1/file1").exists(), "{phase}");
        assert_eq!(fs::read_to_string(site.path("folder2/file3")).unwrap(), "folder2/file3");
        assert_eq!(fs::read_to_string(site.path("cache/c")).unwrap(), round.to_string(), "{phase}");
        assert_eq!(is.len(), 1 + 10 + 301 + 2, "{phase}");
        *ends.entry(phase).or_insert(0) += 1;
    }
    assert!(ends.len() > 1, "all were killed in the same phase: {ends:?}");
}

/// Starts a restore and kills it a while after it began to prepare.
fn kill_one(site: &Site, after: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture"])
        .env("KILL_FOLDER", site.folder.path())
        .env("KILL_VAULT", site.kept.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    while lines.next().is_some_and(|line| !line.unwrap().contains("begun")) {}
    thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}
