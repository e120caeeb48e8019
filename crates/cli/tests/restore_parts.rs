//! Restores of a part of an environment: nothing else changes, and each can be taken back.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use common::{Bench, add_small_site, sh};
use undercroft_testkit::mariadb::{Options, Server};

/// A small site with code in a plain folder, uploads in it, and a database.
struct Shop {
    bench: Bench,
    server: Server,
    root: PathBuf,
}

impl Shop {
    /// The site as `shop.live`, whose database is reached as that account, and a backup of it.
    fn new(account: &str) -> Shop {
        let (bench, server) = (Bench::new(), Server::start(Options::default()));
        let root = bench.path("shop");
        server.run_sql(
            "CREATE DATABASE shop; USE shop; CREATE TABLE posts (id INT PRIMARY KEY, title TEXT);
             CREATE TABLE options (id INT PRIMARY KEY, value TEXT);
             INSERT INTO posts VALUES (1, 'one'); INSERT INTO options VALUES (1, 'one');
             CREATE USER keeper@localhost IDENTIFIED BY 'secret'; GRANT ALL ON `undercroft\\_%`.* TO keeper@localhost;
             GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, CREATE VIEW,
                 SHOW VIEW, EXECUTE, EVENT, LOCK TABLES, CREATE ROUTINE, ALTER ROUTINE ON shop.* TO keeper@localhost;",
        );
        sh(&format!(
            "mkdir -p {0}/uploads/2025 && cd {0} && echo one > index.php
             echo one > uploads/logo.svg && echo one > uploads/2025/photo.jpg",
            root.display()
        ));
        bench.ok([
            "site:add".to_owned(),
            root.display().to_string(),
            "--name=shop".to_owned(),
            format!("--code={}", root.display()),
            format!("--files={}/uploads", root.display()),
            format!("--database=mysql://{account}@localhost/shop?socket={}", server.socket().display()),
        ]);
        let shop = Shop { bench, server, root };
        shop.bench.back_up("shop.live");
        shop
    }

    /// Changes everything.
    fn change(&self) {
        self.server.run_sql("UPDATE shop.posts SET title = 'two'; UPDATE shop.options SET value = 'two'");
        for name in ["index.php", "uploads/logo.svg", "uploads/2025/photo.jpg"] {
            fs::write(self.root.join(name), "two").unwrap();
        }
    }

    /// What is there: of posts, options, code and two uploads.
    fn state(&self) -> String {
        let rows = self.server.query("SELECT title FROM shop.posts UNION ALL SELECT value FROM shop.options");
        let names = ["index.php", "uploads/logo.svg", "uploads/2025/photo.jpg"];
        let files = names.map(|name| fs::read_to_string(self.root.join(name)).unwrap_or_default());
        let all = [rows, files.join(" ")].concat();
        all.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn file(&self, element: &str) -> String {
        self.bench.files("shop.live", element).last().unwrap().clone()
    }

    /// The folder of the first backup.
    fn folder(&self) -> String {
        let file = self.file("files");
        let time = file.strip_prefix("shop_live_").unwrap().strip_suffix("_UTC_files.tar.gz").unwrap();
        let (day, time) = time.split_once('T').unwrap();
        let second = sh(&format!("date -u -d '{day} {}' +%s", time.replace('-', ":")));
        format!("{}_backup", second.trim())
    }

    /// A restore that has to work.
    fn restore(&self, options: &[&str]) -> String {
        let ran = self.bench.run([&["backup:restore", "shop.live", "--yes"], options].concat());
        assert!(ran.0.status.success(), "{}", ran.err());
        ran.err()
    }

    /// A restore that has to be refused.
    fn refused(&self, options: &[&str]) -> String {
        let before = self.state();
        let error = self.bench.fails([&["backup:restore", "shop.live", "--yes"], options].concat());
        assert_eq!(self.state(), before, "{error}");
        error
    }
}

#[test]
fn nothing_comes_back_that_was_not_named() {
    let shop = Shop::new("root");
    shop.change();
    assert_eq!(shop.state(), "two two two two two");
    let (folder, file) =
        (format!("--file={}", shop.folder()), |element| format!("--file={}", shop.file(element)));
    shop.restore(&[&folder, "--table=posts"]);
    assert_eq!(shop.state(), "one two two two two");
    shop.restore(&["--element=all", "--table=options"]);
    assert_eq!(shop.state(), "one one two two two");
    shop.change();
    for archive in [&folder, &"--element=all".to_owned()] {
        let error = shop.refused(&[archive, "--path=2025"]);
        assert!(error.contains("--element=files"), "{error}");
    }
    assert!(shop.refused(&[&file("database"), "--path=2025"]).contains("no archive of files or code"));
    assert!(shop.refused(&[&file("files"), "--table=posts"]).contains("no archive of a database"));
    shop.restore(&[&file("files"), "--path=2025"]);
    assert_eq!(shop.state(), "two two two two one");
    shop.restore(&["--element=code", "--path=index.php"]);
    assert_eq!(shop.state(), "two two one two one");
}

#[test]
fn an_undoing_is_undone_within_the_same_bounds() {
    let shop = Shop::new("root");
    shop.change();
    shop.restore(&["--table=posts"]);
    shop.restore(&["--undo"]);
    assert_eq!(shop.state(), "two two two two two");
    shop.server.run_sql("UPDATE shop.options SET value = 'three'");
    shop.restore(&["--undo"]);
    assert_eq!(shop.state(), "one three two two two");
    shop.restore(&["--undo"]);
    assert_eq!(shop.state(), "two three two two two");
    // What changes nothing here is not what is undone.
    shop.restore(&["--element=files", &format!("--to={}", shop.bench.path("look").display())]);
    shop.refused(&["--table=nothing"]);
    shop.refused(&["--table=nothing", "--in-place"]);
    shop.restore(&["--undo"]);
    assert_eq!(shop.state(), "one three two two two");
}

#[test]
fn an_undoing_of_code_in_a_repository_can_be_undone() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    let read = || fs::read_to_string(site.join("index.php")).unwrap();
    let restore = |option: &str| bench.ok(["backup:restore", "shop.live", "--yes", option]);
    bench.back_up("shop.live");
    fs::write(site.join("index.php"), "before").unwrap();
    restore("--element=code");
    fs::write(site.join("index.php"), "after").unwrap();
    for expected in ["before", "after", "before"] {
        restore("--undo");
        assert_eq!(read(), expected);
    }
    // Of what the repository does not keep any more, the commit comes back.
    sh(&format!(
        "cd {} && git for-each-ref --format='delete %(refname)' refs/undercroft | git update-ref --stdin",
        site.display()
    ));
    restore("--undo");
    assert_eq!(read(), "<?php // shop\n");
}

/// Most of all where the commit has yet to come, as another environment's the first time.
#[test]
fn a_dry_run_of_a_repository_tells_what_will_be() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    let test = bench.path("staging");
    let copy = format!("git clone -q {} {}", site.display(), test.display());
    sh(&copy);
    let folder = test.display().to_string();
    let added = ["site:add", &folder, "--name=shop", "--env=test", &format!("--code={folder}")];
    bench.ok([&added[..], &["--no-files", "--no-database"]].concat());
    fs::write(site.join("news.php"), "<?php // news").unwrap();
    sh(&format!(
        "cd {} && git add . && git -c user.name=a -c user.email=a@a commit -qm News",
        site.display()
    ));
    bench.back_up("shop.live");
    let restore = ["backup:restore", "shop.test", "--from=shop.live", "--element=code"];
    let plan = bench.ok([&restore[..], &["--dry-run", "--quiet"]].concat());
    assert!(plan.contains("1 commits come, 0 go") && plan.contains("code: added news.php"), "{plan}");
    assert!(!test.join("news.php").exists());
    fs::write(test.join("index.php"), "worked on").unwrap();
    bench.ok([&restore[..], &["--yes"]].concat());
    assert!(test.join("news.php").exists());
    let plan = bench.ok(["backup:restore", "shop.test", "--undo", "--dry-run"]);
    assert!(plan.contains("with what was in no commit then"), "{plan}");
    bench.ok(["backup:restore", "shop.test", "--undo", "--yes"]);
    assert_eq!(fs::read_to_string(test.join("index.php")).unwrap(), "worked on");
    // In a plain folder nothing tells what of it is in no repository.
    fs::remove_dir_all(test.join(".git")).unwrap();
    bench.ok(["env:update", "shop.test", "--code-folder", &format!("--code={folder}")]);
    fs::write(test.join("private.txt"), "mine").unwrap();
    for how in ["--dry-run", "--yes"] {
        let told = bench.fails([&restore[..], &[how]].concat());
        assert!(told.contains("all in it that git does not track would go"), "{told}");
    }
    assert!(test.join("private.txt").exists());
    bench.ok([&restore[..], &["--yes", "--remove-untracked"]].concat());
    assert!(!test.join("private.txt").exists());
}

#[test]
fn what_is_lost_of_other_tables_stands_in_no_tables_way() {
    let shop = Shop::new("root");
    shop.server.run_sql("USE shop; CREATE TABLE log (id INT PRIMARY KEY, what TEXT) ENGINE=MyISAM");
    shop.bench.back_up("shop.live");
    shop.change();
    let data = shop.server.query("SELECT @@datadir");
    sh(&format!("rm {}/shop/log.MYD", data.trim()));
    shop.server.run_sql("FLUSH TABLES");
    shop.restore(&["--table=posts"]);
    assert_eq!(shop.state(), "one two two two two");
    for option in ["--table=log", "--element=database"] {
        let error = shop.refused(&[option]);
        assert!(error.contains("log") && error.contains("is kept as"), "{option}: {error}");
    }
    shop.restore(&["--table=log", "--no-safety-backup"]);
    assert_eq!(shop.server.query("SELECT COUNT(*) FROM shop.log"), "0\n");
}

#[test]
fn what_no_backup_could_hold_is_not_destroyed() {
    let shop = Shop::new("keeper:secret");
    // Its text is for others than its maker not to see.
    shop.server.run_sql("USE shop; CREATE FUNCTION secret() RETURNS INT DETERMINISTIC RETURN 42");
    let there = || {
        shop.server
            .query("SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'shop'")
    };
    shop.change();
    for option in ["--element=all", "--element=database", "--in-place"] {
        let error = shop.refused(&[option]);
        for text in ["secret", "nothing was changed", "--no-safety-backup"] {
            assert!(error.contains(text), "{option} {text}: {error}");
        }
        assert_eq!(there(), "secret\n");
    }
    assert_eq!(
        shop.bench.files("shop.live", "database").len(),
        1,
        "it is known before a backup is made for it"
    );
    assert!(shop.refused(&["--undo"]).contains("was never restored"));
    shop.restore(&["--element=files"]);
    assert_eq!(shop.state(), "two two two one one");
    shop.restore(&["--element=database", "--no-safety-backup"]);
    assert_eq!((shop.state().as_str(), there().as_str()), ("one one two one one", ""));
}

#[test]
fn what_is_killed_while_it_takes_files_out_leaves_nothing_behind() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    sh(&format!("head -c 30000000 /dev/urandom > {}/uploads/large.bin", site.display()));
    bench.back_up("shop.live");
    let (out, there) = (bench.path("new/look"), bench.path("there"));
    fs::create_dir(&there).unwrap();
    fs::write(there.join("mine.txt"), "mine").unwrap();
    for to in [&out, &there] {
        let args = ["backup:restore", "shop.live", "--element=files", &format!("--to={}", to.display())];
        let mut child = bench.command(args).stderr(Stdio::null()).spawn().unwrap();
        let is_at_it = || {
            let entries = fs::read_dir(to).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".undercroft"))
        };
        while !is_at_it() {
            assert!(child.try_wait().unwrap().is_none(), "it was done before it was seen at work");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let next = bench.run(["backup:list", "shop.live"]);
        assert!(next.err().contains("the environment is as it was"), "{}", next.err());
        let left = sh(&format!(
            "find {} -mindepth 1 -not -path '*/data*' -name '.undercroft*'",
            bench.folder.path().display()
        ));
        assert_eq!(left, "");
        bench.ok(args);
        assert!(to.join("large.bin").exists());
    }
    assert_eq!(fs::read_to_string(there.join("mine.txt")).unwrap(), "mine");
    assert_eq!(fs::read_dir(bench.data().join("restores")).unwrap().count(), 0);
}

/// What a restore brought back that had been missing goes again when it is undone, and nothing else does.
#[test]
fn what_was_missing_is_missing_again_once_its_restore_is_undone() {
    let shop = Shop::new("root");
    shop.server.run_sql("DROP TABLE shop.options; UPDATE shop.posts SET title = 'two'");
    let tables = || shop.server.query("SHOW TABLES IN shop").replace('\n', " ");
    shop.restore(&["--table=options", "--table=posts"]);
    assert_eq!(shop.state(), "one one one one one");
    for there in ["posts ", "options posts "] {
        shop.restore(&["--undo"]);
        assert_eq!(tables(), there);
    }
    shop.restore(&["--undo"]);
    assert_eq!(shop.server.query("SELECT title FROM shop.posts"), "two\n");

    let photo = shop.root.join("uploads/2025/photo.jpg");
    fs::remove_file(&photo).unwrap();
    fs::write(shop.root.join("uploads/logo.svg"), "two").unwrap();
    shop.restore(&["--path=2025/photo.jpg", "--path=logo.svg"]);
    assert_eq!(fs::read_to_string(&photo).unwrap(), "one\n");
    shop.restore(&["--undo"]);
    assert!(!photo.exists());
    assert_eq!(fs::read_to_string(shop.root.join("uploads/logo.svg")).unwrap(), "two");
    shop.restore(&["--undo"]);
    assert_eq!(fs::read_to_string(&photo).unwrap(), "one\n");
}

#[test]
fn a_view_that_broke_with_its_table_stands_in_no_restores_way() {
    let shop = Shop::new("root");
    shop.server.run_sql("CREATE VIEW shop.titles AS SELECT title FROM shop.posts");
    shop.bench.back_up("shop.live");
    shop.server.run_sql("DROP TABLE shop.posts");
    shop.restore(&["--element=database"]);
    assert_eq!(shop.server.query("SELECT title FROM shop.titles"), "one\n");
}
