//! Which files of a work tree git itself wrote last, by what it noted of them in the index.

use std::path::Path;

use undercroft_vault::stream::FileTime;

use super::desk::path_of;
use super::{RestoreError, Staged};
use crate::files::restore::Written;

/// The tracked files below a folder, as they were when git wrote or last saw them.
pub(super) fn laid_out(staged: &Staged, below: &Path) -> Result<Vec<Written>, RestoreError> {
    let mut all = Vec::new();
    for part in staged.parts.iter().filter(|part| part.follows) {
        let Some(top) = &part.repo.work_tree else { continue };
        let Ok(inner) = below.strip_prefix(top) else { continue };
        let git = crate::git::command::Git::new(&part.repo.git_dir, &part.repo.called);
        let mut args: Vec<&std::ffi::OsStr> =
            ["--literal-pathspecs", "ls-files", "--debug", "-z", "--"].map(std::ffi::OsStr::new).to_vec();
        args.extend((!inner.as_os_str().is_empty()).then_some(inner.as_os_str()));
        let answer = git.ask("look at the index", &args)?;
        all.extend(entries(&answer).map(|(path, facts)| Written { path: top.join(path_of(path)), ..facts }));
    }
    Ok(all)
}

/// Path, NUL, and then lines of fields such as `mtime: 1600000000:0`, parted by tabs, up to the next path.
fn entries(answer: &[u8]) -> impl Iterator<Item = (&[u8], Written)> {
    let mut rest = answer;
    std::iter::from_fn(move || {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (path, mut after) = (rest.get(..end)?, rest.get(end + 1..)?);
        let mut written = Written::default();
        while after.starts_with(b"  ") {
            let end = after.iter().position(|byte| *byte == b'\n')?;
            let line = String::from_utf8_lossy(after.get(..end)?).into_owned();
            after = after.get(end + 1..)?;
            note(&mut written, &line);
        }
        rest = after;
        Some((path, written))
    })
}

fn note(written: &mut Written, line: &str) {
    for field in line.split('\t') {
        let Some((name, value)) = field.trim().split_once(": ") else { continue };
        match (name, value.split_once(':')) {
            ("mtime", Some((seconds, nanos))) => {
                let (seconds, nanos) = (seconds.parse().unwrap_or(0), nanos.parse().unwrap_or(0));
                written.mtime = FileTime { seconds, nanos };
            }
            ("ino", None) => written.inode = value.parse().unwrap_or(0),
            ("size", None) => written.size = value.parse().unwrap_or(0),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_tells_of_its_index_is_read() {
        let answer =
            b"a/b c\0  ctime: 1:2\n  mtime: 1600000000:5\n  dev: 64769\tino: 12\n  uid: 0\tgid: 0\n  \
                       size: 7\tflags: 0\nd\0  mtime: 3:0\n  dev: 1\tino: 13\n  size: 0\tflags: 0\n";
        let found: Vec<_> = entries(answer).collect();
        let mtime = FileTime { seconds: 1_600_000_000, nanos: 5 };
        let first = Written { mtime, inode: 12, size: 7, ..Written::default() };
        assert_eq!(found.first(), Some(&(&b"a/b c"[..], first)));
        assert_eq!(found.iter().map(|(path, _)| *path).collect::<Vec<_>>(), [&b"a/b c"[..], b"d"]);
        assert_eq!(found[1].1.inode, 13);
    }
}
