//! What would have to be changed in a text, without loading it.

use std::collections::BTreeSet;
use std::io::{self, Read};

use super::adapt::{Change, Taken, adapt};
use super::sort::sort;
use super::split::{SplitError, Splitter};

/// What would have to be changed in the definitions of a text. One that is not whole is looked at as far as it goes: the
/// load will say what is wrong with it.
pub(in crate::database) fn changes(text: impl Read, taken: &Taken) -> io::Result<BTreeSet<Change>> {
    let (mut splitter, mut changes) = (Splitter::new(text), BTreeSet::new());
    loop {
        match splitter.next(false) {
            Ok(Some(statement)) => changes.extend(adapt(statement, &sort(statement, false), taken, false).1),
            Ok(None) | Err(SplitError::Unfinished | SplitError::TooLong) => return Ok(changes),
            Err(SplitError::Read(error)) => return Err(error),
        }
    }
}
