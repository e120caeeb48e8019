//! Which commit is the environment's.

use undercroft_model::CodeRevision;

use super::command::Git;
use super::error::GitError;
use super::oid::ObjectId;
use super::refs::{Head, Refs};
use super::shown;

/// A revision, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub commit: ObjectId,
    /// What HEAD is in the archive.
    pub head: Head,
    /// The branch or tag.
    pub reference: Option<String>,
}

/// So many names are shown to a person who named one that isn't there.
const SOME: usize = 8;

/// Finds a revision among the references; `git` is asked about their objects.
pub(super) fn resolve(git: &Git, refs: &Refs, revision: &CodeRevision) -> Result<Resolved, GitError> {
    match revision {
        CodeRevision::Head => match &refs.head {
            Head::Detached(commit) => {
                Ok(Resolved { commit: *commit, head: refs.head.clone(), reference: None })
            }
            Head::Branch(name) => {
                let short = shown(name.strip_prefix(b"refs/heads/").unwrap_or(name));
                let (repository, some) = (git.called().to_owned(), some_branches(refs));
                let Some(commit) = refs.object(name) else {
                    return Err(GitError::Unborn { repository, branch: short, some });
                };
                Ok(Resolved { commit, head: refs.head.clone(), reference: Some(short) })
            }
        },
        CodeRevision::Branch(branch) => {
            let name = format!("refs/heads/{branch}").into_bytes();
            let Some(commit) = refs.object(&name) else {
                let (repository, some) = (git.called().to_owned(), some_branches(refs));
                return Err(GitError::NoBranch { repository, branch: branch.clone(), some });
            };
            Ok(Resolved { commit, head: Head::Branch(name), reference: Some(branch.clone()) })
        }
        CodeRevision::Tags(pattern) => newest_tag(git, pattern),
    }
}

fn some_branches(refs: &Refs) -> Vec<String> {
    refs.under(b"refs/heads/").take(SOME).map(shown).collect()
}

/// The tags that match a pattern, the newest first; of two of one second, that with the higher version.
pub(super) fn tags(git: &Git, pattern: &str) -> Result<Vec<Vec<u8>>, GitError> {
    let format = "--format=%(refname:strip=2)";
    let sorted = [
        "tag",
        "--list",
        "--no-column",
        "--sort=version:refname",
        "--sort=creatordate",
        format,
        "--",
        pattern,
    ];
    let answer = git.ask("list the tags", &sorted)?;
    let lines = answer.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let mut tags: Vec<_> = lines.map(<[u8]>::to_vec).collect();
    tags.reverse();
    Ok(tags)
}

fn newest_tag(git: &Git, pattern: &str) -> Result<Resolved, GitError> {
    for tag in tags(git, pattern)? {
        // A tag may name something else than a commit.
        let wanted = [b"refs/tags/", tag.as_slice(), b"^{commit}"].concat();
        let found =
            git.ask_with("look up a tag", &["cat-file", "--batch-check"], &[&wanted, &b"\n"[..]].concat())?;
        let Some(commit) = found.split(|b| *b == b' ').next().and_then(ObjectId::parse) else { continue };
        return Ok(Resolved { commit, head: Head::Detached(commit), reference: Some(shown(&tag)) });
    }
    let some = tags(git, "*")?.iter().take(SOME).map(|tag| shown(tag)).collect();
    Err(GitError::NoTag { repository: git.called().to_owned(), pattern: pattern.to_owned(), some })
}
