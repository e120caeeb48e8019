//! The commits between two commits.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::command::Git;
use super::error::GitError;
use super::oid::ObjectId;
use super::shown;

/// So many commits are named one by one.
const NAMED: usize = 50;

/// A commit, as a person knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its name, in hexadecimal digits.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
}

/// What lies between two commits of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Between {
    /// How many commits the second has that the first has not.
    pub ahead: u64,
    /// How many commits the first has that the second has not.
    pub behind: u64,
    /// The newest 50 of those that the second alone has.
    pub coming: Vec<Commit>,
    /// The newest 50 of those that the first alone has.
    pub going: Vec<Commit>,
}

/// Tells what lies between two commits of a repository: the environment's own, or one taken out of an archive.
/// `None` if the repository lacks one of them, or the history that leads to it. Nothing is written.
///
/// # Errors
/// [`GitError`] if there is no repository, a name is not a commit's, or git fails.
pub fn commits_between(repository: &Path, from: &str, to: &str) -> Result<Option<Between>, GitError> {
    let place = super::find(repository)?;
    place.check_files()?;
    let parse = |text: &str| ObjectId::parse(text.as_bytes()).ok_or_else(|| no_commit(&place.called(), text));
    between(&Git::new(&place.git_dir, &place.called()), &parse(from)?, &parse(to)?)
}

fn no_commit(repository: &str, text: &str) -> GitError {
    GitError::Damaged { repository: repository.to_owned(), why: format!("{text} is not a commit") }
}

/// What lies between two commits, if both are there.
pub(super) fn between(git: &Git, from: &ObjectId, to: &ObjectId) -> Result<Option<Between>, GitError> {
    if !(has_commit(git, from)? && has_commit(git, to)?) {
        return Ok(None);
    }
    let range = format!("{from}...{to}");
    let Some(counts) = git.look_for(&["rev-list", "--left-right", "--count", &range, "--"])? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&counts).into_owned();
    let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap_or(0));
    let (behind, ahead) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (coming, going) = (only(git, from, to)?, only(git, to, from)?);
    Ok(Some(Between { ahead, behind, coming, going }))
}

/// The newest commits that `to` has and `from` has not.
fn only(git: &Git, from: &ObjectId, to: &ObjectId) -> Result<Vec<Commit>, GitError> {
    let (range, most) = (format!("{from}..{to}"), format!("--max-count={NAMED}"));
    let args = ["log", &most, "--no-show-signature", "--no-color", "-z", "--format=%H %s", &range, "--"];
    let answer = git.ask("list the commits", &args)?;
    let lines = answer.split(|b| *b == 0).filter(|line| !line.is_empty());
    Ok(lines
        .filter_map(|line| {
            let at = line.iter().position(|b| *b == b' ')?;
            let (id, subject) = line.split_at(at);
            Some(Commit { id: shown(id), subject: shown(subject.get(1..).unwrap_or_default()) })
        })
        .collect())
}

/// Whether the repository has a commit.
pub(super) fn has_commit(git: &Git, commit: &ObjectId) -> Result<bool, GitError> {
    let answer =
        git.ask_with("look up a commit", &["cat-file", "--batch-check"], format!("{commit}\n").as_bytes())?;
    Ok(answer.split(|b| *b == b' ').nth(1) == Some(b"commit"))
}
