//! Which files of a site's code hold its own credentials.

/// Where WordPress, Bedrock and Drupal keep an environment's own address, database account and secrets.
const FILES: [&str; 10] = [
    "wp-config.php",
    "wp-config-local.php",
    "wp-config-*.php",
    "local-config.php",
    ".env",
    ".env.*",
    "/config/environments/*.local.php",
    "sites/*/settings.php",
    "sites/*/settings.*.php",
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

#[cfg(test)]
mod tests {
    use ignore::gitignore::GitignoreBuilder;

    use super::*;

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
        ] {
            assert!(is_own(own), "{own}");
        }
        for code in [
            "wp-config-sample.php",
            ".env.example",
            "sites/default/default.settings.php",
            "index.php",
            "wp-content/plugins/x/settings.php",
            "drush/sites/self.site.yml",
        ] {
            assert!(!is_own(code), "{code}");
        }
    }
}
