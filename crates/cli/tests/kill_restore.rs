//! `kill -9` at random moments of a restore: the environment is as it was or as asked, the next command says which,
//! and nothing of the restore is left.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;
mod moments;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Bench, sh};
use moments::{KILLS, Moments, is_empty};
use undercroft_testkit::mariadb::{Options, Server};

/// Said of a restore that was stopped before its switch.
const AS_IT_WAS: &str = "the environment is as it was";
/// Said of one that was stopped before it prepared anything.
const BEFORE_IT_BEGAN: &str = "was stopped before it began";
/// Said of one that was stopped in its switch.
const AS_ASKED: &str = "the environment is as the restore was asked to make it";

/// The database `shop` in one of two states.
fn database(state: u8) -> String {
    format!(
        "DROP DATABASE IF EXISTS shop; CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
         CREATE TABLE posts (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(100), body TEXT, KEY (title));
         CREATE TABLE comments (id INT PRIMARY KEY, post INT NOT NULL,
             CONSTRAINT of_post FOREIGN KEY (post) REFERENCES posts (id) ON DELETE CASCADE);
         CREATE TABLE log (what VARCHAR(100));
         CREATE TABLE only_{state} (a INT PRIMARY KEY);
         INSERT INTO posts SELECT seq, CONCAT('Post ', seq * {state}), REPEAT('text ', seq % 50) FROM seq_1_to_300;
         INSERT INTO comments SELECT seq, 1 + seq % (100 * {state}) FROM seq_1_to_500;
         INSERT INTO only_{state} SELECT seq FROM seq_1_to_{state}0;
         CREATE TRIGGER tell AFTER INSERT ON posts FOR EACH ROW INSERT INTO log VALUES ('added in {state}');
         CREATE VIEW newest AS SELECT id, title FROM posts WHERE id > {state}00;
         CREATE VIEW newest_{state} AS SELECT * FROM newest;
         CREATE FUNCTION answer() RETURNS INT DETERMINISTIC RETURN {state};
         CREATE PROCEDURE clear_{state}() DELETE FROM log;
         CREATE EVENT nightly ON SCHEDULE EVERY {state} DAY DO DELETE FROM shop.log;"
    )
}

/// All that the database is.
fn describe_database(server: &Server) -> String {
    server.query(
        "CHECKSUM TABLE shop.posts, shop.comments, shop.log, shop.only_1, shop.only_2 EXTENDED;
         SELECT table_name, table_type, engine, table_collation, auto_increment FROM information_schema.tables
             WHERE table_schema = 'shop' ORDER BY 1;
         SELECT table_name, constraint_name, referenced_table_schema, referenced_table_name
             FROM information_schema.key_column_usage WHERE table_schema = 'shop' ORDER BY 1, 2;
         SELECT table_name, view_definition, definer FROM information_schema.views
             WHERE table_schema = 'shop' ORDER BY 1;
         SELECT trigger_name, event_object_schema, event_object_table, action_statement, definer
             FROM information_schema.triggers WHERE trigger_schema = 'shop' ORDER BY 1;
         SELECT routine_name, routine_definition, definer FROM information_schema.routines
             WHERE routine_schema = 'shop' ORDER BY 1;
         SELECT event_name, interval_value, event_definition, status FROM information_schema.events
             WHERE event_schema = 'shop' ORDER BY 1;",
    )
}

/// Every entry of a folder: kind, mode, owner, size, time, link target, content.
fn describe_tree(folder: &Path) -> String {
    sh(&format!(
        "cd {} && find . -type d -printf '%p d %m %U:%G\\n' -o -printf '%p %y %m %U:%G %s %T@ %l\\n' | sort
         find . -type f -print0 | sort -z | xargs -0 sha256sum",
        folder.display()
    ))
}

/// The folder of the newest backup: its archives are named after the same second.
fn newest_folder(bench: &Bench) -> String {
    let file = bench.files("shop.live", "files")[0].clone();
    let time = file.strip_prefix("shop_live_").unwrap().strip_suffix("_UTC_files.tar.gz").unwrap();
    let (day, time) = time.split_once('T').unwrap();
    let second = sh(&format!("date -u -d '{day} {}' +%s", time.replace('-', ":")));
    format!("{}_backup", second.trim())
}

/// A site that is restored again and again.
struct Arena {
    bench: Bench,
    server: Server,
    site: PathBuf,
    is_git: bool,
    /// What the site is in each of the two states, and the backup of it.
    states: Vec<(String, String)>,
    now: usize,
}

impl Arena {
    fn new(is_git: bool) -> Self {
        let bench = Bench::new();
        let site = bench.path("shop");
        let server = Server::start(Options::default());
        let mut arena = Arena { bench, server, site, is_git, states: Vec::new(), now: 0 };
        for state in [1, 2] {
            arena.server.run_sql(&database(state));
            arena.lay_out(state);
            if state == 1 {
                arena.add();
            }
            arena.bench.back_up("shop.live");
            arena.states.push((arena.describe(), newest_folder(&arena.bench)));
        }
        assert_ne!(arena.states[0].0, arena.states[1].0);
        arena.now = 1;
        arena
    }

    fn add(&self) {
        let site = self.site.display();
        self.bench.ok([
            "site:add".to_owned(),
            site.to_string(),
            "--name=shop".to_owned(),
            format!("--code={site}"),
            format!("--files={site}/content/uploads"),
            format!("--database=mysql://root@localhost/shop?socket={}", self.server.socket().display()),
        ]);
    }

    /// Makes the site's folder what it is in that state: by changes of every kind from the one before.
    fn lay_out(&self, state: u8) {
        let site = self.site.display();
        if state == 1 {
            sh(&format!(
                "mkdir -p {site}/content/uploads/2026 {site}/lib && cd {site}
                 echo '<?php // one' > index.php
                 for n in $(seq 1 30); do seq 1 $n > lib/$n.php; done
                 echo one > lib/one.php && echo x > lib/kind && ln -s 1.php lib/link
                 cd content/uploads
                 for n in $(seq 1 30); do head -c 9000 /dev/urandom > 2026/photo-$n.jpg; done
                 echo one > one.txt && echo x > kind && ln -s one.txt link"
            ));
        } else {
            sh(&format!(
                "cd {site} && echo '<?php // two' > index.php && chmod 755 lib/3.php && rm lib/one.php lib/kind
                 mkdir lib/kind && echo two > lib/kind/two.php && ln -sf 2.php lib/link
                 cd content/uploads && rm one.txt kind && mkdir kind && echo two > kind/two.txt
                 head -c 9000 /dev/urandom > 2026/photo-1.jpg && ln -sf kind/two.txt link && chmod 600 2026/photo-2.jpg"
            ));
        }
        if self.is_git {
            sh(&format!(
                "cd {site} && test -d .git || git init -q -b main .
                 printf 'content/uploads/\\n*.log\\n' > .gitignore
                 echo untracked > notes.txt && echo ignored > debug.log
                 git add -A -- . ':!notes.txt'
                 git -c user.name=Shop -c user.email=shop@example.com commit -qm 'Version {state}'"
            ));
        }
    }

    fn describe(&self) -> String {
        let site = self.site.display();
        let mut all = describe_database(&self.server);
        if self.is_git {
            all += &describe_tree(&self.site.join("content"));
            all += &sh(&format!(
                "cd {site} && git symbolic-ref HEAD && git rev-parse HEAD && git for-each-ref refs/heads
                 git status --porcelain && git ls-files -s
                 find . -path ./.git -prune -o -path ./content -prune -o -printf '%p %y %l\\n' | sort
                 find . -path ./.git -prune -o -path ./content -prune -o -type f -print0 | sort -z | xargs -0 sha256sum"
            ));
        } else {
            all += &describe_tree(&self.site);
        }
        all
    }

    /// The restore to the state in which the site is not.
    fn restore(&self, safely: bool) -> Vec<String> {
        let mut args = vec![
            "backup:restore".to_owned(),
            "shop.live".to_owned(),
            format!("--file={}", self.states[1 - self.now].1),
            "--yes".to_owned(),
        ];
        if !safely {
            args.push("--no-safety-backup".to_owned());
        }
        args
    }

    /// Restores without a kill, which has to work.
    fn restore_whole(&mut self, safely: bool) {
        self.bench.ok(self.restore(safely));
        self.now = 1 - self.now;
        assert!(self.describe() == self.states[self.now].0, "{}", self.differs());
    }

    /// How the site differs from each state.
    fn differs(&self) -> String {
        fs::write(self.bench.path("now.txt"), self.describe()).unwrap();
        let mut told = String::new();
        for (number, (state, _)) in self.states.iter().enumerate() {
            fs::write(self.bench.path("state.txt"), state).unwrap();
            let diff = format!("cd {} && diff now.txt state.txt || :", self.bench.folder.path().display());
            told += &format!("now and state {number}:\n{}", sh(&diff));
        }
        told
    }

    /// What a restore makes for itself, as far as it is still there.
    fn litter(&self) -> String {
        let mut found = self.server.query("SHOW DATABASES LIKE 'undercroft%'");
        found += &sh(&format!(
            "find {} -path '*/refs/*' -prune -o -path '*/logs/*' -prune -o \\( -name '*undercroft*' -o -name '*.lock' \\) -print",
            self.site.display()
        ));
        found += &sh(&format!(
            "cd {} && find . -name '.undercroft*' -maxdepth 1",
            self.bench.folder.path().display()
        ));
        for folder in ["restores", "cache/restores"] {
            let folder = self.bench.data().join(folder);
            if !is_empty(&folder) {
                found += &sh(&format!("find {}", folder.display()));
            }
        }
        if self.is_git {
            found += &sh(&format!("cd {} && git for-each-ref refs/undercroft/brought", self.site.display()));
        }
        found
    }

    /// The states that are kept for undoing restores.
    fn kept(&self) -> usize {
        if !self.is_git {
            return 0;
        }
        sh(&format!("cd {} && git for-each-ref refs/undercroft", self.site.display())).lines().count()
    }

    /// One restore that is killed, and the next command. Whether it was killed in time, and what was said.
    fn round(
        &mut self,
        restore: &[String],
        moments: &mut Moments,
        mending: Option<&mut Moments>,
    ) -> (bool, String) {
        let kept = self.kept();
        let killed = moments.kill(&self.bench, restore);
        if let Some(mending) = mending {
            mending.kill(&self.bench, ["backup:list", "shop.live"]);
        }
        // A lock alone, or a journal that was never written to its end, is of a restore that had not begun.
        let journals = fs::read_dir(self.bench.data().join("restores")).into_iter().flatten().flatten();
        let began =
            journals.into_iter().any(|entry| entry.path().extension().is_some_and(|end| end == "json"));
        let next = self.bench.run(["backup:list", "shop.live"]);
        let said = next.err();
        assert!(next.0.status.success(), "{said}");
        let is = self.describe();
        let state = self.states.iter().position(|(state, _)| *state == is);
        let state = state.unwrap_or_else(|| panic!("between two states ({said}):\n{}", self.differs()));
        let switched = state != self.now;
        assert_eq!(self.litter(), "", "{said}");
        if !switched {
            assert_eq!(self.kept(), kept, "nothing is kept of a restore that was not done: {said}");
        }
        // Of a restore that had ended, there is nothing to be told.
        if began || said.contains("A restore of shop.live") {
            assert_eq!(said.contains(AS_IT_WAS), !switched, "{said}");
            assert!(switched || !said.contains(AS_ASKED), "{said}");
        }
        assert!(killed || switched, "a restore that was not killed was done: {said}");
        self.now = state;
        (killed, said)
    }

    fn survives_kills(&mut self) {
        let (mut whole, mut plain) =
            (Moments::of(|| self.restore_whole(true)), Moments::of(|| self.restore_whole(false)));
        let mut mending = Moments::within(Duration::from_millis(300));
        let (mut killed, mut said) = (0, String::new());
        for round in 0..KILLS {
            let safely = round % 4 == 0;
            if round % 10 == 9 {
                self.forget_what_is_not_needed();
            }
            // The command that mends may be killed, too.
            let mending = (round % 3 == 0).then_some(&mut mending);
            let moments = if safely { &mut whole } else { &mut plain };
            let (in_time, told) = self.round(&self.restore(safely), moments, mending);
            killed += u64::from(in_time);
            said += &told;
            if round % 25 == 24 {
                self.restore_whole(false);
            }
        }
        assert!(killed > KILLS / 2, "only {killed} of {KILLS} restores were killed in time");
        for part in [BEFORE_IT_BEGAN, AS_IT_WAS, AS_ASKED] {
            assert!(said.contains(part), "no kill met that part of a restore: {part}");
        }
        self.restore_whole(true);
        self.bench.ok(["vault:check"]);
    }

    /// Takes from the repository what only other states need: the next restore has to bring it.
    fn forget_what_is_not_needed(&self) {
        if self.is_git {
            sh(&format!(
                "cd {} && git for-each-ref --format='delete %(refname)' refs/undercroft | git update-ref --stdin
                 git reflog expire --expire=now --expire-unreachable=now --all && git gc -q --prune=now",
                self.site.display()
            ));
        }
    }
}

#[test]
fn a_killed_undoing_is_done_or_not_begun() {
    let mut arena = Arena::new(true);
    let undo = ["backup:restore", "shop.live", "--undo", "--yes"].map(str::to_owned);
    arena.restore_whole(true);
    let mut moments = Moments::of(|| drop(arena.bench.ok(&undo)));
    arena.now = 1 - arena.now;
    let mut killed = 0;
    for _ in 0..KILLS / 4 {
        arena.restore_whole(true);
        killed += u64::from(arena.round(&undo, &mut moments, None).0);
    }
    assert!(killed > 5, "only {killed} were killed in time");
}

#[test]
fn a_killed_restore_in_place_is_done_or_not_begun() {
    let mut arena = Arena::new(false);
    let in_place = |arena: &Arena| [arena.restore(false), vec!["--in-place".to_owned()]].concat();
    let mut moments = Moments::of(|| drop(arena.bench.ok(in_place(&arena))));
    arena.now = 1 - arena.now;
    let mut mending = Moments::within(Duration::from_millis(300));
    let (mut killed, mut said) = (0, String::new());
    for round in 0..KILLS / 4 {
        let mending = (round % 3 == 0).then_some(&mut mending);
        let (in_time, told) = arena.round(&in_place(&arena), &mut moments, mending);
        killed += u64::from(in_time);
        said += &told;
    }
    assert!(killed > 5, "only {killed} were killed in time");
    assert!(said.contains(AS_ASKED), "no kill met the loading");
}

#[test]
fn a_killed_restore_of_a_plain_folder_is_done_or_not_begun() {
    Arena::new(false).survives_kills();
}

#[test]
fn a_killed_restore_of_a_repository_is_done_or_not_begun() {
    Arena::new(true).survives_kills();
}
