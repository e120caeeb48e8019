//! The tree of a commit, as git lists it.

use super::command::Git;
use super::error::GitError;
use super::oid::ObjectId;

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind {
    File,
    Executable,
    Symlink,
    /// A submodule's commit.
    Link,
}

/// An entry of a commit's tree; folders are in the paths alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub path: Vec<u8>,
    pub kind: NodeKind,
    pub id: ObjectId,
    /// Bytes of content; `None` if the object is missing.
    pub size: Option<u64>,
}

/// Lists a commit's tree.
pub(super) fn list(git: &Git, commit: &ObjectId) -> Result<Vec<Node>, GitError> {
    let answer =
        git.ask("list the files of the commit", &["ls-tree", "-r", "-z", "-l", &commit.to_string()])?;
    let lines = answer.split(|b| *b == 0).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            parse(line).ok_or_else(|| GitError::Damaged {
                repository: git.called().to_owned(),
                why: format!("the tree of {commit} has an entry of an unknown kind: {}", line.escape_ascii()),
            })
        })
        .collect()
}

/// `100644 blob <id>     123\t<path>`
fn parse(line: &[u8]) -> Option<Node> {
    let tab = line.iter().position(|b| *b == b'\t')?;
    let path = line.get(tab + 1..)?.to_vec();
    let mut words = line.get(..tab)?.split(|b| *b == b' ').filter(|word| !word.is_empty());
    let mode = u32::from_str_radix(std::str::from_utf8(words.next()?).ok()?, 8).ok()?;
    let _ = words.next()?;
    let id = ObjectId::parse(words.next()?)?;
    let size = std::str::from_utf8(words.next()?).ok()?.parse().ok();
    // Trees of long ago have other permissions; git knows but these kinds.
    let kind = match (mode & 0o170_000, mode & 0o100) {
        (0o100_000, 0) => NodeKind::File,
        (0o100_000, _) => NodeKind::Executable,
        (0o120_000, _) => NodeKind::Symlink,
        (0o160_000, _) => NodeKind::Link,
        _ => return None,
    };
    Some(Node { path, kind, id, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whatever_the_path_holds() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let node = parse(format!("100755 blob {id}     123\ta b\tc\n").as_bytes()).unwrap();
        assert_eq!(
            (node.kind, node.size, node.path.as_slice()),
            (NodeKind::Executable, Some(123), &b"a b\tc\n"[..])
        );
        let node = parse(format!("160000 commit {id}       -\tlib").as_bytes()).unwrap();
        assert_eq!((node.kind, node.size), (NodeKind::Link, None));
        assert_eq!(parse(format!("100644 blob {id}     BAD\tx").as_bytes()).unwrap().size, None);
        assert_eq!(parse(b"100644 blob\tx"), None);
    }
}
