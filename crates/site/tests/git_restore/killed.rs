//! A switch or its undoing killed at any moment, and gone on with by another process.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use undercroft_model::Silent;
use undercroft_site::git::restore::{self, Staged};
use uuid::Uuid;

use crate::bench::*;
use crate::support::*;

const WHAT: &str = "UNDERCROFT_TEST_PHASE";
const STAGED: &str = "UNDERCROFT_TEST_STAGED";

/// Runs one phase in a process of its own: what the other test kills.
#[test]
fn phase_of_another_process() {
    let (Ok(what), Ok(staged)) = (std::env::var(WHAT), std::env::var(STAGED)) else { return };
    let staged: Staged = serde_json::from_str(&staged).unwrap();
    match what.as_str() {
        "prepare" => restore::prepare(&staged, &Silent).unwrap(),
        "switch" => restore::switch(&staged, &Silent).unwrap(),
        "back" => restore::switch_back(&staged).unwrap(),
        repository => restore::undo(repository, staged.id).unwrap(),
    }
}

/// Runs a phase and kills it after a while; tells whether it had ended.
pub fn run_and_kill(what: &str, staged: &Staged, after: Duration) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::phase_of_another_process"])
        .env(WHAT, what)
        .env(STAGED, serde_json::to_string(staged).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_kill_at_any_moment_leaves_before_or_after() {
    let play = Play::new();
    let site = &play.site;
    for number in 0..300 {
        put(site, &format!("many/{number}.txt"), number.to_string());
    }
    commit(site, 1_600_001_000, "many");
    play.hack();
    let before = seen(site);
    let mut order = play.order("light");
    order.remove_untracked = true;
    // How long a whole run takes here tells when to kill.
    let begun = Instant::now();
    let staged = play.restore(&order).unwrap();
    let after = seen(site);
    let whole = begun.elapsed();
    restore::undo(&order.repository, staged.id).unwrap();
    restore::forget(&order.repository, staged.id).unwrap();
    assert_same(&before, &seen(site));
    let moments = 24;
    for moment in 0..moments {
        order.id = Uuid::new_v4();
        let staged = restore::stage(&order, &play.cache()).unwrap();
        let when = whole * moment / moments;
        run_and_kill("prepare", &staged, when / 2);
        restore::clean_up(&staged).unwrap();
        assert_same(&before, &seen(site));
        assert_clean(site, 0);
        restore::prepare(&staged, &Silent).unwrap();
        run_and_kill("switch", &staged, when / 2);
        if moment % 2 == 0 {
            restore::switch_back(&staged).unwrap();
            assert_same(&before, &seen(site));
        }
        run_and_kill("switch", &staged, when / 2);
        run_and_kill("back", &staged, when / 2);
        restore::switch(&staged, &Silent).unwrap();
        assert_same(&after, &seen(site));
        restore::clean_up(&staged).unwrap();
        assert_clean(site, 1);
        run_and_kill(&order.repository, &staged, when / 2);
        restore::undo(&order.repository, staged.id).unwrap();
        assert_same(&before, &seen(site));
        restore::forget(&order.repository, staged.id).unwrap();
        assert_clean(site, 0);
    }
}
