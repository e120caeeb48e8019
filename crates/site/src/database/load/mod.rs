//! Loading a dump: its statements go straight to the server.
//!
//! [`split`] finds the statements in the text, as `mysql` would, but knows no client commands; [`sort`] says
//! what each is, and what is never run whatever the text says.

/// Changes the rows that are loaded, on their way: text that names the site's address, say.
pub trait Rewrite: Sync {
    /// Changes a statement that inserts rows into a table.
    ///
    /// # Errors
    /// What stands in the way, as a sentence; the load ends with it.
    fn rewrite(&self, table: &str, statement: &mut Vec<u8>) -> Result<(), String>;
}
