//! One file of PHP, parsed.

use std::fs::File;
use std::io::Read;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use tree_sitter::{Node, ParseOptions, Parser, Tree};

use super::ReadError;
use super::value::Place;

/// Longer than any settings file, in bytes.
const FILE_MAX: u64 = 512 * 1024;
/// So often is the parser asked whether to go on; real settings files take a few hundred.
const PARSE_STEPS_MAX: u32 = 200_000;

/// A file of PHP and its syntax tree.
pub(super) struct Source {
    /// Which of the files that were read it is.
    pub index: u32,
    /// Its path, with no symlink in it: what PHP calls `__FILE__`.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    tree: Tree,
}

impl Source {
    /// Reads and parses a file.
    pub fn open(path: &Path, index: u32) -> Result<Source, ReadError> {
        let io = |source| ReadError::Io { path: path.to_owned(), source };
        let real = path.canonicalize().map_err(io)?;
        let bytes = read_small(&real, FILE_MAX).map_err(|error| match error {
            SmallError::Io(source) => io(source),
            SmallError::Odd(why) => ReadError::Odd { path: path.to_owned(), why },
        })?;
        let tree = parse(&bytes)
            .ok_or(ReadError::Odd { path: path.to_owned(), why: "it takes too long to parse" })?;
        Ok(Source { index, path: real, bytes, tree })
    }

    /// The whole file's node.
    pub fn root(&self) -> Node<'_> {
        self.tree.root_node()
    }

    /// The innermost named node of a kind that covers a stretch exactly.
    pub fn find(&self, range: &Range<usize>, kind: &str) -> Option<Node<'_>> {
        let mut node = self.root().named_descendant_for_byte_range(range.start, range.end)?;
        while node.kind() != kind {
            node = node.parent()?;
        }
        (node.byte_range() == *range).then_some(node)
    }

    /// A node's bytes.
    pub fn raw(&self, node: Node<'_>) -> &[u8] {
        self.bytes.get(node.byte_range()).unwrap_or_default()
    }

    /// A node's text; empty where it is not UTF-8, which no name is.
    pub fn name(&self, node: Node<'_>) -> &str {
        std::str::from_utf8(self.raw(node)).unwrap_or_default()
    }

    /// Where a node stands.
    pub fn place(&self, node: Node<'_>) -> Place {
        Place {
            file: self.index,
            line: u32::try_from(node.start_position().row).unwrap_or(0).saturating_add(1),
        }
    }
}

/// Why a small file can't be read.
pub(super) enum SmallError {
    Io(std::io::Error),
    Odd(&'static str),
}

/// Reads a regular file of at most `max` bytes. A named pipe is not opened, so none can hold the reader up.
pub(super) fn read_small(path: &Path, max: u64) -> Result<Vec<u8>, SmallError> {
    if !std::fs::metadata(path).map_err(SmallError::Io)?.is_file() {
        return Err(SmallError::Odd("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(SmallError::Io)?;
    file.take(max + 1).read_to_end(&mut bytes).map_err(SmallError::Io)?;
    if bytes.len() as u64 > max {
        return Err(SmallError::Odd("it is far larger than settings are"));
    }
    Ok(bytes)
}

/// Parses, or gives up where the parser makes no headway.
fn parse(bytes: &[u8]) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_php::LANGUAGE_PHP.into()).ok()?;
    let mut steps = 0_u32;
    let mut watch = |_: &tree_sitter::ParseState| {
        steps += 1;
        if steps > PARSE_STEPS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut watch);
    parser.parse_with_options(&mut |offset, _| bytes.get(offset..).unwrap_or_default(), None, Some(options))
}
