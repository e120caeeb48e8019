//! `kill -9` at random moments of what looks after backups: verifications, sweeps, copies of the store, and catalogs
//! made anew. Nothing that is kept is harmed, and the same command again ends what was begun.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;
mod moments;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{Bench, add_small_site, sh, small_site};
use jiff::{Timestamp, ToSpan};
use moments::{KILLS, Moments, is_empty};
use undercroft_client::{Client, InProcess};
use undercroft_model::api::ExportParams;
use undercroft_server::{App, DataFolder, Patience, router};
use undercroft_testkit::mariadb::{Options, Server};

/// So many kills are followed by a run to the end.
const ROW: u64 = 4;

/// So many times a program is stopped, where others have to wait for ten seconds until they go on without it.
const STOPS: u64 = 8;

/// Makes a backup sixty days ago, to be kept for a day.
fn back_up_long_ago(bench: &Bench) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let clock = Arc::new(|| Timestamp::now() - (60 * 24).hours());
        let data = DataFolder::open(&bench.data()).unwrap();
        let app = App::open_with(data, clock, Patience::default()).await.unwrap();
        let client = Client::new(InProcess(router(app)));
        let site = client.site("shop").await.unwrap();
        let params = ExportParams {
            code: true,
            database: false,
            files: true,
            entry_type: "backup".to_owned(),
            ttl: 24 * 3600,
            accept_smaller: true,
            only_what_is_there: true,
        };
        let mut workflow = client.create_backup(site.id, &"live".parse().unwrap(), &params).await.unwrap();
        while workflow.result.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            workflow = client.workflow(site.id, workflow.id).await.unwrap();
        }
        assert_eq!(workflow.result.as_deref(), Some("succeeded"));
    });
}

/// A site with old backups, which are only in the way, and new ones, which need some of what the old ones brought.
fn with_a_past(bench: &Bench) {
    let site = add_small_site(bench);
    let change = |round: u32| {
        sh(&format!(
            "cd {0}/uploads/2026/11 && for n in 1 2 3; do head -c 150000 /dev/urandom > new-{2}-$n.jpg; done
             rm -f new-{1}-2.jpg new-{1}-3.jpg photo-{2}.jpg && echo {2} >> ../log.txt",
            site.display(),
            round - 1,
            round
        ));
    };
    for round in 1..=6 {
        change(round);
        back_up_long_ago(bench);
    }
    // A sweep leaves alone what may be under way.
    long_ago(bench);
    for round in 7..=9 {
        change(round);
        bench.back_up("shop.live");
    }
}

/// Makes everything in the store look as if it had been written long ago.
fn long_ago(bench: &Bench) {
    sh(&format!("find {} -type f -exec touch -d '50 days ago' {{}} +", bench.data().join("store").display()));
}

/// The archives that are listed, with their bytes.
fn archives(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for element in ["code", "files"] {
        for name in bench.files("shop.live", element) {
            let bytes = bench.archive("shop.live", &name);
            all.push((name, bytes));
        }
    }
    all
}

/// Puts a copy of a folder in place of another one.
fn replace(from: &Path, to: &Path) {
    sh(&format!("rm -rf {1} && cp -a {0} {1}", from.display(), to.display()));
}

#[test]
fn a_killed_sweep_takes_nothing_that_is_kept_and_the_next_one_ends_it() {
    let bench = Bench::new();
    with_a_past(&bench);
    let known = archives(&bench);
    assert_eq!(known.len(), 6);
    let (data, before) = (bench.data(), bench.path("before"));
    replace(&data, &before);
    let full = bench.stored();
    let sweep = ["vault:sweep", "shop", "--however-much"];
    let mut moments = Moments::of(|| drop(bench.ok(sweep)));
    let swept = bench.stored();
    assert!(swept < full - 1_000_000, "{swept} bytes of {full} are left");
    let mut killed = 0;
    for round in 0..KILLS {
        if round % ROW == 0 {
            replace(&before, &data);
        }
        killed += u64::from(moments.kill(&bench, sweep));
        bench.ok(["vault:check", "shop"]);
        assert!(archives(&bench) == known, "after kill {round}");
        if round % ROW == ROW - 1 {
            // What killed sweeps had written anew is spared as long as somebody may still be writing it: a day.
            bench.ok(sweep);
            long_ago(&bench);
            bench.ok(sweep);
            bench.ok(["vault:check", "shop"]);
            assert!(archives(&bench) == known, "after the sweep that followed kill {round}");
            let left = bench.stored();
            assert!(left < swept + 100_000, "{left} bytes are left, and {swept} without kills");
        }
    }
    assert!(killed > KILLS / 2, "only {killed} of {KILLS} sweeps were killed in time");
    bench.back_up("shop.live");
    bench.ok(["vault:check", "shop"]);
}

#[test]
fn a_sweep_that_is_stopped_in_its_tracks_holds_nobody_up_and_harms_nothing_when_it_wakes() {
    let bench = Bench::new();
    with_a_past(&bench);
    let known = archives(&bench);
    let (data, before) = (bench.data(), bench.path("before"));
    replace(&data, &before);
    let sweep = ["vault:sweep", "shop", "--however-much"];
    let mut moments = Moments::of(|| drop(bench.ok(sweep)));
    for round in 0..STOPS {
        replace(&before, &data);
        let Some(stopped) = moments.stop(&bench, sweep) else { continue };
        // The lease is taken from it; what it was about to remove is stored again if it is needed.
        let made = bench.run(["backup:create", "shop.live"]);
        if made.err().contains("database is locked") {
            // It was stopped while it wrote to the catalog: so short a time that nobody can take its place.
            stopped.wake();
            continue;
        }
        assert!(made.0.status.success(), "{}", made.err());
        let all = archives(&bench);
        assert_eq!(all.len(), known.len() + 2);
        // Another sweep goes its way, as if the day of grace were over, and then the first one wakes.
        if round % 2 == 1 {
            long_ago(&bench);
            bench.ok(sweep);
        }
        stopped.wake();
        bench.ok(["vault:check", "shop"]);
        assert!(archives(&bench) == all, "after stop {round}");
    }
}

/// A catalog made anew from a store, in a data folder of its own.
struct Rebuilt {
    bench: Bench,
    args: [String; 3],
}

impl Rebuilt {
    fn new(of: &Bench, store: &Path) -> Self {
        let key = of.data().join("keys/recovery.key");
        let args = [
            "catalog:rebuild".to_owned(),
            format!("--store={}", store.display()),
            format!("--key={}", key.display()),
        ];
        Rebuilt { bench: Bench::new(), args }
    }
}

/// The objects of a store, with their sizes, but for a copy's own list of what it brought.
fn objects(store: &Path) -> String {
    sh(&format!(
        "cd {}/vaults && find . -type f -not -path '*/copied/*' -printf '%p %s\\n' | sort",
        store.display()
    ))
}

#[test]
fn a_killed_copy_goes_on_and_is_whole() {
    let bench = Bench::new();
    with_a_past(&bench);
    let (copy, mut killed) = (bench.path("copy"), 0);
    let to = ["store:copy".to_owned(), copy.display().to_string(), "--however-much".to_owned()];
    let mut moments = Moments::of(|| drop(bench.ok(&to)));
    for round in 0..KILLS {
        let row = round / ROW;
        if round % ROW == 0 && row.is_multiple_of(3) {
            sh(&format!("rm -rf {}", copy.display()));
        } else if round % ROW == 0 {
            sh(&format!(
                "head -c 400000 /dev/urandom > {}/uploads/more-{row}.jpg",
                bench.path("shop").display()
            ));
            bench.back_up("shop.live");
        }
        if round == KILLS / 2 {
            bench.ok(["vault:sweep", "shop", "--however-much"]);
        }
        killed += u64::from(moments.kill(&bench, &to));
        if round % ROW == ROW - 1 {
            bench.ok(&to);
            let there = Rebuilt::new(&bench, &copy);
            there.bench.ok(&there.args);
            there.bench.ok(["vault:check", "shop"]);
            assert_eq!(there.bench.list("shop.live"), bench.list("shop.live"));
            if row % 5 == 4 {
                assert!(archives(&there.bench) == archives(&bench), "after kill {round}");
            }
            // It holds the same objects: none is missing, none is cut short, none is left that the store has no more.
            let (ours, theirs) = (objects(&bench.data().join("store")), objects(&copy));
            assert_eq!(theirs, ours, "after kill {round}");
        }
    }
    assert!(killed > KILLS / 3, "only {killed} of {KILLS} copies were killed in time");
}

#[test]
fn a_catalog_whose_making_was_killed_is_made_by_the_next_try() {
    let bench = Bench::new();
    with_a_past(&bench);
    let names = bench.files("shop.live", "files");
    bench.ok(["backup:keep", "shop.live", &format!("--file={}", names[0]), "--pin"]);
    bench.ok(["backup:delete", "shop.live", &format!("--file={}", names[1]), "--yes"]);
    let store = bench.data().join("store");
    let listed = bench.list("shop.live");
    let trash = bench.ok(["backup:undelete", "shop.live", "--format=json"]);
    let mut moments = Moments::of(|| {
        let rebuilt = Rebuilt::new(&bench, &store);
        rebuilt.bench.ok(&rebuilt.args);
    });
    let mut killed = 0;
    for round in 0..KILLS {
        let rebuilt = Rebuilt::new(&bench, &store);
        for _ in 0..=round % 2 {
            killed += u64::from(moments.kill(&rebuilt.bench, &rebuilt.args));
        }
        rebuilt.bench.ok(&rebuilt.args);
        assert_eq!(rebuilt.bench.list("shop.live"), listed, "after kill {round}");
        assert_eq!(
            rebuilt.bench.ok(["backup:undelete", "shop.live", "--format=json"]),
            trash,
            "after kill {round}"
        );
    }
    assert!(killed > KILLS / 2, "only {killed} makings were killed in time");
    bench.ok(["vault:check", "shop"]);
}

/// A site with a database of its own.
fn with_a_database(bench: &Bench, server: &Server) {
    let site = small_site(bench).display().to_string();
    server.run_sql(
        "CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
         CREATE TABLE posts (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(100), body TEXT, KEY (title));
         CREATE TABLE comments (id INT PRIMARY KEY, post INT NOT NULL, FOREIGN KEY (post) REFERENCES posts (id));
         INSERT INTO posts SELECT seq, CONCAT('Post ', seq), REPEAT('text ', seq % 50) FROM seq_1_to_300;
         INSERT INTO comments SELECT seq, 1 + seq % 100 FROM seq_1_to_500;
         CREATE VIEW newest AS SELECT id, title FROM posts WHERE id > 100;
         CREATE TRIGGER shout BEFORE INSERT ON posts FOR EACH ROW SET NEW.title = UPPER(NEW.title);
         CREATE PROCEDURE clear() DELETE FROM comments;",
    );
    bench.ok([
        "site:add".to_owned(),
        site.clone(),
        "--name=shop".to_owned(),
        format!("--code={site}"),
        format!("--files={site}/uploads"),
        format!("--database=mysql://root@localhost/shop?socket={}", server.socket().display()),
    ]);
}

#[test]
fn a_killed_verification_changes_nothing_and_leaves_nothing() {
    let (bench, server) = (Bench::new(), Server::start(Options::default()));
    with_a_database(&bench, &server);
    bench.back_up("shop.live");
    let known = archives(&bench);
    let describe = || {
        let tables = server.query(
            "CHECKSUM TABLE shop.posts, shop.comments EXTENDED; SHOW FULL TABLES FROM shop; SHOW TRIGGERS FROM shop;
             SHOW PROCEDURE STATUS WHERE db <> 'sys'; SHOW DATABASES;",
        );
        tables
            + &sh(&format!(
                "cd {} && find . -printf '%p %y %m %s %T@ %l\\n' | sort",
                bench.path("shop").display()
            ))
    };
    let before = describe();
    let mut told = 0;
    for args in [&["backup:verify", "shop.live"][..], &["backup:verify", "shop.live", "--deep"]] {
        let (mut moments, mut killed) = (Moments::of(|| drop(bench.ok(args))), 0);
        for round in 0..KILLS {
            killed += u64::from(moments.kill(&bench, args));
            // A journal that was only half written says that nothing had begun.
            let journals = std::fs::read_dir(bench.data().join("restores")).unwrap();
            let began = journals.flatten().any(|file| file.path().extension().is_some_and(|e| e == "json"));
            let next = bench.run(["backup:list", "shop.live"]);
            let said = next.err();
            assert!(next.0.status.success(), "{said}");
            assert!(!began || said.contains("A verification of shop.live was stopped"), "{said}");
            told += u64::from(said.contains("A verification of shop.live was stopped"));
            assert!(describe() == before, "after kill {round} ({said})");
            for folder in ["restores", "cache/restores"] {
                assert!(is_empty(&bench.data().join(folder)), "{folder} after kill {round} ({said})");
            }
        }
        assert!(killed > KILLS / 2, "only {killed} of {KILLS} verifications were killed in time");
        bench.ok(args);
    }
    assert!(told > 0, "no kill met a scratch schema");
    assert!(archives(&bench) == known);
    bench.ok(["vault:check", "shop"]);
}
