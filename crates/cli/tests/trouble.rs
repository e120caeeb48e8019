//! What goes wrong is told clearly, ends with status 1, and leaves older backups whole.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Bench, add_small_site, sh};

fn is_root() -> bool {
    sh("id -u").trim() == "0"
}

/// Something that is mounted for as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, with a word to whoever reads the test's output, where this may not be done.
    fn new(arguments: &[&str], place: &Path) -> Option<Mounted> {
        let done = Command::new("mount").args(arguments).arg(place).output().unwrap();
        if done.status.success() {
            return Some(Mounted(place.to_owned()));
        }
        eprintln!("skipped: {}", String::from_utf8_lossy(&done.stderr));
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_older_backups_stay_whole() {
    let bench = Bench::new();
    let data = bench.data();
    fs::create_dir(&data).unwrap();
    let Some(_mounted) = Mounted::new(&["-t", "tmpfs", "-o", "size=24m", "tmpfs"], &data) else { return };
    let site = add_small_site(&bench);
    bench.back_up("shop.live");
    let name = bench.files("shop.live", "files")[0].clone();
    let bytes = bench.archive("shop.live", &name);
    sh(&format!("head -c 60000000 /dev/urandom > {}/uploads/huge.bin", site.display()));
    let error = bench.fails(["backup:create", "shop.live"]);
    assert!(error.contains("is full") && error.contains("free some space"), "{error}");
    assert!(bench.archive("shop.live", &name) == bytes);
    assert_eq!(bench.files("shop.live", "files"), [name]);
    fs::remove_file(site.join("uploads/huge.bin")).unwrap();
    bench.back_up("shop.live");
}

/// Takes the very last bytes of a disk.
fn fill(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for len in [1 << 20, 1 << 16, 1 << 12] {
        for n in 0..4096 {
            let file = folder.join(format!("{len}-{n}"));
            if fs::write(&file, vec![1; len]).is_err() {
                let _ = fs::remove_file(file);
                break;
            }
        }
    }
}

#[test]
fn on_a_full_disk_backups_are_listed_deleted_and_swept() {
    let bench = Bench::new();
    let data = bench.data();
    fs::create_dir(&data).unwrap();
    let Some(_mounted) = Mounted::new(&["-t", "tmpfs", "-o", "size=40m", "tmpfs"], &data) else { return };
    let site = add_small_site(&bench);
    bench.back_up("shop.live");
    bench.back_up("shop.live");
    let names = bench.files("shop.live", "files");
    let bytes = bench.archive("shop.live", &names[0]);
    // A backup that fails leaves packs that nobody needs; what is old of that may go.
    let was = bench.stored();
    sh(&format!("head -c 60000000 /dev/urandom > {}/uploads/huge.bin", site.display()));
    bench.fails(["backup:create", "shop.live"]);
    assert!(bench.stored() > was + (10 << 20));
    sh(&format!("find {}/store/vaults/*/packs -size +10M -exec touch -d '-3 days' {{}} +", data.display()));
    fs::remove_file(site.join("uploads/huge.bin")).unwrap();

    fill(&data.join("full"));
    assert_eq!(bench.files("shop.live", "files"), names);
    // Whoever can't free anything takes no part of the little room that there is.
    let error = bench.fails(["backup:create", "shop.live"]);
    assert!(error.contains("is full") && error.contains("vault:sweep work all the same"), "{error}");
    bench.ok(["backup:delete", "shop.live", &format!("--file={}", names[1]), "--yes"]);
    assert_eq!(bench.files("shop.live", "files"), names[..1]);
    let before = bench.stored();
    bench.ok(["vault:sweep", "shop", "--however-much"]);
    assert!(bench.stored() + (10 << 20) < before, "{} and {before}", bench.stored());
    assert!(data.join("reserve").exists(), "there is room for it again");
    assert!(bench.archive("shop.live", &names[0]) == bytes);
    bench.back_up("shop.live");
    bench.ok(["vault:check", "shop"]);
}

#[test]
fn a_store_without_permission_is_told() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.back_up("shop.live");
    if is_root() {
        // Root may write everywhere but where the file system itself says no.
        let store = bench.data().join("store");
        let itself = store.display().to_string();
        let Some(mounted) = Mounted::new(&["--bind", &itself], &store) else { return };
        sh(&format!("mount -o remount,bind,ro {itself}"));
        let ran = bench.run(["backup:create", "shop.live"]);
        drop(mounted);
        assert_eq!(ran.0.status.code(), Some(1));
        assert!(ran.err().contains("no permission to") && ran.err().contains("store"), "{}", ran.err());
    } else {
        let store = bench.data().join("store");
        fs::set_permissions(&store, fs::Permissions::from_mode(0o500)).unwrap();
        let error = bench.fails(["backup:create", "shop.live"]);
        fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(error.contains("no permission to"), "{error}");
    }
    assert_eq!(bench.files("shop.live", "files").len(), 1);
    bench.back_up("shop.live");
}

#[test]
fn a_data_folder_that_can_not_be_made_is_told() {
    let bench = Bench::new();
    fs::write(bench.path("data"), "a file").unwrap();
    let error = bench.fails(["site:list"]);
    assert!(error.contains("data") && error.contains("--data"), "{error}");
}

#[test]
fn an_element_that_fails_leaves_the_others_good() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    sh(&format!("mv {0}/uploads {0}/elsewhere", site.display()));
    let error = bench.fails(["backup:create", "shop.live"]);
    assert!(
        error.contains("files") && error.contains("uploads") && error.contains("Failed: files"),
        "{error}"
    );
    assert_eq!(bench.files("shop.live", "code").len(), 1);
    assert_eq!(bench.files("shop.live", "files").len(), 0);
    let listed = bench.run(["backup:list", "shop.live"]);
    assert!(listed.err().contains("could not be backed up"), "{}", listed.err());
    sh(&format!("mv {0}/elsewhere {0}/uploads", site.display()));
    bench.back_up("shop.live");
}

#[test]
fn a_folder_that_is_suddenly_empty_is_doubted_until_it_is_accepted() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    bench.back_up("shop.live");
    sh(&format!("rm -r {0}/uploads && mkdir {0}/uploads", site.display()));
    let error = bench.fails(["backup:create", "shop.live"]);
    assert!(error.contains("the last good backup had 41") && error.contains("--accept-smaller"), "{error}");
    let files = bench.files("shop.live", "files");
    let got = bench.run(["backup:get", "shop.live", "--element=files", "--to=-"]);
    assert!(got.err().contains(&format!("{} is incomplete", files[0])), "{}", got.err());
    assert!(got.0.stdout == bench.archive("shop.live", &files[1]), "the last good one is not replaced");
    bench.ok(["backup:create", "shop.live", "--accept-smaller"]);
    bench.back_up("shop.live");
}

#[test]
fn a_file_that_can_not_be_read_is_told_by_name() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    let secret = site.join("uploads/secret.pdf");
    fs::write(&secret, "x").unwrap();
    let locked = bench.path("locked");
    let mut command = bench.command(["backup:create", "shop.live"]);
    if is_root() {
        // Root reads everything: the backup is made by somebody else.
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        sh(&format!(
            "chmod 755 {} && chown -R 12345 {}",
            bench.folder.path().display(),
            bench.data().display()
        ));
        command = Command::new("setpriv");
        command
            .args(["--reuid=12345", "--regid=12345", "--clear-groups", env!("CARGO_BIN_EXE_undercroft")])
            .args(["backup:create", "shop.live", "--element=files"])
            .env("UNDERCROFT_DATA", bench.data())
            .env("HOME", &locked)
            .stdin(Stdio::null());
        let reachable = Command::new("setpriv")
            .args([
                "--reuid=12345",
                "--regid=12345",
                "--clear-groups",
                env!("CARGO_BIN_EXE_undercroft"),
                "--help",
            ])
            .output();
        if !reachable.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: another user can't run the program from where it was built");
            return;
        }
    } else {
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let ran = common::Ran(command.output().unwrap());
    assert_eq!(ran.0.status.code(), Some(1), "{}", ran.err());
    assert!(ran.err().contains("secret.pdf") && ran.err().contains("Incomplete: files"), "{}", ran.err());
}

#[test]
fn two_backups_of_one_environment_wait_for_each_other() {
    let bench = Bench::new();
    add_small_site(&bench);
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = bench.command(["backup:create", "shop.live", "--quiet"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let ran = common::Ran(child.wait_with_output().unwrap());
        assert!(ran.0.status.success(), "{}", ran.err());
    }
    assert_eq!(bench.files("shop.live", "files").len(), 4);
}

#[test]
fn ctrl_c_ends_a_backup_cleanly() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    bench.back_up("shop.live");
    // A fifo's reader would wait for ever; an archive this large takes long enough to be stopped in.
    sh(&format!("truncate -s 40G {}/uploads/sparse.bin", site.display()));
    let mut child = bench
        .command(["backup:create", "shop.live"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // As soon as it says anything it listens for signals.
    let mut first = [0];
    std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut first).unwrap();
    sh(&format!("kill -INT {}", child.id()));
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("was stopped"), "{told}");
    assert_eq!(bench.files("shop.live", "files").len(), 1);
    fs::remove_file(site.join("uploads/sparse.bin")).unwrap();
    bench.back_up("shop.live");
}
