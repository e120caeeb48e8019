//! A repository whose owner is up to no good runs nothing, and gets at nothing that is not its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use undercroft_model::CodeRevision;

use crate::bench::*;

/// Lays traps in a repository: whatever runs leaves its name in the folder that is given back.
fn trap(site: &Path) -> std::path::PathBuf {
    let sprung = site.with_file_name("sprung");
    fs::create_dir(&sprung).unwrap();
    fs::set_permissions(&sprung, fs::Permissions::from_mode(0o777)).unwrap();
    let script = |name: &str, path: std::path::PathBuf| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\ntouch {}/{name}\ncat\n", sprung.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let settings = [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "core.gitProxy",
        "core.askPass",
        "filter.x.clean",
        "filter.x.smudge",
        "filter.x.process",
        "diff.x.textconv",
        "diff.x.command",
        "diff.external",
        "merge.x.driver",
        "credential.helper",
        "gpg.program",
        "gpg.ssh.program",
        "remote.origin.uploadpack",
        "alias.ls-tree",
        "alias.status",
        "uploadpack.packObjectsHook",
        "pager.ls-tree",
        "pager.for-each-ref",
        "pager.status",
        "pager.log",
        "sequence.editor",
        "core.alternateRefsCommand",
        "trailer.x.command",
        "interactive.diffFilter",
    ];
    for setting in settings {
        let value = script(setting, site.join(".git/traps").join(setting));
        git(site, &["config", setting, &value]);
    }
    for hook in
        ["post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman", "pre-auto-gc"]
    {
        script(hook, site.join(".git/hooks").join(hook));
    }
    for (key, value) in [
        ("log.showSignature", "true"),
        ("filter.x.required", "true"),
        ("status.submoduleSummary", "true"),
        ("core.hooksPath", site.join(".git/hooks").to_str().unwrap()),
    ] {
        git(site, &["config", key, value]);
    }
    sprung
}

#[test]
fn no_program_of_the_repository_runs() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    put(&site, ".gitattributes", "* filter=x diff=x merge=x\n");
    commit(&site, 1_600_000_500, "attributes");
    git(&site, &["config", "remote.origin.url", "ssh://git@127.0.0.1/x"]);
    git(&site, &["config", "remote.origin.promisor", "true"]);
    git(&site, &["config", "core.repositoryFormatVersion", "1"]);
    git(&site, &["config", "extensions.partialClone", "origin"]);
    let sprung = trap(&site);
    put(&site, "index.php", "<?php // changed\n");
    // An object that is missing would be fetched from the promisor.
    let blob = git(&site, &["rev-parse", "HEAD:topic.txt"]).trim().to_owned();
    fs::remove_file(site.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let captured = bench.capture(&site);
    assert_eq!(captured.facts.uncommitted, 1);
    assert!(captured.lost().iter().any(|text| text.starts_with("topic.txt: ")), "{:?}", captured.lost());
    undercroft_site::git::look(&site).unwrap().unwrap();
    let ran: Vec<_> = fs::read_dir(&sprung).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(ran, Vec::<std::ffi::OsString>::new());
    // The traps do work.
    try_git(&site, &["status"]);
    assert!(fs::read_dir(&sprung).unwrap().count() > 0);
}

#[test]
fn a_link_leads_nowhere_out_of_the_object_store() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let secret = bench.path("secret");
    fs::write(&secret, "secret").unwrap();
    let objects = site.join(".git/objects");
    fs::create_dir_all(objects.join("00")).unwrap();
    symlink(&secret, objects.join("00").join("1".repeat(38))).unwrap();
    for end in ["pack", "idx"] {
        symlink(&secret, objects.join(format!("pack/pack-{}.{end}", "2".repeat(40)))).unwrap();
    }
    let copy = bench.unpack(&bench.capture(&site));
    assert!(!copy.join(".git/objects/00").exists());
    assert_eq!(fs::read_dir(copy.join(".git/objects/pack")).unwrap().count(), 0);
}

#[test]
fn paths_that_would_do_harm_are_refused() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    let blob = git(&site, &["rev-parse", "HEAD:index.php"]);
    for name in [".git", "..", ".GIT"] {
        let mut tree = blob.trim().to_owned();
        for part in ["config", name] {
            let mode = if part == "config" { "100644 blob" } else { "040000 tree" };
            let input = format!("{mode} {tree}\t{part}\n");
            let mut child = git_command(&site)
                .arg("mktree")
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
            tree = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned();
        }
        let commit = git(&site, &["commit-tree", "-m", "harm", &tree]);
        git(&site, &["branch", "-f", "harm", commit.trim()]);
        let error =
            bench.open(site.to_str().unwrap(), &CodeRevision::Branch("harm".to_owned())).err().unwrap();
        assert!(error.to_string().contains("invalid path"), "{name}: {error}");
    }
}

#[test]
fn credentials_are_not_in_the_archive() {
    let bench = Bench::new();
    let site = bench.path("site");
    make_site(&site);
    git(&site, &["remote", "add", "origin", "https://me:hunter2@example.com/site.git?token=hunter2"]);
    git(&site, &["config", "branch.main.remote", "https://me:hunter2@example.com/site.git"]);
    git(&site, &["config", "http.extraHeader", "Authorization: hunter2"]);
    let captured = bench.capture(&site);
    let copy = bench.prove(&captured, &site);
    let config = fs::read_to_string(copy.join(".git/config")).unwrap();
    assert!(
        !config.contains("hunter2") && config.contains("url = https://example.com/site.git\n"),
        "{config}"
    );
    let found = undercroft_site::git::look(&site).unwrap().unwrap();
    assert_eq!(found.remotes, [("origin".to_owned(), "https://example.com/site.git".to_owned())]);
}

fn give(path: &Path, user: &str) {
    assert!(std::process::Command::new("chown").arg("-hR").arg(user).arg(path).status().unwrap().success());
}

#[test]
fn what_only_others_may_read_is_not_read_for_a_user() {
    if !rustix::process::geteuid().is_root() {
        return; // nobody else can read what its owner may not
    }
    let bench = Bench::new();
    let (private, site) = (bench.path("private"), bench.path("site"));
    make_site(&private.join("repo"));
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    let open =
        || bench.open(site.to_str().unwrap(), &CodeRevision::Head).err().map(|error| error.to_string());

    fs::create_dir(&site).unwrap();
    put(&site, ".git", format!("gitdir: {}/repo/.git\n", private.display()));
    give(&site, "nobody");
    assert!(open().unwrap().contains("which its owner may not read"), "{:?}", open());
    fs::remove_file(site.join(".git")).unwrap();
    symlink(private.join("repo/.git"), site.join(".git")).unwrap();
    assert!(open().unwrap().contains("which its owner may not read"), "{:?}", open());
    fs::remove_file(site.join(".git")).unwrap();

    make_site(&site);
    put(&private, "secret", "root:secret\n");
    for name in ["packed-refs", "shallow", "logs/refs/stash", "index", "commondir", "info/exclude"] {
        let path = site.join(".git").join(name);
        let own = fs::read(&path).ok();
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(private.join("secret"), &path).unwrap();
        give(&site, "nobody");
        assert!(open().unwrap().contains("which its owner may not read"), "{name}: {:?}", open());
        fs::remove_file(&path).unwrap();
        if let Some(bytes) = own {
            fs::write(&path, bytes).unwrap();
        }
    }
    put(&site, ".git/objects/info/alternates", format!("{}/repo/.git/objects\n", private.display()));
    give(&site, "nobody");
    assert!(open().unwrap().contains("which its owner may not read"), "{:?}", open());
    fs::remove_file(site.join(".git/objects/info/alternates")).unwrap();
    for (link, to) in [
        ("ab", "repo/.git/objects/info"),
        ("ab/x", "secret"),
        ("info/alternates", "secret"),
        ("info/x", "secret"),
    ] {
        let path = site.join(".git/objects").join(link);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(private.join(to), &path).unwrap();
        let allowed = link == "info/x"; // nobody reads that
        assert_eq!(open().is_none(), allowed, "{link}: {:?}", open());
        fs::remove_file(&path).unwrap();
    }
    // A submodule is read for the same user.
    let head = git(&private.join("repo"), &["rev-parse", "HEAD"]);
    git(&site, &["update-index", "--add", "--cacheinfo", &format!("160000,{},lib", head.trim())]);
    git(&site, &["commit", "-q", "-m", "lib"]);
    symlink(private.join("repo"), site.join("lib")).unwrap();
    give(&site, "nobody");
    assert!(open().unwrap().contains("which its owner may not read"), "{:?}", open());
    fs::remove_file(site.join("lib")).unwrap();
    git(&site, &["reset", "-q", "--hard", "HEAD~1"]);
    put(&site, ".git/objects/info/alternates", format!("{}/repo/.git/objects\n", private.display()));
    give(&site, "nobody");
    // What is open to all may be borrowed, whoever owns it.
    fs::set_permissions(&private, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(bench.capture(&site).lost(), Vec::<String>::new());
}

#[test]
fn no_program_of_a_submodule_runs() {
    let bench = Bench::new();
    let (module, site) = (bench.path("module"), bench.path("site"));
    make_site(&module);
    make_site(&site);
    git(&site, &["submodule", "--quiet", "add", module.to_str().unwrap(), "lib"]);
    commit(&site, 1_600_001_000, "lib");
    let sprung = bench.path("sprung");
    fs::create_dir(&sprung).unwrap();
    let trap = bench.path("trap");
    fs::write(&trap, format!("#!/bin/sh\ntouch {}/it\n", sprung.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    git(&site.join("lib"), &["config", "core.fsmonitor", trap.to_str().unwrap()]);
    put(&site, "lib/index.php", "changed");
    assert_eq!(bench.capture(&site).facts.uncommitted, 1);
    assert_eq!(fs::read_dir(&sprung).unwrap().count(), 0);
    git(&site, &["status"]);
    assert_eq!(fs::read_dir(&sprung).unwrap().count(), 1);
}
