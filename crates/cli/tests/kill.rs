//! `kill -9` at random moments of a backup: older backups stay whole, and the next backup succeeds.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::{Bench, add_small_site, sh};

/// How often a backup is killed.
const KILLS: u64 = 100;

/// A moment in the first `most` microseconds, spread evenly over all the rounds, in no order.
fn moment(round: u64, most: u64) -> Duration {
    Duration::from_micros(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % most)
}

#[test]
fn a_killed_backup_harms_nothing() {
    let bench = Bench::new();
    let site = add_small_site(&bench);
    bench.back_up("shop.live");
    let mut known: Vec<(String, Vec<u8>)> = Vec::new();
    for element in ["files", "code"] {
        let name = bench.files("shop.live", element)[0].clone();
        known.push((name.clone(), bench.archive("shop.live", &name)));
    }
    let began = std::time::Instant::now();
    bench.back_up("shop.live");
    // Long enough to reach past the end of some backups.
    let most = u64::try_from(began.elapsed().as_micros()).unwrap() * 3 / 2;
    let mut killed = 0;
    for round in 0..KILLS {
        sh(&format!(
            "cd {}/uploads && head -c 300000 /dev/urandom > new-{}.jpg && echo {round} >> log.txt",
            site.display(),
            round % 7
        ));
        let mut child = bench
            .command(["backup:create", "shop.live"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(moment(round, most));
        child.kill().unwrap();
        killed += u64::from(!child.wait().unwrap().success());
        if round % 10 == 9 {
            for (name, bytes) in &known {
                assert!(bench.archive("shop.live", name) == *bytes, "{name} after kill {round}");
            }
            bench.back_up("shop.live");
            let newest = bench.files("shop.live", "files")[0].clone();
            assert!(known.iter().all(|(name, _)| *name != newest), "a new backup was made");
            let bytes = bench.archive("shop.live", &newest);
            known.push((newest, bytes));
        }
    }
    assert!(killed > KILLS / 4, "only {killed} of {KILLS} backups were killed in time");
    // Whatever the list shows can be had, whole.
    for element in ["files", "code"] {
        for name in bench.files("shop.live", element) {
            let file = bench.path("check.tar.gz");
            std::fs::write(&file, bench.archive("shop.live", &name)).unwrap();
            sh(&format!("gzip -t {0} && tar tzf {0} >/dev/null", file.display()));
        }
    }
    let files = bench.unpack("shop.live", "files", "got");
    sh(&format!("diff -r {} {}/uploads", files.display(), site.display()));
}
