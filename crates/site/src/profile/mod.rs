//! Finds out what site lives in a folder, and where its code, database and files are.
//!
//! [`look`] recognises WordPress (plain, in a subfolder, Bedrock) and Drupal (6 to 11, with Composer or without,
//! several sites), reads their settings by parsing the PHP (`php`) or `.env`, and knows what each makes
//! again by itself. It runs nothing and writes nothing; what it can't tell, it lists with the option that says
//! it. Start at `found` for what comes out, then `locate`, `wordpress` and `drupal`.

mod code;
mod connection;
mod credentials;
mod dotenv;
mod drupal;
mod exclude;
mod found;
mod host;
mod locate;
mod name;
mod option_file;
mod platform;
mod sheet;
mod url;
mod variables;
mod wordpress;

use std::path::Path;

use undercroft_model::Element;

pub use credentials::{credential_files, missing_settings, pattern_of, settings_files, site_marks};
pub use found::{Cms, DrupalLayout, Finding, Found, LookError, LookOptions, Missing, Spot, WordPressLayout};
pub use host::{DbHost, parse_db_host};
pub use option_file::{OptionFileError, PartialTarget, read_defaults_file};
pub use url::{DatabaseUrlError, parse_database_url};

use locate::{Kind, Site};
use sheet::Sheet;

/// Parsing nests as deep as the PHP does; this is far more than the depth that is allowed needs.
const STACK: usize = 64 << 20;

/// Looks at a folder: recognises the CMS, reads its settings, finds its files and its code.
///
/// It reads small files and asks for the kinds of others; it takes a fraction of a second, and blocks meanwhile.
pub fn look(folder: &Path, options: &LookOptions) -> Result<Found, LookError> {
    // On a thread of its own, whose stack is known to do.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("look".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || look_here(folder, options))
            .map_err(|source| LookError::NoThread { folder: folder.to_owned(), source })?;
        thread.join().unwrap_or_else(|_| Err(LookError::Broken(folder.to_owned())))
    })
}

fn look_here(folder: &Path, options: &LookOptions) -> Result<Found, LookError> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let (site, note) = locate::locate(&folder)?;
    let mut sheet = Sheet::default();
    if let Some(note) = note {
        sheet.note(note);
    }
    let cms = match &site.kind {
        Kind::WordPress { core, layout } => wordpress::look(&site, core, *layout, options, &mut sheet),
        Kind::Drupal { layout } => drupal::look(&site, *layout, options, &mut sheet)?,
        Kind::Other => other(&site, &mut sheet),
    };
    sheet.settings.folder = Some(folder);
    Ok(Found {
        cms,
        suggested_name: name::suggest(&site.root, sheet.host_name.as_deref()),
        root: site.root,
        docroot: site.docroot,
        settings: sheet.settings,
        read: sheet.read,
        absent: sheet.absent,
        findings: sheet.findings,
        missing: sheet.missing,
        notes: sheet.notes,
    })
}

/// A site of no CMS that is known here: its code can be found, the rest is to be told.
fn other(site: &Site, sheet: &mut Sheet) -> Cms {
    let why = "neither WordPress nor Drupal was recognised";
    sheet.lacks(Element::Database, "database", why, None);
    sheet.lacks(Element::Files, "files folder", why, None);
    code::find(site, Vec::new(), sheet);
    Cms::Unknown
}
