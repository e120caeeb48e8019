//! What a CMS makes again by itself, or what other backup tools leave behind. Every pattern is anchored at its
//! folder: a person's own folder called `backup-photos` stays in.

/// In Drupal's public files: image styles, aggregated CSS and JavaScript, compiled templates, and what modules
/// make again.
pub(super) fn drupal_files(major: Option<u32>) -> Vec<String> {
    let mut patterns =
        vec!["/css/", "/js/", "/styles/", "/simpletest/", "/backup_migrate/", "/private/backup_migrate/"];
    if major.is_none_or(|major| major >= 8) {
        patterns.push("/php/");
    }
    if major.is_none_or(|major| major <= 7) {
        patterns.extend([
            "/imagecache/",
            "/imagefield_thumbs/",
            "/languages/",
            "/ctools/css/",
            "/advagg_css/",
        ]);
        patterns.extend(["/advagg_js/", "/xmlsitemap/", "/tmp/"]);
    }
    owned(&patterns)
}

/// In WordPress's uploads: other backup tools' archives, caches and logs.
pub(super) fn wordpress_uploads() -> Vec<String> {
    owned(&[
        "/backwpup-*/",
        "/backwpup/",
        "/backupbuddy_backups/",
        "/backupbuddy_temp/",
        "/pb_backupbuddy/",
        "/wp-clone/",
        "/snapshots/*.zip",
        "/updraft/",
        "/wpvividbackups/",
        "/ai1wm-backups/",
        "/cache/",
        "/wp-migrate-db/",
    ])
}

/// In WordPress's content folder, when its code is taken from a plain folder.
const WORDPRESS_CONTENT: [&str; 19] = [
    "cache/",
    "upgrade/",
    "upgrade-temp-backup/",
    "debug.log",
    "wflogs/",
    "et-cache/",
    "litespeed/",
    "w3tc/",
    "updraft/",
    "ai1wm-backups/",
    "backups-dup-lite/",
    "backups-dup-pro/",
    "backup-db/",
    "backupwordpress-*-backups/",
    "wpvividbackups/",
    "wp-clone/",
    "backupbuddy_backups/",
    "backwpup-*/",
    "snapshots/",
];

/// Patterns of what a content folder holds beside code, anchored at the code folder that it lies in.
pub(super) fn wordpress_content(content: &str) -> Vec<String> {
    WORDPRESS_CONTENT.iter().map(|pattern| anchored(content, pattern)).collect()
}

/// A pattern for a path below a folder.
pub(super) fn anchored(folder: &str, pattern: &str) -> String {
    if folder.is_empty() { format!("/{pattern}") } else { format!("/{}/{pattern}", escape(folder)) }
}

/// A path as a pattern that matches it alone.
pub(super) fn escape(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if "\\*?[]!#".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn owned(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|pattern| (*pattern).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_anchored() {
        let all = [drupal_files(None), drupal_files(Some(7)), drupal_files(Some(10)), wordpress_uploads()];
        let content = wordpress_content("wp-content");
        assert!(all.iter().flatten().chain(&content).all(|pattern| pattern.starts_with('/')));
        assert!(!drupal_files(Some(10)).contains(&"/languages/".to_owned()));
        assert_eq!(anchored("we[i]rd", "files/"), "/we\\[i\\]rd/files/");
    }
}
