//! A repository's references, as they are at one moment.

use super::command::Git;
use super::error::GitError;
use super::oid::ObjectId;

/// What HEAD is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// It names a reference, such as `refs/heads/main`.
    Branch(Vec<u8>),
    /// It names a commit.
    Detached(ObjectId),
}

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Object(ObjectId),
    /// Another reference.
    Reference(Vec<u8>),
}

/// HEAD and all references of a repository, in byte order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refs {
    pub head: Head,
    pub list: Vec<(Vec<u8>, Target)>,
    /// References that git calls broken.
    pub broken: Vec<String>,
}

/// HEAD may move while the references are read; so often is it looked at again.
const ATTEMPTS: usize = 8;

impl Refs {
    /// Reads them.
    pub fn read(git: &Git) -> Result<Self, GitError> {
        let mut head = read_head(git)?;
        for _ in 0..ATTEMPTS {
            let (list, broken) = read_list(git)?;
            let after = read_head(git)?;
            if after == head {
                return Ok(Refs { head, list, broken });
            }
            head = after;
        }
        Err(GitError::Moved {
            repository: git.called().to_owned(),
            what: "HEAD does not stand still".to_owned(),
        })
    }

    /// The object that a reference names, through others if need be.
    pub fn object(&self, name: &[u8]) -> Option<ObjectId> {
        let mut name = name;
        for _ in 0..8 {
            let at = self.list.binary_search_by(|(n, _)| n.as_slice().cmp(name)).ok()?;
            match &self.list.get(at)?.1 {
                Target::Object(id) => return Some(*id),
                Target::Reference(next) => name = next,
            }
        }
        None
    }

    /// The names of those that begin with `prefix`, without it.
    pub fn under<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.list.iter().filter_map(move |(name, _)| name.strip_prefix(prefix))
    }
}

fn read_head(git: &Git) -> Result<Head, GitError> {
    if let Some(name) = git.look_for(&["symbolic-ref", "--quiet", "HEAD"])? {
        return Ok(Head::Branch(name.trim_ascii_end().to_vec()));
    }
    let id = git.ask("read HEAD", &["rev-parse", "--verify", "--end-of-options", "HEAD"])?;
    ObjectId::parse(id.trim_ascii_end()).map(Head::Detached).ok_or_else(|| unclear(git))
}

fn unclear(git: &Git) -> GitError {
    GitError::Damaged {
        repository: git.called().to_owned(),
        why: "HEAD and the references are unclear".to_owned(),
    }
}

/// The references, and those that are broken.
type Reading = (Vec<(Vec<u8>, Target)>, Vec<String>);

fn read_list(git: &Git) -> Result<Reading, GitError> {
    let mut command = git.command();
    // Nothing of this looks at an object, which might be missing.
    command.args(["for-each-ref", "--format=%(objectname)%00%(refname)%00%(symref)"]);
    let output = git.succeed("read the references", super::command::run(command, None)?)?;
    let mut list = Vec::new();
    for line in output.stdout.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let mut fields = line.split(|b| *b == 0);
        let (Some(id), Some(name), Some(symbolic)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(unclear(git));
        };
        // What restores keep for themselves is not the site's.
        if name.starts_with(b"refs/undercroft/") {
            continue;
        }
        let target = if symbolic.is_empty() {
            Target::Object(ObjectId::parse(id).ok_or_else(|| unclear(git))?)
        } else {
            Target::Reference(symbolic.to_vec())
        };
        list.push((name.to_vec(), target));
    }
    list.sort_by(|a, b| a.0.cmp(&b.0));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let broken =
        stderr.lines().filter_map(|line| line.split_once("broken ref ").map(|(_, name)| name.to_owned()));
    Ok((list, broken.collect()))
}
