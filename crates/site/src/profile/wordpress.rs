//! WordPress: its settings, its uploads, and what else a site's owner should know.

use std::path::{Path, PathBuf};

use undercroft_model::{DatabaseAddress, Element, TlsMode};

use super::code;
use super::exclude;
use super::found::{Cms, LookOptions, Spot, WordPressLayout};
use super::host::parse_db_host;
use super::locate::{Site, small_text};
use super::sheet::{DatabaseParts, Said, Sheet, said, spot};
use super::variables::{self, Variables};
use crate::php::{self, Data, Outcome, World};

/// Where Debian's package keeps the settings of its sites.
const DEBIAN: &str = "/etc/wordpress";

/// Fills the sheet with what a WordPress says of itself.
pub(super) fn look(
    site: &Site,
    core: &Path,
    layout: WordPressLayout,
    options: &LookOptions,
    sheet: &mut Sheet,
) -> Cms {
    let version = version(core);
    let cms = Cms::WordPress { version, layout };
    sheet.found("site", cms.to_string(), Some(Spot::file(&core.join("wp-includes/version.php"))), None);
    let mut variables = variables::read(&site.root, options, layout == WordPressLayout::Bedrock, sheet);
    let Some(config) = config_file(site, core, layout) else {
        without_settings(site, core, sheet);
        return cms;
    };
    debian(&config, &mut variables, sheet);
    match php::run(&config, &world(site, core, &config, &variables)) {
        Err(error) => {
            sheet.lacks(Element::Database, "database", error.to_string(), Some(Spot::file(&config)));
            find_code(site, &core.join("wp-content"), sheet);
        }
        Ok(outcome) => {
            let parts = Settings { core, config: &config, outcome: &outcome };
            sheet.note_outcome(&outcome);
            parts.host_name(sheet);
            let content = parts.content_dir(sheet);
            parts.database(&content, sheet);
            parts.files(&content, sheet);
            find_code(site, &content, sheet);
            if !config.starts_with(&site.root) {
                sheet.note(format!(
                    "{} lies outside the site's folder, and is in no archive",
                    config.display()
                ));
            }
        }
    }
    cms
}

fn without_settings(site: &Site, core: &Path, sheet: &mut Sheet) {
    let why = "there is no wp-config.php in WordPress's folder nor in the one above: it is not installed";
    sheet.lacks(Element::Database, "database", why, Some(Spot::file(&core.join("wp-config.php"))));
    let content = core.join("wp-content");
    sheet.files_folder(&content.join("uploads"), None, None, exclude::wordpress_uploads());
    find_code(site, &content, sheet);
}

/// `$wp_version` of `wp-includes/version.php`.
fn version(core: &Path) -> Option<String> {
    let outcome = php::run(&core.join("wp-includes/version.php"), &World::default()).ok()?;
    outcome.variable("wp_version")?.as_text().map(str::to_owned)
}

/// The file that `wp-load.php` would read; Bedrock's own settings where there is none.
fn config_file(site: &Site, core: &Path, layout: WordPressLayout) -> Option<PathBuf> {
    let above = core.parent()?;
    let inside = core.join("wp-config.php");
    if inside.is_file() {
        return Some(inside);
    }
    let beside = above.join("wp-config.php");
    if beside.is_file() && !above.join("wp-settings.php").exists() {
        return Some(beside);
    }
    let bedrock = site.root.join("config/application.php");
    (layout == WordPressLayout::Bedrock && bedrock.is_file()).then_some(bedrock)
}

fn world(site: &Site, core: &Path, config: &Path, variables: &Variables) -> World {
    let mut roots = vec![site.root.clone(), site.docroot.clone()];
    roots.extend(site.root.parent().map(Path::to_owned));
    roots.extend(config.parent().map(Path::to_owned));
    roots.extend([DEBIAN, "/run/secrets"].map(PathBuf::from));
    let roots = roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
    World {
        roots,
        environment: variables.values.clone(),
        environment_is_whole: variables.are_whole,
        docroot: site.docroot.clone(),
        constants: vec![("ABSPATH", format!("{}/", core.display()))],
        variables: Vec::new(),
    }
}

/// Debian's package has one `wp-config.php` for all its sites: it includes `/etc/wordpress/config-HOST.php` by
/// the host that is asked for. Where there is one such file, that is the site; where there are several, the host
/// is to be told.
fn debian(config: &Path, variables: &mut Variables, sheet: &mut Sheet) {
    let text = small_text(config).unwrap_or_default();
    let Some((before, _)) = text.split_once("/config-'.") else { return };
    let Some(folder) = before.rsplit('\'').next().map(Path::new).filter(|path| path.is_absolute()) else {
        return;
    };
    let mut hosts: Vec<String> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    hosts = hosts
        .iter()
        .filter_map(|name| name.strip_prefix("config-")?.strip_suffix(".php"))
        .map(str::to_owned)
        .collect();
    hosts.sort();
    if variables.values.contains_key("HTTP_HOST") {
        return;
    }
    match &hosts[..] {
        [host] => {
            variables.values.insert("HTTP_HOST".to_owned(), host.clone());
            variables.are_whole = true;
            sheet.host_name = Some(host.clone());
            sheet.note(format!(
                "settings are those of the host {host}, the only ones in {}",
                folder.display()
            ));
        }
        [] => sheet.note(format!("there are no settings of any host in {}", folder.display())),
        several => sheet.note(format!(
            "{} has settings of several hosts ({}); say which by giving the variable HTTP_HOST",
            folder.display(),
            several.join(", ")
        )),
    }
}

/// What the settings came to.
struct Settings<'a> {
    core: &'a Path,
    config: &'a Path,
    outcome: &'a Outcome,
}

impl Settings<'_> {
    fn constant(&self, name: &str) -> Said {
        said(self.outcome, self.outcome.constant(name))
    }

    /// A path constant, with its place and its doubt.
    fn path(&self, name: &str) -> Option<(PathBuf, Option<Spot>, Option<String>)> {
        let told = self.constant(name).likely()?;
        let path = PathBuf::from(told.text.trim_end_matches('/'));
        Some((path, told.spot, told.doubt))
    }

    fn host_name(&self, sheet: &mut Sheet) {
        for name in ["WP_HOME", "WP_SITEURL", "DOMAIN_CURRENT_SITE"] {
            let Said::Text(told) = self.constant(name) else { continue };
            let host = told.text.split("://").last().and_then(|rest| rest.split(['/', ':']).next());
            sheet.host_name = host.map(str::to_owned).filter(|host| !host.is_empty());
            sheet.found("site address", told.text, told.spot, None);
            break;
        }
        let network = self.outcome.constant("MULTISITE").or(self.outcome.constant("SUBDOMAIN_INSTALL"));
        if network.is_some_and(|value| matches!(value.data, Data::Bool(true) | Data::Int(1))) {
            sheet.note("this is a network of several sites; they share one database and one uploads folder");
        }
    }

    fn content_dir(&self, sheet: &mut Sheet) -> PathBuf {
        match self.path("WP_CONTENT_DIR") {
            Some((path, spot, doubt)) => {
                sheet.found("content folder", path.display().to_string(), spot, doubt);
                path
            }
            None => self.core.join("wp-content"),
        }
    }

    fn database(&self, content: &Path, sheet: &mut Sheet) {
        if self.is_elsewhere(content, sheet) {
            return;
        }
        let host = self.constant("DB_HOST").likely();
        let address = host.as_ref().and_then(|told| parse_db_host(&told.text));
        if address
            .as_ref()
            .is_some_and(|host| host.port.is_some() && host.address() == DatabaseAddress::Localhost)
        {
            sheet.note(
                "the port beside localhost has no effect: PHP takes the server's usual unix socket there",
            );
        }
        sheet.database(DatabaseParts {
            names: ["DB_NAME", "DB_USER", "DB_PASSWORD"],
            schema: self.constant("DB_NAME"),
            user: self.constant("DB_USER"),
            password: self.constant("DB_PASSWORD"),
            host,
            address,
            tls: self.tls(),
            tls_ca: None,
            prefix: said(self.outcome, self.outcome.variable("table_prefix")).likely(),
            file: Spot::file(self.config),
        });
        if let Some(told) = self.constant("DB_CHARSET").likely() {
            sheet.found("database charset", told.text, told.spot, told.doubt);
        }
    }

    /// Whether the settings don't say where the database is: a drop-in has it elsewhere, or there is none yet.
    fn is_elsewhere(&self, content: &Path, sheet: &mut Sheet) -> bool {
        let spot = Spot::file(&content.join("db.php"));
        let drop_in = small_text(&spot.file).unwrap_or_default().to_ascii_lowercase();
        if drop_in.contains("sqlite") {
            let why = "the drop-in db.php keeps this site's database in SQLite, which is not backed up as a database";
            sheet.note(format!(
                "{spot}: SQLite drop-in; its database is a file, usually below the content folder"
            ));
            sheet.lacks(Element::Database, "database", why, Some(spot));
            return true;
        }
        if drop_in.contains("hyperdb") || drop_in.contains("ludicrousdb") {
            sheet.note(format!(
                "{spot}: HyperDB or LudicrousDB may split tables over several servers; only the one in \
                 wp-config.php is backed up"
            ));
        }
        let Said::Text(told) = self.constant("DB_NAME") else { return false };
        if told.text == "database_name_here" {
            let why = "wp-config.php still has the names of its sample: WordPress is not installed";
            sheet.lacks(Element::Database, "database", why, told.spot);
            return true;
        }
        false
    }

    /// `MYSQL_CLIENT_FLAGS`
    fn tls(&self) -> TlsMode {
        let flags = self.outcome.constant("MYSQL_CLIENT_FLAGS").and_then(|value| value.assumed());
        match flags.map(|value| value.data) {
            Some(Data::Int(flags)) if flags & (1 << 30) != 0 => TlsMode::Verify,
            Some(Data::Int(flags)) if flags & (2048 | 64) != 0 => TlsMode::Unverified,
            _ => TlsMode::Off,
        }
    }

    fn files(&self, content: &Path, sheet: &mut Sheet) {
        let unclear = |name: &str| match self.constant(name) {
            Said::Unclear { why, spot, likely: None } => Some((format!("{name} can't be told: {why}"), spot)),
            _ => None,
        };
        if let Some((why, spot)) = unclear("UPLOADS").or_else(|| unclear("WP_CONTENT_DIR")) {
            return sheet.lacks(Element::Files, "files folder", why, spot);
        }
        let (uploads, place, doubt) = match self.path("UPLOADS") {
            // It is told from WordPress's own folder.
            Some((path, spot, doubt)) => {
                let inner = path.strip_prefix("/").unwrap_or(&path).to_owned();
                (self.core.join(inner), spot, doubt)
            }
            None => {
                let moved = self.outcome.constant("WP_CONTENT_DIR");
                let place = moved.and_then(|value| spot(self.outcome, value.at));
                (content.join("uploads"), place, None)
            }
        };
        let old = content.join("blogs.dir");
        if old.is_dir() {
            sheet.note(format!(
                "{} holds uploads of an old network and is not in files; give it with --files if it is in use",
                old.display()
            ));
        }
        sheet.files_folder(&uploads, place, doubt, exclude::wordpress_uploads());
    }
}

fn find_code(site: &Site, content: &Path, sheet: &mut Sheet) {
    let mut leave_out: Vec<String> = Vec::new();
    let uploads = sheet.settings.files.as_ref().map(|files| files.path.clone());
    leave_out.extend(uploads.and_then(|path| code::leave_out_folder(&site.root, &path)));
    match content.strip_prefix(&site.root).ok().and_then(Path::to_str) {
        Some(inner) => {
            leave_out.extend(exclude::wordpress_content(inner));
        }
        None => sheet.note(format!(
            "plugins and themes in {} lie outside the site's folder, and are not in code",
            content.display()
        )),
    }
    code::find(site, leave_out, sheet);
}
