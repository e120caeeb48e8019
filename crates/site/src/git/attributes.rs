//! What `.gitattributes` of a commit say of its files.

use super::error::GitError;
use super::shadow::Shadow;
use super::tree::{Node, NodeKind};

/// What matters here of a file's attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    /// git-lfs keeps its content.
    pub lfs: bool,
    /// Git itself writes it otherwise into a work tree than it keeps it: with other line ends, in another
    /// encoding, or with its own name in it.
    pub converted: bool,
}

const ASKED: [&str; 4] = ["filter", "eol", "working-tree-encoding", "ident"];

/// The attributes of a commit's files, in the order of the nodes. The shadow's index is the commit's.
pub(super) fn of(shadow: &Shadow, nodes: &[Node]) -> Result<Vec<Attributes>, GitError> {
    let says = |node: &Node| node.path.ends_with(b".gitattributes");
    if !nodes.iter().any(says) {
        return Ok(vec![Attributes::default(); nodes.len()]);
    }
    let mut input = Vec::new();
    for node in nodes {
        input.extend(&node.path);
        input.push(0);
    }
    let mut args = vec!["check-attr", "--cached", "-z", "--stdin"];
    args.extend(ASKED);
    let answer = shadow.git.ask_with("look up attributes", &args, &input)?;
    // Path, attribute and value, for each of those asked.
    let mut values = answer.split(|b| *b == 0).skip(2).step_by(3);
    let mut next = || values.next().unwrap_or_default();
    let attributes = nodes.iter().map(|node| {
        let (filter, eol, encoding, ident) = (next(), next(), next(), next());
        let is_file = matches!(node.kind, NodeKind::File | NodeKind::Executable);
        let plain = [&b"unspecified"[..], b"unset", b"set", b"UTF-8", b"utf-8"].contains(&encoding);
        Attributes {
            lfs: is_file && filter == b"lfs",
            converted: is_file && (eol == b"crlf" || ident == b"set" || !plain),
        }
    });
    Ok(attributes.collect())
}
