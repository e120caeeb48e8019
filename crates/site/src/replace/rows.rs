//! Texts replaced in rows while they are loaded.

use super::SearchReplace;
use crate::database::Rewrite;

impl Rewrite for SearchReplace {
    fn rewrite(&self, table: &str, statement: &mut Vec<u8>) -> Result<(), String> {
        SearchReplace::rewrite(self, table, statement).map_err(|error| error.to_string())
    }
}
