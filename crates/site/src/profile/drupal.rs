//! Drupal 6 to 11: its settings, its files, its several sites.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use undercroft_model::Element;

use super::connection;
use super::found::{Cms, DrupalLayout, LookError, LookOptions, Spot};
use super::locate::{Site, small_text};
use super::sheet::{Said, Sheet, Told, said};
use super::variables::{self, Variables};
use super::{code, exclude, platform};
use crate::php::{self, Array, Data, Outcome, Place, Value, World};

/// Fills the sheet with what a Drupal says of itself.
pub(super) fn look(
    site: &Site,
    layout: DrupalLayout,
    options: &LookOptions,
    sheet: &mut Sheet,
) -> Result<Cms, LookError> {
    let (version, version_file) = version(&site.docroot);
    let major = version.as_deref().and_then(|version| version.split('.').next()?.parse().ok());
    let cms = Cms::Drupal { version, layout };
    sheet.found("site", cms.to_string(), version_file.as_deref().map(Spot::file), None);
    let Some(folder) = site_folder(site, options, sheet)? else {
        find_code(site, &[], sheet);
        return Ok(cms);
    };
    let variables = variables::read(&site.root, options, false, sheet);
    let settings = site.docroot.join("sites").join(&folder).join("settings.php");
    match php::run(&settings, &world(site, &folder, &variables)) {
        Err(error) => {
            let why = if settings.exists() {
                error.to_string()
            } else {
                "there is no settings.php: Drupal is not installed".to_owned()
            };
            sheet.lacks(Element::Database, "database", why, Some(Spot::file(&settings)));
            let files = site.docroot.join("sites").join(&folder).join("files");
            sheet.files_folder(&files, None, None, exclude::drupal_files(major));
        }
        Ok(outcome) => {
            sheet.note_outcome(&outcome);
            let drupal = Drupal { site, folder: &folder, settings: &settings, outcome: &outcome, major };
            drupal.database(&variables, sheet);
            drupal.files(sheet);
            drupal.config_sync(sheet);
        }
    }
    find_code(site, &[&folder], sheet);
    Ok(cms)
}

/// The version, and the file that says it.
fn version(docroot: &Path) -> (Option<String>, Option<PathBuf>) {
    // `const VERSION = '10.2.6';` is in a class, `define('VERSION', '7.98');` is not: both are one line.
    for (file, before) in [
        ("core/lib/Drupal.php", "const VERSION"),
        ("includes/bootstrap.inc", "define('VERSION'"),
        ("modules/system/system.module", "define('VERSION'"),
    ] {
        let path = docroot.join(file);
        let Some(text) = small_text(&path) else { continue };
        let line = text.lines().map(str::trim_start).find(|line| line.starts_with(before));
        let quoted =
            line.and_then(|line| line.get(before.len()..)).and_then(|rest| rest.split(['\'', '"']).nth(1));
        if let Some(version) = quoted.filter(|version| version.starts_with(|c: char| c.is_ascii_digit())) {
            return (Some(version.to_owned()), Some(path));
        }
    }
    (None, None)
}

/// The folder in `sites/`: the one that was asked for, else `default`, else the only one.
fn site_folder(site: &Site, options: &LookOptions, sheet: &mut Sheet) -> Result<Option<String>, LookError> {
    let there = site_folders(&site.docroot);
    if let Some(name) = &options.multisite {
        if !there.contains(name) {
            let (docroot, name) = (site.docroot.clone(), name.clone());
            return Err(LookError::NoSuchMultisite { docroot, name, there });
        }
        return Ok(Some(name.clone()));
    }
    let others: Vec<&str> = there.iter().map(String::as_str).filter(|name| *name != "default").collect();
    let has_default = there.iter().any(|name| name == "default");
    match (has_default, &others[..]) {
        (false, [only]) => {
            sheet.note(format!("there is no sites/default/settings.php: this is sites/{only}"));
            Ok(Some((*only).to_owned()))
        }
        (false, [_, _, ..]) => {
            let why = format!("there are several sites: {}", others.join(", "));
            let spot = Some(Spot::file(&site.docroot.join("sites")));
            for element in [Element::Database, Element::Files] {
                sheet.lacks(element, "site", why.clone(), spot.clone());
            }
            for missing in &mut sheet.missing {
                missing.option = "--multisite NAME".to_owned();
            }
            Ok(None)
        }
        (_, others) => {
            if !others.is_empty() {
                sheet.note(format!(
                    "this Drupal has more sites, each with its own database and files: {}; take one with --multisite NAME",
                    others.join(", ")
                ));
            }
            Ok(Some("default".to_owned()))
        }
    }
}

/// All folders of `sites/` that have settings, in order.
pub(super) fn site_folders(docroot: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(docroot.join("sites")) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("settings.php").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn world(site: &Site, folder: &str, variables: &Variables) -> World {
    let mut roots = vec![site.root.clone(), site.docroot.clone()];
    roots.extend(site.root.parent().map(Path::to_owned));
    roots.extend(["/etc/drupal", "/var/www/site-php", "/run/secrets"].map(PathBuf::from));
    let roots = roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
    let docroot = site.docroot.to_string_lossy().into_owned();
    let empty = || Value::new(Data::Array(Rc::new(Array::default())), Place::NOWHERE);
    World {
        roots,
        environment: variables.values.clone(),
        environment_is_whole: variables.are_whole,
        docroot: site.docroot.clone(),
        constants: vec![("DRUPAL_ROOT", docroot.clone())],
        variables: vec![
            ("app_root", Value::text(&docroot)),
            ("site_path", Value::text(&format!("sites/{folder}"))),
            ("conf_path", Value::text(&format!("sites/{folder}"))),
            ("databases", empty()),
            ("settings", empty()),
            ("config", empty()),
            ("conf", empty()),
        ],
    }
}

/// A Drupal whose settings were read.
struct Drupal<'a> {
    site: &'a Site,
    folder: &'a str,
    settings: &'a Path,
    outcome: &'a Outcome,
    major: Option<u32>,
}

impl Drupal<'_> {
    fn database(&self, variables: &Variables, sheet: &mut Sheet) {
        let file = Spot::file(self.settings);
        if connection::find(self.outcome, &file, sheet) {
            return;
        }
        // A platform's own code reads these; its classes are not followed.
        let before = sheet.missing.len();
        if let Some((target, by)) = platform::database(&variables.values) {
            sheet.found("database name", target.schema.clone(), None, None);
            sheet.found("database host", super::host::show(&target.address), None, None);
            sheet.found("database from", format!("the environment variable {by}"), None, None);
            sheet.settings.database = Some(target);
            sheet.missing.retain(|missing| missing.element != Element::Database);
        } else if before == 0 || !sheet.missing.iter().any(|missing| missing.element == Element::Database) {
            let why = "$databases['default']['default'] is set nowhere that could be read";
            sheet.lacks(Element::Database, "database", why, Some(file));
        }
        if self.site.docroot.join("sites").join(self.folder).join("settings.ddev.php").is_file()
            && sheet.settings.database.is_none()
        {
            sheet.note("settings.ddev.php is there: inside DDEV, give the variable IS_DDEV_PROJECT=true");
        }
    }

    /// A setting of Drupal 8 and later, or a variable of Drupal 6 and 7.
    fn setting(&self, name: &str, old: &str) -> Said {
        let (variable, name) =
            if self.major.is_none_or(|major| major >= 8) { ("settings", name) } else { ("conf", old) };
        let Some(all) = self.outcome.variable(variable) else { return Said::Nothing };
        match &all.data {
            Data::Array(array) => said(self.outcome, array.find(&php::Key::from_text(name)).as_ref()),
            _ => said(self.outcome, Some(all)),
        }
    }

    fn resolve(&self, told: &str) -> PathBuf {
        // Below the web root unless it is absolute.
        self.site.docroot.join(told.trim_end_matches('/'))
    }

    fn files(&self, sheet: &mut Sheet) {
        let old = if self.major == Some(6) { "file_directory_path" } else { "file_public_path" };
        let told = match self.setting("file_public_path", old) {
            Said::Nothing => Told { text: format!("sites/{}/files", self.folder), spot: None, doubt: None },
            Said::Unclear { why, spot, likely: None } => {
                let why = format!("file_public_path can't be told: {why}");
                return sheet.lacks(Element::Files, "files folder", why, spot);
            }
            said => match said.likely() {
                Some(told) => told,
                None => return,
            },
        };
        let public = self.resolve(&told.text);
        sheet.files_folder(&public, told.spot, told.doubt, exclude::drupal_files(self.major));
        self.private_files(&public, sheet);
    }

    fn private_files(&self, public: &Path, sheet: &mut Sheet) {
        match self.setting("file_private_path", "file_private_path") {
            Said::Nothing => {}
            Said::Unclear { why, .. } => {
                sheet.note(format!(
                    "where private files are can't be told: {why}; if there are any, they are not in files"
                ));
            }
            Said::Text(told) => {
                let private = self.resolve(&told.text);
                sheet.found("private files", private.display().to_string(), told.spot, None);
                let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
                if private.is_dir() && !real(&private).starts_with(real(public)) {
                    sheet.note(format!(
                        "private files lie outside the files folder, in {}, and are NOT in the backup of this \
                         environment: add an environment for them with --files {}",
                        private.display(),
                        private.display()
                    ));
                }
            }
        }
    }

    fn config_sync(&self, sheet: &mut Sheet) {
        if let Some(told) = self.setting("config_sync_directory", "config_sync_directory").likely() {
            let path = self.resolve(&told.text);
            sheet.found("configuration", path.display().to_string(), told.spot, told.doubt);
        }
    }
}

/// The code, less every site's files.
fn find_code(site: &Site, folders: &[&str], sheet: &mut Sheet) {
    let mut leave_out = Vec::new();
    let files = sheet.settings.files.as_ref().map(|files| files.path.clone());
    leave_out.extend(files.and_then(|path| code::leave_out_folder(&site.root, &path)));
    for folder in site_folders(&site.docroot).iter().map(String::as_str).chain(folders.iter().copied()) {
        let files = site.docroot.join("sites").join(folder).join("files");
        let pattern = code::leave_out_folder(&site.root, &files);
        leave_out.extend(pattern.filter(|pattern| files.is_dir() && !leave_out.contains(pattern)));
    }
    code::find(site, leave_out, sheet);
}
