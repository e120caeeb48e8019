//! What a site is made of, as text that two moments can be compared by.

use std::path::Path;

use undercroft_testkit::mariadb::Server;

use super::sh;

/// Every file of a folder: its path, kind, mode, size, time and digest. Git's own housekeeping is not told, since it
/// differs after a restore that is as good as any.
pub fn tree(folder: &Path) -> String {
    sh(&format!(
        "cd '{}'
         find . -name .git -prune -o -type d -printf '%P %y %m\\n' | LC_ALL=C sort
         find . -name .git -prune -o ! -type d -printf '%P %y %m %s %T@ %l\\n' | LC_ALL=C sort
         find . -name .git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum",
        folder.display()
    ))
}

/// A schema as the server's own dump program tells it.
pub fn schema(server: &Server, schema: &str) -> String {
    let mut dump = server.tool("mariadb-dump");
    dump.args(["--skip-comments", "--skip-dump-date", "--routines", "--triggers", "--events", schema]);
    let output = dump.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Says where two states differ, instead of printing both of them whole.
#[track_caller]
pub fn same(now: &str, expected: &str) {
    if now == expected {
        return;
    }
    let short = |line: &str| line.chars().take(300).collect::<String>();
    let only = |these: &str, those: &str| {
        let known: std::collections::HashSet<_> = those.lines().collect();
        these.lines().filter(|line| !known.contains(line)).take(8).map(short).collect::<Vec<_>>()
    };
    panic!("only now: {:#?}\nonly expected: {:#?}", only(now, expected), only(expected, now));
}
