//! Which files of a site's code hold its own credentials.

use std::path::{Path, PathBuf};

use undercroft_model::Element;

use super::{Cms, LookOptions, drupal, look};

/// Where WordPress, Bedrock and Drupal keep an environment's own address, database account and secrets.
const FILES: [&str; 25] = [
    "wp-config.*",
    "wp-config-*.php*",
    "wp-config[_ ]*",
    "wp-config-{backup,bak,copy,old,orig,save}*",
    "*wp-config.php",
    ".wp-config*.sw?",
    "local-config.php*",
    "db-config.php*",
    ".env",
    ".env.*",
    ".env[-_~]*",
    ".envrc",
    "*.env",
    "..env*.sw?",
    "/config/environments/*.local.php",
    "sites/*/settings.php*",
    "sites/*/settings.*.php*",
    "sites/*/settings[-_]*.php*",
    "sites/*/settings.{bak,old,orig,save}*",
    "sites/*/.settings*.sw?",
    "sites/*/settings/local.settings.php*",
    "sites/*/services.local.yml*",
    ".composer/auth.json",
    ".config/composer/auth.json",
    "composer/auth.json",
];
/// Where Composer keeps its tokens: of a name that plugins have for other things.
const AT_THE_TOP: [&str; 2] = ["/auth.json*", "/*/auth.json"];
/// What looks like those, but is the same everywhere: templates to copy.
const TEMPLATES: [&str; 12] = [
    "wp-config-sample.php",
    "default.settings.php",
    "example.settings.*",
    "settings.example.php",
    "settings.default.php",
    "settings.*.example.php",
    "example.env",
    "sample.env",
    "*.example",
    "*.dist",
    "*.sample",
    "*.template",
];

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
    let at_the_top = AT_THE_TOP.iter().map(|name| (*name).to_owned());
    FILES.iter().map(anywhere).chain(at_the_top).chain(templates).collect()
}

/// Folders that hold code which is the same everywhere, though settings may be put together there.
const PACKAGES: [&str; 4] = ["vendor", "node_modules", "wp-includes", "wp-admin"];

/// What tells a site from other folders, and where its settings are, by the ends of paths.
const MARKS: [&str; 8] = [
    "wp-includes/version.php",
    "core/lib/Drupal.php",
    "includes/bootstrap.inc",
    "misc/drupal.js",
    "modules/system/system.module",
    "config/application.php",
    "composer.json",
    "index.php",
];

/// Where in a site's folder such marks may be: the ends of paths, and how many folders may be above them.
pub fn site_marks() -> (&'static [&'static str], usize) {
    (&MARKS, 3)
}

/// The files, by their real paths, that the settings of the site in a folder come from: its own settings, and what
/// these include, wherever people keep it, also if it is not there. Of several Drupal sites, those of all. Nothing if
/// there is no site.
pub fn settings_files(folder: &Path) -> Vec<PathBuf> {
    let mut options = LookOptions::default();
    let Ok(found) = look(folder, &options) else { return Vec::new() };
    let mut files = found.read;
    files.extend(found.absent);
    if let Cms::Drupal { .. } = found.cms {
        for name in drupal::site_folders(&found.docroot) {
            options.multisite = Some(name);
            let Ok(found) = look(folder, &options) else { continue };
            files.extend(found.read.into_iter().chain(found.absent));
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

/// The file that a site's settings would come from, where it isn't there.
pub fn missing_settings(folder: &Path) -> Option<PathBuf> {
    let found = look(folder, &LookOptions::default()).ok()?;
    let lacks = found.missing.into_iter().filter(|missing| missing.element == Element::Database);
    lacks.filter_map(|missing| missing.spot).map(|spot| spot.file).find(|file| !file.exists())
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
    fn settings_that_are_not_there_are_missed() {
        let site = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = site.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(missing_settings(site.path()), None);
        put("wp-includes/version.php", "<?php $wp_version = '6.6';");
        let config = site.path().join("wp-config.php");
        assert_eq!(missing_settings(site.path()), Some(config.clone()));
        put("wp-config.php", "<?php define('DB_NAME', getenv('NAME'));");
        assert_eq!(missing_settings(site.path()), None);
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
            "wp-config.php.bak",
            "wp-config.php~",
            "wp-config.old",
            "wp-config-backup.php",
            "old-wp-config.php",
            ".wp-config.php.swp",
            "sites/default/settings.php.bak",
            "sites/default/settings.php.orig",
            "web/sites/default/settings.php~",
            "sites/default/.settings.php.swp",
            "sites/default/settings.local.php.save",
            "sites/default/settings_old.php",
            ".env~",
            ".env-live",
            "prod.env",
            ".envrc",
            ".env.local.php",
            "auth.json",
            "web/auth.json",
            ".composer/auth.json",
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
            "sites/example.settings.local.php",
            "sites/default/example.settings.local.php",
            "sites/default/settings.example.php",
            "wp-config-sample.php.dist",
            ".env.local.example",
            ".env.dist",
            "example.env",
            "vendor/wp-cli/wp-config-transformer/src/WPConfigTransformer.php",
            "wp-content/plugins/x/schemas/auth.json",
            "wp-admin/setup-config.php",
        ] {
            assert!(!is_own(code), "{code}");
        }
    }
}
