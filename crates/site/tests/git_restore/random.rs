//! Whatever a work tree holds: it becomes the commit, and comes back; or the restore is refused and it stays.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;
use undercroft_model::CodeRevision;
use undercroft_site::git::restore::RestoreError;

use crate::bench::*;
use crate::support::*;

/// Names that get in each other's way; git is told to ignore what ends in `.log`.
const NAMES: [&str; 8] = ["a", "a/b", "a/b/c", "d", "d/e", "x y.txt", "n.log", "d/n.log"];

#[derive(Debug, Clone)]
enum Edit {
    Write(usize, u8),
    Link(usize),
    Executable(usize),
    Remove(usize),
    Stage(usize),
    Unstage(usize),
    Commit,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let name = 0..NAMES.len();
    let edit = prop_oneof![
        6 => (name.clone(), any::<u8>()).prop_map(|(name, text)| Edit::Write(name, text)),
        1 => name.clone().prop_map(Edit::Link),
        1 => name.clone().prop_map(Edit::Executable),
        2 => name.clone().prop_map(Edit::Remove),
        2 => name.clone().prop_map(Edit::Stage),
        1 => name.prop_map(Edit::Unstage),
        2 => Just(Edit::Commit),
    ];
    prop::collection::vec(edit, 8..40)
}

/// Makes room for a name: nothing is there, and folders are above it.
fn clear(site: &Path, name: &str) -> std::path::PathBuf {
    let path = site.join(name);
    for above in Path::new(name).ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        if site.join(above).symlink_metadata().is_ok_and(|facts| !facts.is_dir()) {
            fs::remove_file(site.join(above)).unwrap();
        }
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match path.symlink_metadata() {
        Ok(facts) if facts.is_dir() => fs::remove_dir_all(&path).unwrap(),
        Ok(_) => fs::remove_file(&path).unwrap(),
        Err(_) => {}
    }
    path
}

fn apply(site: &Path, edit: &Edit) {
    match edit {
        Edit::Write(name, text) => fs::write(clear(site, NAMES[*name]), format!("{text}\n")).unwrap(),
        Edit::Link(name) => symlink("x y.txt", clear(site, NAMES[*name])).unwrap(),
        Edit::Executable(name) => {
            let path = site.join(NAMES[*name]);
            if path.symlink_metadata().is_ok_and(|facts| facts.is_file()) {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        Edit::Remove(name) => drop(clear(site, NAMES[*name])),
        Edit::Stage(name) => drop(try_git(site, &["add", "-f", "--", NAMES[*name]])),
        Edit::Unstage(name) => drop(try_git(site, &["rm", "-rq", "--cached", "--", NAMES[*name]])),
        Edit::Commit => git_at(site, 1_600_000_000, &["commit", "-q", "--allow-empty", "-m", "c"]),
    }
}

#[test]
fn any_work_tree_becomes_the_commit_and_comes_back() {
    let config = Config { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let strategy = (edits(), any::<prop::sample::Index>(), any::<bool>());
    let restored = std::cell::Cell::new(0);
    let outcome = TestRunner::new(config).run(&strategy, |(edits, which, remove_untracked)| {
        let dir = TempDir::new().unwrap();
        let play = Play { site: dir.path().join("site"), dir };
        fs::create_dir(&play.site).unwrap();
        git(&play.site, &["init", "-q"]);
        put(&play.site, ".gitignore", "*.log\n");
        commit(&play.site, 1_600_000_000, "first");
        edits.iter().for_each(|edit| apply(&play.site, edit));
        let commits = git(&play.site, &["rev-list", "HEAD"]);
        let commits: Vec<_> = commits.lines().collect();
        let mut order = play.order(commits[which.index(commits.len())]);
        order.revision = CodeRevision::Head;
        order.remove_untracked = remove_untracked;
        let before = seen(&play.site);
        match play.restore(&order) {
            Ok(_) => {
                restored.set(restored.get() + 1);
                prop_assert_eq!(id(&play.site, "main"), order.commit.clone());
                let status = git(&play.site, &["status", "--porcelain"]);
                let clean = status.lines().all(|line| !remove_untracked && line.starts_with("?? "));
                prop_assert!(clean, "{}", status);
                undercroft_site::git::restore::undo(&order.repository, order.id).unwrap();
            }
            Err(error) => prop_assert!(matches!(error, RestoreError::InTheWay { .. }), "{}", error),
        }
        let after = seen(&play.site);
        prop_assert!(before == after, "{:?}\nbecame\n{:?}", before, after);
        Ok(())
    });
    outcome.unwrap();
    assert!(restored.get() > 20, "only {} were restored", restored.get());
}
