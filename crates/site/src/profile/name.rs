//! A name for a site, from where it lies.

use std::path::{Component, Path};

use undercroft_model::SiteName;

/// Folder names that say nothing of the site in them.
const SAYS_NOTHING: [&str; 30] = [
    "public_html",
    "public",
    "web",
    "docroot",
    "htdocs",
    "html",
    "www",
    "httpdocs",
    "current",
    "releases",
    "release",
    "shared",
    "app",
    "wp",
    "wordpress",
    "drupal",
    "site",
    "sites",
    "src",
    "code",
    "private",
    "live",
    "staging",
    "production",
    "prod",
    "dev",
    "test",
    "domains",
    "htdoc",
    "webroot",
];

/// Folders that hold what belongs to many.
const SHARED: [&str; 10] = ["var", "srv", "home", "opt", "usr", "share", "mnt", "data", "tmp", "vhosts"];

/// A name from the innermost folder that says something, else from the site's host name.
pub(super) fn suggest(root: &Path, host_name: Option<&str>) -> Option<SiteName> {
    let names = root.components().rev().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let mut names = names.filter(|name| !says_nothing(name));
    let by_folder = names.next().filter(|name| !SHARED.contains(&name.to_ascii_lowercase().as_str()));
    by_folder.and_then(SiteName::suggest).or_else(|| {
        let host = host_name?;
        SiteName::suggest(host.strip_prefix("www.").unwrap_or(host))
    })
}

/// Capistrano's folders are named by time: `20240131120000`.
fn says_nothing(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    SAYS_NOTHING.contains(&lower.as_str())
        || (name.len() >= 8 && name.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_says_something_names_the_site() {
        for (path, want) in [
            ("/home/anna/public_html", Some("anna")),
            ("/srv/www/Shop.example.com/releases/20240131120000/web", Some("shop-example-com")),
            ("/var/www/html", None),
            ("/var/www/shop/current", Some("shop")),
            ("/usr/share/wordpress", None),
        ] {
            assert_eq!(suggest(Path::new(path), None).as_ref().map(SiteName::as_str), want, "{path}");
        }
        let named = suggest(Path::new("/var/www/html"), Some("www.shop.example")).unwrap();
        assert_eq!(named.as_str(), "shop-example");
    }
}
