//! Which files of a site's code hold its own credentials.

use std::path::{Path, PathBuf};

use super::{Cms, LookOptions, drupal, look};

/// Where WordPress, Bedrock and Drupal keep an environment's own address, database account and secrets.
const FILES: [&str; 12] = [
    "wp-config.php",
    "wp-config-local.php",
    "wp-config-*.php",
    "local-config.php",
    "db-config.php",
    ".env",
    ".env.*",
    "/config/environments/*.local.php",
    "sites/*/settings.php",
    "sites/*/settings.*.php",
    "sites/*/settings/local.settings.php",
    "sites/*/services.local.yml",
];
/// What looks like those, but is the same everywhere: templates to copy.
const TEMPLATES: [&str; 5] =
    ["wp-config-sample.php", ".env.example", ".env.dist", ".env.sample", "default.settings.php"];

/// Patterns, as `.gitignore` has them, of the files that hold an environment's own credentials, whichever CMS it
/// runs and wherever below the top of its code that lies: what is restored from another environment leaves these
/// as they are. Patterns that begin with `!` take files out again.
pub fn credential_files() -> Vec<String> {
    // A pattern with a slash in it would be tied to the top; the CMS may lie deeper.
    let anywhere = |pattern: &&str| match pattern.trim_start_matches('/') {
        deep if deep.contains('/') => format!("**/{deep}"),
        flat => flat.to_owned(),
    };
    let templates = TEMPLATES.iter().map(|name| format!("!{name}"));
    FILES.iter().map(anywhere).chain(templates).collect()
}

/// Folders that hold code which is the same everywhere, though settings may be put together there.
const PACKAGES: [&str; 4] = ["vendor", "node_modules", "wp-includes", "wp-admin"];

/// The files, by their real paths, that the settings of the site in a folder come from: its own settings, and what
/// these include, wherever people keep it. Of several Drupal sites, those of all. Nothing if there is no site.
pub fn settings_files(folder: &Path) -> Vec<PathBuf> {
    let mut options = LookOptions::default();
    let Ok(found) = look(folder, &options) else { return Vec::new() };
    let mut files = found.read;
    if let Cms::Drupal { .. } = found.cms {
        for name in drupal::site_folders(&found.docroot) {
            options.multisite = Some(name);
            files.extend(look(folder, &options).map(|found| found.read).unwrap_or_default());
        }
    }
    let core = found.docroot.canonicalize().unwrap_or(found.docroot).join("core");
    let is_package = |path: &Path| {
        path.starts_with(&core)
            || path.iter().any(|part| part.to_str().is_some_and(|part| PACKAGES.contains(&part)))
    };
    files.retain(|file| !is_package(file));
    files.sort();
    files.dedup();
    files
}

/// A pattern, as `.gitignore` has them, that names one file below a folder; `None` if it isn't below.
pub fn pattern_of(folder: &Path, file: &Path) -> Option<String> {
    let inner = file.strip_prefix(folder).ok()?.to_str().filter(|inner| !inner.is_empty())?;
    let mut pattern = String::from("/");
    for letter in inner.chars() {
        if "\\*?[]!# ".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use ignore::gitignore::GitignoreBuilder;

    use super::*;

    #[test]
    fn a_pattern_names_its_file_and_no_other() {
        let names = ["private/db.php", "a*b", "a?[x]", "!n", "#n", "back\\slash", "end ", "é/ü.php"];
        for name in names {
            let pattern = pattern_of(Path::new("/site"), &Path::new("/site").join(name)).unwrap();
            let mut builder = GitignoreBuilder::new("");
            builder.add_line(None, &pattern).unwrap();
            let patterns = builder.build().unwrap();
            let is_named = |path: &str| patterns.matched_path_or_any_parents(path, false).is_ignore();
            assert!(is_named(name), "{pattern:?}");
            assert!(!is_named("axb") && !is_named("other/private/db.php"), "{pattern:?}");
        }
        assert_eq!(pattern_of(Path::new("/site"), Path::new("/else/db.php")), None);
        assert_eq!(pattern_of(Path::new("/site"), Path::new("/site")), None);
    }

    #[test]
    fn credentials_are_told_from_code() {
        let mut builder = GitignoreBuilder::new("/site");
        for pattern in credential_files() {
            builder.add_line(None, &pattern).unwrap();
        }
        let patterns = builder.build().unwrap();
        let is_own = |path: &str| patterns.matched_path_or_any_parents(path, false).is_ignore();
        for own in [
            "wp-config.php",
            "web/wp-config.php",
            "wp-config-local.php",
            ".env",
            ".env.production",
            "web/sites/default/settings.php",
            "docroot/sites/shop.example/settings.local.php",
            "sites/default/settings.php",
            "docroot/sites/default/settings/local.settings.php",
            "db-config.php",
        ] {
            assert!(is_own(own), "{own}");
        }
        for code in [
            "wp-config-sample.php",
            ".env.example",
            "sites/default/default.settings.php",
            "sites/default/settings/default.local.settings.php",
            "index.php",
            "wp-content/plugins/x/settings.php",
            "drush/sites/self.site.yml",
        ] {
            assert!(!is_own(code), "{code}");
        }
    }
}
