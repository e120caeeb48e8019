//! Settings files in PHP, read and never run.
//!
//! A settings file is parsed (tree-sitter), and the small part of PHP that settings are written in is worked
//! out on the syntax tree: constants, variables, arrays, text, conditions, includes of neighbouring files, and
//! simple functions. Nothing of it is executed, nothing outside the site is opened, and work, depth and sizes
//! are bounded. What can't be told becomes [`Data::Unknown`] with the reason, never a guess: a condition that
//! can't be decided is followed both ways, and where the two disagree the value is unknown.
//!
//! Start at [`run`], then [`value`], [`machine`] and [`expression`].

mod assign;
mod builtin;
mod call;
mod coerce;
mod environment;
mod expression;
mod include;
mod loops;
mod machine;
mod operator;
mod source;
mod state;
mod statement;
mod switch;
mod text;
mod value;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

#[cfg(test)]
pub(crate) use value::Why;
pub(crate) use value::{Array, Data, Key, Place, Value};

/// The outside world, as far as a settings file may see it.
#[derive(Clone, Default)]
pub(crate) struct World {
    /// Folders whose files may be included or read.
    pub roots: Vec<PathBuf>,
    /// Environment variables that are known.
    pub environment: HashMap<String, String>,
    /// Whether these are all that the site sees; if not, any other variable's value is unknown.
    pub environment_is_whole: bool,
    /// The web root: what relative paths and `$_SERVER['DOCUMENT_ROOT']` mean.
    pub docroot: PathBuf,
    /// Constants that the CMS defines before it reads its settings.
    pub constants: Vec<(&'static str, String)>,
    /// Variables that the CMS sets before it reads its settings.
    pub variables: Vec<(&'static str, Value)>,
}

/// What a settings file came to.
pub(crate) struct Outcome {
    variables: HashMap<String, Value>,
    constants: HashMap<String, Value>,
    files: Vec<PathBuf>,
    read: Vec<PathBuf>,
    absent: Vec<PathBuf>,
    /// What could not be followed, in words, with its place.
    pub notes: Vec<(Place, String)>,
}

impl Outcome {
    /// A global variable, if it was set.
    pub fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.get(name)
    }

    /// A constant, if it was defined.
    pub fn constant(&self, name: &str) -> Option<&Value> {
        self.constants.get(name)
    }

    /// All files that were read, by their real paths.
    pub fn read(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().chain(&self.read)
    }

    /// Files that would have been read if they were there, without `..` in their paths.
    pub fn absent(&self) -> &[PathBuf] {
        &self.absent
    }

    /// The file and line of a place; `None` for what the CMS or the caller set.
    pub fn locate(&self, place: Place) -> Option<(&Path, u32)> {
        self.files.get(place.file as usize).map(|path| (path.as_path(), place.line))
    }
}

/// Why a settings file can't be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It can't be opened or read.
    #[error("{path} can't be read: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a file, or far larger than settings are.
    #[error("{path} is no settings file: {why}")]
    Odd {
        /// The file.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
}

/// Text that is coded in base64; `None` if it isn't, or is no text.
pub(crate) fn base64_text(text: &str) -> Option<String> {
    String::from_utf8(builtin::decode::base64(text)?).ok()
}

/// Works out what a settings file sets.
pub(crate) fn run(path: &Path, world: &World) -> Result<Outcome, ReadError> {
    let source = source::Source::open(path, 0)?;
    let mut machine = machine::Machine::new(world);
    machine.run_first(source);
    Ok(machine.into_outcome())
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
