//! Submodules and large files come along where they are at hand, and are told as lost where they are not.

use std::fs;
use std::path::Path;

use crate::bench::*;

/// A site with a submodule that has a submodule.
fn make_nested(bench: &Bench) -> std::path::PathBuf {
    let (inner, outer, site) = (bench.path("inner"), bench.path("outer"), bench.path("site"));
    for folder in [&inner, &outer, &site] {
        fs::create_dir(folder).unwrap();
        git(folder, &["init", "-q"]);
        put(folder, "own.txt", folder.file_name().unwrap().as_encoded_bytes());
        commit(folder, 1_600_000_000, "own");
    }
    git(&outer, &["submodule", "--quiet", "add", inner.to_str().unwrap(), "deep/inner"]);
    commit(&outer, 1_600_000_100, "inner");
    git(&site, &["submodule", "--quiet", "add", "--name", "a/name", outer.to_str().unwrap(), "lib/outer"]);
    commit(&site, 1_600_000_200, "outer");
    site
}

fn status(folder: &Path) -> String {
    git(folder, &["submodule", "status", "--recursive"])
}

#[test]
fn submodules_at_hand_come_along() {
    let bench = Bench::new();
    let site = make_nested(&bench);
    git(&site, &["submodule", "--quiet", "update", "--init", "--recursive"]);
    let captured = bench.capture(&site);
    assert_eq!((captured.lost(), captured.notes()), (vec![], vec![]));
    let copy = bench.prove(&captured, &site);
    assert_eq!(status(&copy), status(&site));
    assert!(status(&copy).lines().count() == 2 && status(&copy).lines().all(|line| line.starts_with(' ')));
    assert_eq!(fs::read(copy.join("lib/outer/deep/inner/own.txt")).unwrap(), b"inner");
    for module in ["lib/outer", "lib/outer/deep/inner"] {
        assert_eq!(git(&copy.join(module), &["status", "--porcelain"]), "");
        git(&copy.join(module), &["fsck", "--full", "--strict"]);
    }
    assert_eq!(bench.capture(&site).counts.opened, 0);
    assert_eq!(bench.capture(&copy).archive, captured.archive);
}

#[test]
fn changes_in_a_submodule_are_told() {
    let bench = Bench::new();
    let site = make_nested(&bench);
    put(&site, "lib/outer/own.txt", "changed");
    let captured = bench.capture(&site);
    let notes = captured.notes();
    assert_eq!(notes, ["lib/outer: 1 file changed is in no commit, and so not in the backup"]);
    // Its own submodule was never fetched.
    let lost = captured.lost();
    assert!(lost.len() == 1 && lost[0].starts_with("lib/outer/deep/inner: is a submodule"), "{lost:?}");
}

#[test]
fn submodules_that_are_not_here_are_lost() {
    let bench = Bench::new();
    let site = make_nested(&bench);
    let clone = bench.path("clone");
    git(bench.dir.path(), &["clone", "-q", site.to_str().unwrap(), clone.to_str().unwrap()]);
    let captured = bench.capture(&clone);
    let lost = captured.lost();
    let commit = git(&site, &["rev-parse", "HEAD:lib/outer"]);
    assert!(lost.len() == 1 && lost[0].contains(commit.trim()), "{lost:?}");
    assert!(lost[0].ends_with("run git submodule update --init"), "{lost:?}");
    let copy = bench.prove(&captured, &clone);
    assert!(copy.join("lib/outer").is_dir());
}

#[test]
fn a_repository_inside_that_no_gitmodules_names() {
    let bench = Bench::new();
    let site = make_nested(&bench);
    let inside = site.join("vendor/x");
    git(bench.dir.path(), &["clone", "-q", bench.path("inner").to_str().unwrap(), inside.to_str().unwrap()]);
    commit(&site, 1_600_000_300, "vendored");
    let captured = bench.capture(&site);
    let copy = bench.prove(&captured, &site);
    assert_eq!(fs::read(copy.join("vendor/x/own.txt")).unwrap(), b"inner");
    assert_eq!(git(&copy.join("vendor/x"), &["status", "--porcelain"]), "");
}

#[test]
fn a_submodule_whose_commit_is_gone_is_lost() {
    let bench = Bench::new();
    let site = make_nested(&bench);
    let nowhere = "1234567890123456789012345678901234567890";
    git(&site, &["update-index", "--cacheinfo", &format!("160000,{nowhere},lib/outer")]);
    git(&site, &["commit", "-q", "-m", "gone"]);
    let captured = bench.capture(&site);
    let lost = captured.lost();
    assert!(lost.len() == 1 && lost[0].contains(nowhere), "{lost:?}");
    let copy = bench.unpack(&captured);
    assert!(!copy.join("lib/outer/.git").exists() && !copy.join(".git/modules/a").exists());
}

fn pointer(content: &str) -> (String, String) {
    let digest = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
    let oid: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let text =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {}\n", content.len());
    (text, format!(".git/lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]))
}

#[test]
fn large_files_come_along_where_they_are() {
    let bench = Bench::new();
    let site = bench.path("site");
    fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q"]);
    put(&site, ".gitattributes", "*.mp4 filter=lfs diff=lfs merge=lfs -text\n");
    let (here, object) = pointer("a film");
    let (gone, _) = pointer("another film");
    put(&site, "a.mp4", &here);
    put(&site, "again.mp4", &here);
    commit(&site, 1_600_000_000, "films");
    put(&site, &object, "a film");
    let captured = bench.capture(&site);
    assert_eq!(captured.lost(), Vec::<String>::new());
    let copy = bench.prove(&captured, &site);
    assert_eq!(fs::read_to_string(copy.join(&object)).unwrap(), "a film");
    assert_eq!(fs::read_to_string(copy.join("a.mp4")).unwrap(), here);

    put(&site, "b.mp4", &gone);
    commit(&site, 1_600_000_100, "another");
    let text = ": 1 file is an LFS pointer whose content is not in this repository: run git lfs fetch";
    assert_eq!(bench.capture(&site).lost(), [text]);
}

#[test]
fn a_large_file_that_is_checked_out_is_no_change() {
    let bench = Bench::new();
    let site = bench.path("site");
    fs::create_dir(&site).unwrap();
    git(&site, &["init", "-q"]);
    put(&site, ".gitattributes", "*.mp4 filter=lfs\n");
    let (text, object) = pointer("a film");
    put(&site, "a.mp4", &text);
    commit(&site, 1_600_000_000, "film");
    put(&site, &object, "a film");
    put(&site, "a.mp4", "a film");
    assert_eq!(bench.capture(&site).facts.uncommitted, 0);
    put(&site, "a.mp4", "a fake");
    assert_eq!(bench.capture(&site).facts.uncommitted, 1);
}
