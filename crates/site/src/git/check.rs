//! What git itself says of a repository that was laid out: whether it is whole, and its work tree as committed.

use std::path::Path;

use super::GitError;
use super::command::{bare_command, run};

/// What git finds wrong with the repository in a folder and with its work tree, a sentence each; nothing if all of it is
/// as it should be.
///
/// # Errors
/// [`GitError`] if git can't be run.
pub fn check(folder: &Path) -> Result<Vec<String>, GitError> {
    let ask = |args: &[&str]| {
        let mut command = bare_command();
        command.arg("-C").arg(folder).args(args);
        run(command, None)
    };
    let mut flaws = Vec::new();
    let fsck = ask(&["fsck", "--full", "--no-dangling", "--no-progress"])?;
    if !fsck.status.success() {
        flaws.extend(lines(&fsck.stderr, "git fsck: "));
        flaws.extend(lines(&fsck.stdout, "git fsck: "));
    }
    let status = ask(&["status", "--porcelain", "--untracked-files=no"])?;
    flaws.extend(match status.status.success() {
        true => lines(&status.stdout, "not as it is committed: "),
        false => lines(&status.stderr, "git status: "),
    });
    Ok(flaws)
}

fn lines(bytes: &[u8], before: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| format!("{before}{line}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_sound_repository_has_no_flaws_and_others_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("index.php"), "<?php\n").unwrap();
        let sh =
            "git init -q . && git add . && git -c user.name=a -c user.email=a@b.example commit -q -m one";
        assert!(Command::new("sh").current_dir(folder.path()).args(["-c", sh]).status().unwrap().success());
        assert_eq!(check(folder.path()).unwrap(), Vec::<String>::new());

        fs::write(folder.path().join("index.php"), "<?php evil();\n").unwrap();
        assert_eq!(check(folder.path()).unwrap(), ["not as it is committed: M index.php"]);

        let blob = "rm -f .git/objects/$(git rev-parse HEAD:index.php | sed 's|^..|&/|')";
        assert!(Command::new("sh").current_dir(folder.path()).args(["-c", blob]).status().unwrap().success());
        let flaws = check(folder.path()).unwrap();
        assert!(flaws.iter().any(|flaw| flaw.starts_with("git fsck: ")), "{flaws:?}");
    }
}
