//! Deleting, keeping, sweeping, browsing and comparing by commands, and coming back from nothing but a copy and a key.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Bench, add_small_site, sh};

/// Two backups of the small site, and what changed between. The folder names of both.
fn two_backups(bench: &Bench) -> (PathBuf, String, String) {
    let site = add_small_site(bench);
    bench.back_up("shop.live");
    sh(&format!(
        "cd {} && printf '<?php // shop 2\\n' > index.php
         git -c user.name=Shop -c user.email=shop@example.com commit -qam 'Second version'
         rm uploads/2026/11/film.mp4 && printf news > uploads/news.txt && touch -d '2026-11-02 10:00' uploads/2026/11/photo-1.jpg",
        site.display()
    ));
    bench.ok(["backup:create", "shop.live", "--keep-for=30"]);
    let mut folders: Vec<_> =
        bench.list("shop.live").iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    folders.dedup();
    assert_eq!(folders.len(), 2, "two backups, each with an id");
    let files = bench.files("shop.live", "files");
    (site, files[1].clone(), files[0].clone())
}

fn said(bench: &Bench, args: &[&str]) -> String {
    let ran = bench.run(args);
    assert!(ran.0.status.success(), "{args:?}: {}{}", ran.out(), ran.err());
    format!("{}{}", ran.out(), ran.err())
}

#[test]
fn a_backup_is_pinned_deleted_brought_back_and_removed() {
    let bench = Bench::new();
    let (_, older, newer) = two_backups(&bench);
    let file = format!("--file={older}");
    let pinned = said(&bench, &["backup:keep", "shop.live", &file, "--pin", "--note=the audit"]);
    assert!(pinned.contains("is kept for ever."), "{pinned}");
    let listed = bench.run(["backup:list", "shop.live"]);
    assert!(listed.out().contains("never") && listed.err().contains("is kept for ever (pinned): the audit."));
    let header = bench.ok(["backup:list", "shop.live", "--format=csv"]);
    assert!(header.starts_with("Filename,Size,Date,Expiry,Initiator\n"), "as scripts know it");
    for row in bench.list("shop.live") {
        let is_pinned = row["file"].as_str().unwrap().split("_UTC_").next() == older.split("_UTC_").next();
        assert_eq!(row["expiry"].is_null(), is_pinned, "{row}");
        assert_eq!(row["kept"], if is_pinned { "pinned" } else { "keep-for" }, "{row}");
        assert!(row["verified"].is_null(), "{row}");
    }
    let info = bench.ok(["backup:info", "shop.live", &file, "--field=kept"]);
    assert_eq!(info, "pinned\n");
    let info = bench.ok(["backup:info", "shop.live", &file]);
    assert!(info.contains("for ever (pinned): the audit") && info.contains("never"), "{info}");
    bench.ok(["backup:verify", "shop.live"]);
    let verified = bench.ok(["backup:list", "shop.live", "--field=verified"]);
    assert_eq!(verified, "read\nread\n\n\n");
    let info = bench.ok(["backup:info", "shop.live"]);
    assert!(info.contains("every byte read"), "{info}");

    // Without an answer nothing is deleted.
    let asked = bench.run(["backup:delete", "shop.live", &file, "--no-interaction"]);
    assert!(asked.err().contains("Nothing was deleted."), "{}", asked.err());
    assert_eq!(bench.files("shop.live", "files").len(), 2);
    let deleted = said(&bench, &["backup:delete", "shop.live", &file, "--yes"]);
    assert!(deleted.contains("`undercroft backup:undelete shop.live --file="), "{deleted}");
    assert_eq!(bench.files("shop.live", "files"), std::slice::from_ref(&newer));
    let refused = bench.fails(["backup:keep", "shop.live", &file, "--for=3"]);
    assert!(refused.contains("backup:undelete shop.live what is in the trash"), "{refused}");
    let trash = bench.ok(["backup:undelete", "shop.live", "--format=csv"]);
    assert!(trash.lines().count() == 2 && trash.contains(",deleted,"), "{trash}");
    let plan = said(&bench, &["vault:sweep", "shop", "--dry-run"]);
    assert!(plan.contains("can be freed from") && plan.contains("it can be brought back"), "{plan}");
    let back = said(&bench, &["backup:undelete", "shop.live", &file]);
    assert!(back.contains("is back. It is kept for ever."), "it is pinned again: {back}");
    assert_eq!(bench.files("shop.live", "files"), [newer, older.clone()]);
    let nothing = bench.fails(["backup:undelete", "shop.live", &file]);
    assert!(nothing.contains("is not in the trash of shop.live"), "{nothing}");
    let days = said(&bench, &["backup:keep", "shop.live", &file, "--for=400"]);
    assert!(days.contains("is kept until 20"), "{days}");
    for wrong in [&["--for=0"][..], &["--for=3", "--pin"], &[]] {
        let mut args = vec!["backup:keep", "shop.live", file.as_str()];
        args.extend(wrong);
        bench.fails(args);
    }
    bench.ok(["vault:sweep", "shop"]);
    let checked = said(&bench, &["vault:check", "shop"]);
    assert!(checked.contains("The vault of shop is clean: 2 backups"), "{checked}");
}

/// The catalog alone knows of a backup whose record went: as long as it does, nothing that the backup needs may go.
#[test]
fn a_lost_record_is_told_and_nothing_is_swept_until_that_is_settled() {
    let bench = Bench::new();
    let (_, older, newer) = two_backups(&bench);
    let record = |folder: &str| {
        let row =
            bench.list("shop.live").into_iter().find(|row| row["file"].as_str().unwrap().contains(folder));
        let id = row.unwrap()["id"].as_str().unwrap().to_owned();
        let found = sh(&format!("ls {}/vaults/*/records/{id}", bench.data().join("store").display()));
        PathBuf::from(found.trim())
    };
    let (path, away) =
        (record(older.split("_live_").nth(1).unwrap().split("_files").next().unwrap()), bench.path("away"));
    fs::rename(&path, &away).unwrap();
    let before = bench.stored();

    let told = bench.fails(["vault:check", "shop"]);
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(told.contains(&format!("records/{name}: the store has lost this record")), "{told}");
    assert!(
        told.contains("_backup of shop.live, made at 20") && told.contains("put the file back from a copy"),
        "{told}"
    );
    assert!(told.contains("backup:delete shop.live --file="), "{told}");
    for sweep in [&["vault:sweep", "shop"][..], &["vault:sweep", "shop", "--dry-run"]] {
        let told = bench.fails(sweep);
        assert!(
            told.contains("nothing was swept") && told.contains("_backup of shop.live, made at 20"),
            "{told}"
        );
    }
    bench.back_up("shop.live");
    bench.fails(["vault:sweep", "shop"]);
    assert!(bench.stored() >= before, "what the lost backup needs is there");

    // It is as it was, as soon as the record is back.
    fs::copy(&away, &path).unwrap();
    let checked = said(&bench, &["vault:check", "shop"]);
    assert!(checked.contains("is clean: 3 backups"), "{checked}");
    assert!(!bench.archive("shop.live", &older).is_empty());

    // Or it is given up, and is no problem any more.
    fs::remove_file(&path).unwrap();
    let told = said(&bench, &["backup:delete", "shop.live", &format!("--file={older}"), "--yes"]);
    assert!(told.contains("Gave up the backup"), "{told}");
    bench.ok(["vault:sweep", "shop", "--however-much"]);
    let checked = said(&bench, &["vault:check", "shop"]);
    assert!(checked.contains("is clean: 2 backups"), "{checked}");
    assert!(bench.files("shop.live", "files").contains(&newer));
}

#[test]
fn what_was_not_read_is_not_called_good() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    bench.back_up("shop.live");
    for all in [&[][..], &["--all"]] {
        let told = bench.fails([&["backup:verify", "shop.live", "--element=database"], all].concat());
        assert!(told.contains("1 of 1 backups of shop.live have no database"), "{told}");
        assert!(!told.contains("is good") && !told.contains("still restores"), "{told}");
    }
    let told = said(&bench, &["backup:verify", "shop.live", "--element=files"]);
    assert!(told.contains("_files.tar.gz is good") && !told.contains("_code."), "{told}");
    // An element that could not be captured is told; the others are proven.
    fs::rename(site.join("uploads"), site.join("away")).unwrap();
    bench.fails(["backup:create", "shop.live"]);
    let told = bench.fails(["backup:verify", "shop.live"]);
    assert!(
        told.contains("_files.tar.gz: there is nothing to read, since it could not be backed up"),
        "{told}"
    );
    assert!(told.contains("_code.tar.gz is good") && !told.contains("_files.tar.gz is good"), "{told}");
    assert!(
        told.contains("it is not whole") && told.contains("_files.tar.gz could not be backed up"),
        "{told}"
    );
    let told = bench.fails(["backup:verify", "shop.live", "--all", "--element=files"]);
    assert!(told.contains("1 of 2 backups of shop.live have no files"), "{told}");
    let verified = bench.ok(["backup:list", "shop.live", "--field=verified"]);
    assert_eq!(verified, "read\n\n\n", "no proof of what was not read, nor against it");
    // Of older backups that is known: a look at all of them is no failure for that.
    said(&bench, &["backup:verify", "shop.live", "--all"]);
}

#[test]
fn of_all_backups_is_proven_what_each_of_them_has() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.back_up("shop.live");
    bench.ok(["backup:create", "shop.live", "--element=code"]);
    let told = said(&bench, &["backup:verify", "shop.live", "--all", "--element=files"]);
    assert!(told.contains("_backup holds nothing of what is asked for"), "{told}");
    assert!(told.contains("The backup of shop.live is good"), "{told}");
    let told = bench.fails(["backup:verify", "shop.live", "--element=files"]);
    assert!(told.contains("1 of 1 backups of shop.live have no files"), "{told}");
    // The list says so at a glance.
    said(&bench, &["backup:verify", "shop.live"]);
    let told = said(&bench, &["backup:list", "shop.live"]);
    assert!(told.contains("Proven good: 1 of 2 backups"), "{told}");
    let folder = bench.ok(["backup:list", "shop.live", "--field=folder"]);
    assert!(told.contains(folder.lines().next().unwrap()), "{told}");
}

#[test]
fn archives_are_browsed_and_compared_without_being_unpacked() {
    let bench = Bench::new();
    let (_, older, newer) = two_backups(&bench);
    let paths = bench.ok(["backup:browse", "shop.live", "--field=path"]);
    assert_eq!(paths, "2026\nnews.txt\n");
    let deep = format!("--file={older}");
    let paths = bench.ok(["backup:browse", "shop.live", &deep, "--path=2026/11", "--field=path"]);
    assert!(paths.lines().count() == 41 && paths.contains("2026/11/film.mp4\n"), "{paths}");
    let one = ["backup:browse", "shop.live", "--path=2026/11/photo-1.jpg", "--field=path"];
    assert_eq!(bench.ok(one), "2026/11/photo-1.jpg\n");
    let nothing = bench.fails(["backup:browse", "shop.live", "--path=2026/12"]);
    assert!(nothing.contains(&format!("{newer} has no 2026/12")), "{nothing}");
    let kept = said(&bench, &["backup:keep", "shop.live", &deep, "--for=9"]);
    let folder = kept.split(' ').find(|word| word.ends_with("_backup")).unwrap();
    let named = bench.ok(["backup:browse", "shop.live", &format!("--file={folder}"), "--field=path"]);
    assert_eq!(named, "2026\n", "a backup is named by its folder, too");

    let ran = bench.run(["backup:diff", "shop.live", "--format=csv", "--fields=change,element,name"]);
    let (rows, told) = (ran.out(), ran.err());
    for row in [
        "added,files,news.txt",
        "removed,files,2026/11/film.mp4",
        "changed,files,2026/11/photo-1.jpg",
        "changed,code,index.php",
    ] {
        assert!(rows.contains(&format!("{row}\n")), "{row}: {rows}");
    }
    assert!(!rows.contains("photo-2.jpg") && !rows.contains("numbers.txt"), "{rows}");
    assert!(told.contains("1 commits more, 0 less") && told.contains("Second version"), "{told}");
    let backwards = bench.ok(["backup:diff", "shop.live", &newer, &older, "--element=files", "--format=csv"]);
    assert!(backwards.contains("removed,files,news.txt"), "{backwards}");
    let error = bench.fails(["backup:diff", "shop.live", "nope"]);
    assert!(error.contains("Could not find a backup identified by nope"), "{error}");
}

/// Folders beside each other are laid out beside each other, too.
#[test]
fn code_and_files_in_one_folder_come_back_together() {
    let bench = Bench::new();
    let site = bench.path("shop");
    sh(&format!(
        "mkdir -p {0}/code {0}/uploads && echo 1 > {0}/code/index.php && echo 1 > {0}/uploads/a",
        site.display()
    ));
    let folder = site.display().to_string();
    let (code, files) = (format!("--code={folder}/code"), format!("--files={folder}/uploads"));
    bench.ok(["site:add", &folder, "--name=shop", &code, &files, "--no-database"]);
    bench.back_up("shop.live");
    sh(&format!("cd {folder} && echo hacked > code/index.php && rm uploads/a"));
    bench.ok(["backup:restore", "shop.live", "--yes"]);
    assert_eq!(sh(&format!("cd {folder} && cat code/index.php uploads/a && ls -A")), "1\n1\ncode\nuploads\n");
}

/// A copy of the store and the key, and nothing else: the folder of everything else is gone.
struct Saved {
    copy: String,
    /// What was said when it was made.
    copied: String,
    key: String,
}

fn save(bench: &Bench, site: &Path) -> Saved {
    let copy = bench.path("disk/copy").display().to_string();
    let copied = bench.run(["store:copy", &copy]).err();
    let key = bench.path("disk/key");
    fs::write(&key, bench.ok(["key:export"])).unwrap();
    fs::remove_dir_all(bench.data()).unwrap();
    fs::remove_dir_all(site).unwrap();
    Saved { copy, copied, key: key.display().to_string() }
}

#[test]
fn everything_comes_back_from_a_copy_and_the_key() {
    let bench = Bench::new();
    let (site, older, newer) = two_backups(&bench);
    bench.ok(["backup:keep", "shop.live", &format!("--file={older}"), "--pin"]);
    let uploads = bench.path("uploads-were");
    sh(&format!("cp -a {}/uploads {}", site.display(), uploads.display()));
    let archive = bench.archive("shop.live", &newer);
    let copy = bench.path("disk/copy").display().to_string();
    let told = said(&bench, &["store:copy", &copy]);
    assert!(told.contains(&format!("catalog:rebuild --store={copy}")), "{told}");
    let Saved { copy, copied, key } = save(&bench, &site);
    assert!(copied.contains(" 0 objects copied"), "{copied}");

    let rebuilt = bench.run(["catalog:rebuild", &format!("--store={copy}"), &format!("--key={key}")]);
    assert!(rebuilt.0.status.success() && rebuilt.out().contains("shop.live"), "{}", rebuilt.err());
    assert!(rebuilt.err().contains("env:update"), "{}", rebuilt.err());
    assert_eq!(bench.files("shop.live", "files"), [newer.clone(), older]);
    assert!(bench.archive("shop.live", &newer) == archive);
    let kept = bench.ok(["backup:list", "shop.live", "--field=kept"]);
    assert_eq!(kept, "keep-for\nkeep-for\npinned\npinned\n", "marks come back, too");

    // On an empty machine one command makes the site again, here in places of its own.
    let new = bench.path("new");
    sh(&format!("mkdir -p {}/shop/uploads", new.display()));
    let (code, files) =
        (new.join("shop").display().to_string(), new.join("shop/uploads").display().to_string());
    bench.ok(["env:update", "shop.live", &format!("--code={code}"), &format!("--files={files}")]);
    bench.ok(["backup:restore", "shop.live", "--yes", "--no-safety-backup"]);
    sh(&format!("diff -r {files} {}", uploads.display()));
    assert_eq!(fs::read_to_string(new.join("shop/index.php")).unwrap(), "<?php // shop 2\n");
    assert_eq!(sh(&format!("git -C {code} log --format=%s")), "Second version\nFirst version\n");
    assert_eq!(sh(&format!("git -C {code} status --porcelain")), "");
    // Life goes on, in the copy.
    bench.back_up("shop.live");
    assert_eq!(bench.files("shop.live", "files").len(), 3);
    let checked = said(&bench, &["vault:check"]);
    assert!(checked.contains("is clean: 3 backups"), "{checked}");
}

#[test]
fn what_is_missing_for_a_new_beginning_is_told_and_nothing_is_left_in_the_way() {
    let bench = Bench::new();
    let (site, _, newer) = two_backups(&bench);
    let Saved { copy, key, .. } = save(&bench, &site);
    let (store, right) = (format!("--store={copy}"), format!("--key={key}"));
    let other = bench.path("disk/other-key");
    let output = bench.command(["key:export"]).env("UNDERCROFT_DATA", bench.path("else")).output().unwrap();
    fs::write(&other, output.stdout).unwrap();
    let garbled = bench.path("disk/garbled");
    fs::write(&garbled, "correct horse battery staple\n").unwrap();
    let nowhere = format!("--store={}", bench.path("nowhere").display());
    let no_store = format!("--store={}", bench.path("disk").display());
    for (args, told) in [
        (vec![store.as_str()], "give the recovery key"),
        (vec![&store, &format!("--key={}", other.display())], "opens nothing in the store"),
        (vec![&store, &format!("--key={}", garbled.display())], "one looks like UCRK1-"),
        (vec![&store, "--key=/no/such/file"], "/no/such/file"),
        (vec![&nowhere, &right], "holds no store"),
        (vec![&no_store, &right], "holds no store"),
    ] {
        let error = bench.fails([vec!["catalog:rebuild"], args.clone()].concat());
        assert!(error.contains(told), "{args:?}: {error}");
    }
    // None of that kept the right ones from being taken.
    bench.ok(["catalog:rebuild", &store, &right]);
    assert_eq!(bench.files("shop.live", "files")[0], newer);
    // Another store or key would make what is there unreadable.
    let another = bench.path("disk/another");
    sh(&format!("mkdir -p {}/vaults", another.display()));
    let error = bench.fails(["catalog:rebuild", &format!("--store={}", another.display())]);
    assert!(error.contains("is there already"), "{error}");
    let error = bench.fails(["catalog:rebuild", &format!("--key={}", other.display())]);
    assert!(error.contains("opens nothing"), "{error}");
    assert_eq!(bench.files("shop.live", "files")[0], newer);
}

/// A key is taken only if it has opened something: the wrong one would stand in the right one's way.
#[test]
fn a_key_that_opens_nothing_is_not_taken_whatever_is_damaged() {
    let bench = Bench::new();
    let (site, _, newer) = two_backups(&bench);
    let Saved { copy, key, .. } = save(&bench, &site);
    let (store, right) = (format!("--store={copy}"), format!("--key={key}"));
    let other = bench.path("disk/other-key");
    let output = bench.command(["key:export"]).env("UNDERCROFT_DATA", bench.path("else")).output().unwrap();
    fs::write(&other, output.stdout).unwrap();
    let other = format!("--key={}", other.display());
    let vault = sh(&format!("ls -d {copy}/vaults/*"));
    let vault = std::path::Path::new(vault.trim());
    fs::write(vault.join("config"), "damaged").unwrap();
    let kept = bench.data().join("keys/recovery.key");
    let error = bench.fails(["catalog:rebuild", &store, &other]);
    assert!(error.contains("opens nothing") && !kept.exists(), "{error}");
    // Nor where there is nothing to open.
    sh(&format!("mv {0}/keys {0}/away", vault.display()));
    for key in [&other, &right] {
        let error = bench.fails(["catalog:rebuild", &store, key]);
        assert!(error.contains("was not taken") && error.contains("has lost") && !kept.exists(), "{error}");
    }
    sh(&format!("mv {0}/away {0}/keys", vault.display()));
    bench.ok(["catalog:rebuild", &store, &right]);
    assert_eq!(bench.files("shop.live", "files")[0], newer);
}

/// A config that is damaged stops no reading, and the next backup makes it anew.
#[test]
fn a_vault_with_a_damaged_config_reads_and_is_mended_by_a_backup() {
    let bench = Bench::new();
    let (_, older, _) = two_backups(&bench);
    let archive = bench.archive("shop.live", &older);
    let config = sh(&format!("ls {}/store/vaults/*/config", bench.data().display()));
    let config = std::path::Path::new(config.trim());
    let whole = fs::read(config).unwrap();
    fs::write(config, "damaged").unwrap();
    assert!(bench.archive("shop.live", &older) == archive);
    let file = format!("--file={older}");
    let told = bench.run(["backup:browse", "shop.live", "--element=files", &file]);
    assert_eq!(told.0.status.code(), Some(0), "{}", told.err());
    assert_eq!(told.err().matches("config is damaged").count(), 1, "{}", told.err());
    let error = bench.fails(["vault:sweep", "shop"]);
    assert!(error.contains("backup:create or catalog:rebuild, which make it anew"), "{error}");
    bench.back_up("shop.live");
    assert!(fs::read(config).unwrap() == whole);
    let checked = said(&bench, &["vault:check"]);
    assert!(checked.contains("is clean: 3 backups"), "{checked}");
}

/// The config says nothing that can't be known without it.
#[test]
fn a_vault_without_its_config_is_taken_in_all_the_same() {
    let bench = Bench::new();
    let (_, older, newer) = two_backups(&bench);
    let archive = bench.archive("shop.live", &older);
    let id = bench.ok(["site:info", "shop", "--field=id"]);
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(bench.data().join(file));
    }
    let config = bench.data().join("store/vaults").join(id.trim()).join("config");
    fs::remove_file(&config).unwrap();
    let told = said(&bench, &["catalog:rebuild"]);
    assert!(told.contains("env:update"), "{told}");
    assert!(config.exists());
    assert_eq!(bench.files("shop.live", "files"), [newer, older.clone()]);
    assert!(bench.archive("shop.live", &older) == archive);
    let checked = said(&bench, &["vault:check"]);
    assert!(checked.contains("is clean: 2 backups"), "{checked}");
}

#[test]
fn a_store_whose_key_was_lost_is_not_sealed_to_a_new_one() {
    let bench = Bench::new();
    two_backups(&bench);
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "keys/recovery.key"] {
        let _ = fs::remove_file(bench.data().join(file));
    }
    for command in ["site:list", "catalog:rebuild", "key:export"] {
        let error = bench.fails([command]);
        assert!(error.contains("catalog:rebuild --key=FILE"), "{command}: {error}");
    }
    assert!(!bench.data().join("keys/recovery.key").exists());
}

#[test]
fn damage_in_one_vault_is_told_and_leaves_the_other_sites_alone() {
    let bench = Bench::new();
    let (site, ..) = two_backups(&bench);
    let blog = bench.path("blog");
    sh(&format!("mkdir -p {0}/uploads && echo hi > {0}/uploads/a.txt", blog.display()));
    let folder = blog.display().to_string();
    let uploads = format!("--files={folder}/uploads");
    bench.ok(["site:add", &folder, "--name=blog", &uploads, "--no-code", "--no-database"]);
    bench.back_up("blog.live");
    let id = bench.ok(["site:info", "shop", "--field=id"]);
    let vault = bench.data().join("store/vaults").join(id.trim());
    // The largest pack loses its second half.
    let pack = sh(&format!("find {}/packs -type f -printf '%s %p\\n' | sort -n | tail -1", vault.display()));
    let pack = pack.trim().split_once(' ').unwrap().1.to_owned();
    sh(&format!("chmod u+w {pack} && truncate -s -1000000 {pack}"));

    let ran = bench.run(["vault:check"]);
    assert_eq!(ran.0.status.code(), Some(1));
    let told = ran.err();
    assert!(
        told.contains("The vault of blog is clean") && told.contains("wrong in the vault of shop"),
        "{told}"
    );
    assert!(told.contains("film.mp4") || told.contains("photo-"), "the files are named: {told}");
    let swept = bench.run(["vault:sweep"]);
    assert_eq!(swept.0.status.code(), Some(1));
    assert!(swept.err().contains("shop: nothing was swept"), "{}", swept.err());
    assert!(swept.err().contains("blog: "), "{}", swept.err());
    let Saved { copy, copied, key } = save(&bench, &site);
    assert!(copied.contains("the copy has it as it is") && copied.contains("vault:check"), "{copied}");
    let rebuilt = bench.run(["catalog:rebuild", &format!("--store={copy}"), &format!("--key={key}")]);
    assert!(rebuilt.out().contains("blog.live") && rebuilt.out().contains("shop.live"), "{}", rebuilt.err());
    assert_eq!(bench.unpack("blog.live", "files", "got").join("a.txt").metadata().unwrap().len(), 3);
}

#[test]
fn a_store_that_is_not_there_is_not_begun_anew() {
    let bench = Bench::new();
    add_small_site(&bench);
    // Before the first backup there is nothing to check, sweep or undo, and nothing wrong either.
    let checked = said(&bench, &["vault:check"]);
    assert!(checked.contains("shop: there is no backup yet"), "{checked}");
    said(&bench, &["vault:sweep"]);
    let undone = bench.fails(["backup:restore", "shop.live", "--undo", "--yes"]);
    assert!(undone.contains("shop.live has no backups yet, and was never restored"), "{undone}");

    bench.back_up("shop.live");
    let (store, away) = (bench.data().join("store"), bench.path("away"));
    std::fs::rename(&store, &away).unwrap();
    for command in ["backup:create shop.live", "vault:check shop", "vault:sweep shop"] {
        let error = bench.fails(command.split(' '));
        assert!(error.contains("is its disk mounted?"), "{command}: {error}");
    }
    assert_eq!(bench.files("shop.live", "files").len(), 1);
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(&away, &store).unwrap();
    bench.back_up("shop.live");
    assert_eq!(bench.files("shop.live", "files").len(), 2);
}
