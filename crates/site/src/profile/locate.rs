//! Which folder is a site's: the one that was pointed at, one above it, or the only one below.

use std::path::{Path, PathBuf};

use super::found::{DrupalLayout, LookError, WordPressLayout};

/// A site's folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    pub root: PathBuf,
    pub docroot: PathBuf,
    pub kind: Kind,
}

/// What kind of site it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    WordPress { core: PathBuf, layout: WordPressLayout },
    Drupal { layout: DrupalLayout },
    Other,
}

/// Web roots that people have below a site's top folder.
const WEB_ROOTS: [&str; 11] = [
    "web",
    "docroot",
    "public",
    "public_html",
    "html",
    "htdocs",
    "httpdocs",
    "www",
    "current",
    "app/public",
    "wordpress",
];
/// How far above the folder a site is looked for.
const LEVELS_UP: usize = 6;
/// How many folders below it are looked at.
const CHILDREN_MAX: usize = 500;

/// Finds the site that a folder is or belongs to. With it comes a note where it is not the folder itself.
pub(super) fn locate(folder: &Path) -> Result<(Site, Option<String>), LookError> {
    readable(folder)?;
    if let Some(site) = recognise(folder) {
        return Ok((outermost(site), None));
    }
    if let Some(site) = above(folder) {
        let note = format!("{} is a part of the site in {}", folder.display(), site.root.display());
        return Ok((site, Some(note)));
    }
    let mut below = below(folder);
    match below.len() {
        0 if is_empty(folder) => Err(LookError::Empty(folder.to_owned())),
        0 => Ok((plain(folder), None)),
        1 => {
            let site = below.remove(0);
            let note = format!("the site is in {}", site.root.display());
            Ok((site, Some(note)))
        }
        _ => Err(LookError::Several {
            folder: folder.to_owned(),
            candidates: below.into_iter().map(|site| site.root).collect(),
        }),
    }
}

fn readable(folder: &Path) -> Result<(), LookError> {
    let unreadable = |source| LookError::Unreadable { folder: folder.to_owned(), source };
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(LookError::Absent(folder.to_owned()))
        }
        Err(error) => Err(unreadable(error)),
        Ok(found) if !found.is_dir() => Err(LookError::NotAFolder(folder.to_owned())),
        Ok(_) => std::fs::read_dir(folder).map(drop).map_err(unreadable),
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// A site that is neither WordPress nor Drupal: its web root is the first usual one that has an index file.
fn plain(folder: &Path) -> Site {
    let has_index = |folder: &Path| {
        ["index.php", "index.html", "index.htm"].iter().any(|name| folder.join(name).is_file())
    };
    let mut web_roots = WEB_ROOTS.iter().map(|name| folder.join(name));
    let docroot = if has_index(folder) { None } else { web_roots.find(|path| has_index(path)) };
    Site { root: folder.to_owned(), docroot: docroot.unwrap_or_else(|| folder.to_owned()), kind: Kind::Other }
}

/// The site whose top folder this is.
pub(super) fn recognise(folder: &Path) -> Option<Site> {
    bedrock(folder).or_else(|| wordpress(folder)).or_else(|| drupal(folder)).or_else(|| {
        // WordPress has its settings beside or above it, and nothing else belongs to it.
        WEB_ROOTS.iter().find_map(|name| wordpress(&folder.join(name)))
    })
}

/// The site that the folder found is only a part of, such as Bedrock's `web/wp`.
fn outermost(site: Site) -> Site {
    let mut best = site;
    let start = best.root.clone();
    for parent in start.ancestors().skip(1).take(2) {
        if let Some(outer) = recognise(parent)
            && outer.contains(&start)
        {
            best = outer;
        }
    }
    best
}

impl Site {
    /// Whether a folder is one of the site's own.
    fn contains(&self, folder: &Path) -> bool {
        if folder == self.root || folder == self.docroot {
            return true;
        }
        match &self.kind {
            Kind::WordPress { core, layout } => {
                folder == core
                    || (*layout == WordPressLayout::Bedrock && folder.starts_with(&self.root))
                    || parts_of(core, folder, &["wp-content", "wp-includes", "wp-admin"])
                    || parts_of(&self.docroot, folder, &["wp-content"])
            }
            Kind::Drupal { .. } => {
                let own = ["sites", "core", "modules", "themes", "profiles", "libraries", "includes", "misc"];
                parts_of(&self.docroot, folder, &own)
                    || (self.root != self.docroot
                        && parts_of(&self.root, folder, &["vendor", "config", "drush", "scripts", "patches"]))
            }
            Kind::Other => false,
        }
    }
}

fn parts_of(base: &Path, folder: &Path, own: &[&str]) -> bool {
    let first = folder.strip_prefix(base).ok().and_then(|rest| rest.components().next());
    first.is_some_and(|part| part.as_os_str().to_str().is_some_and(|name| own.contains(&name)))
}

fn above(folder: &Path) -> Option<Site> {
    folder
        .ancestors()
        .skip(1)
        .take(LEVELS_UP)
        .filter_map(recognise)
        .find(|site| site.contains(folder))
        .map(outermost)
}

fn below(folder: &Path) -> Vec<Site> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut children: Vec<PathBuf> = entries
        .flatten()
        .take(CHILDREN_MAX)
        .map(|entry| entry.path())
        .filter(|path| {
            path.is_dir() && !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    children.sort();
    let mut sites: Vec<Site> = children.iter().filter_map(|child| recognise(child)).collect();
    // `current` beside `releases`: the same site by two names is one.
    sites.dedup_by_key(|site| site.root.canonicalize().ok());
    sites
}

fn is_wordpress(folder: &Path) -> bool {
    folder.join("wp-includes/version.php").is_file()
}

fn wordpress(folder: &Path) -> Option<Site> {
    let site = |core: &Path, layout| Site {
        root: folder.to_owned(),
        docroot: folder.to_owned(),
        kind: Kind::WordPress { core: core.to_owned(), layout },
    };
    if is_wordpress(folder) {
        return Some(site(folder, WordPressLayout::Plain));
    }
    let core = blog_header_folder(folder)?;
    is_wordpress(&core).then(|| site(&core, WordPressLayout::Subfolder))
}

/// The folder from which `index.php` requires `wp-blog-header.php`.
fn blog_header_folder(folder: &Path) -> Option<PathBuf> {
    let text = small_text(&folder.join("index.php"))?;
    let before = text.split("wp-blog-header.php").next().filter(|before| before.len() < text.len())?;
    let line = before.rsplit(['\'', '"']).next()?;
    let name = line.trim_matches('/').trim_start_matches("./");
    let plain = !name.is_empty() && !name.split('/').any(|part| part == ".." || part.is_empty());
    plain.then(|| folder.join(name))
}

/// Bedrock: settings in `config/application.php`, WordPress below the web root.
fn bedrock(folder: &Path) -> Option<Site> {
    if !folder.join("config/application.php").is_file() {
        return None;
    }
    let told = composer(folder).and_then(|json| {
        json.pointer("/extra/wordpress-install-dir")?.as_str().map(|dir| dir.trim_matches('/').to_owned())
    });
    let core = folder.join(told.as_deref().filter(|dir| is_inside(dir)).unwrap_or("web/wp"));
    let docroot = core.parent().unwrap_or(folder).to_owned();
    let fits = is_wordpress(&core) || docroot.join("wp-config.php").is_file() && docroot.join("app").is_dir();
    fits.then(|| Site {
        root: folder.to_owned(),
        docroot,
        kind: Kind::WordPress { core, layout: WordPressLayout::Bedrock },
    })
}

fn is_drupal(folder: &Path) -> bool {
    folder.join("core/lib/Drupal.php").is_file()
        || (folder.join("includes/bootstrap.inc").is_file() && folder.join("misc/drupal.js").is_file())
}

fn drupal(folder: &Path) -> Option<Site> {
    if is_drupal(folder) {
        let layout = DrupalLayout::Plain;
        return Some(Site {
            root: folder.to_owned(),
            docroot: folder.to_owned(),
            kind: Kind::Drupal { layout },
        });
    }
    let told = composer(folder).and_then(|json| {
        let dir = json.pointer("/extra/drupal-scaffold/locations/web-root")?.as_str()?;
        Some(dir.trim_matches('/').trim_start_matches("./").to_owned())
    });
    let told = told.filter(|dir| is_inside(dir)).map(|dir| folder.join(dir));
    let usual = WEB_ROOTS.iter().map(|name| folder.join(name));
    let docroot = told.into_iter().chain(usual).find(|docroot| is_drupal(docroot))?;
    let layout =
        if folder.join("composer.json").is_file() { DrupalLayout::Composer } else { DrupalLayout::Plain };
    Some(Site { root: folder.to_owned(), docroot, kind: Kind::Drupal { layout } })
}

fn is_inside(dir: &str) -> bool {
    !dir.is_empty() && !dir.starts_with('/') && !dir.split('/').any(|part| part == "..")
}

fn composer(folder: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&small_text(&folder.join("composer.json"))?).ok()
}

/// The text of a small file.
pub(super) fn small_text(path: &Path) -> Option<String> {
    let found = std::fs::metadata(path).ok()?;
    if !found.is_file() || found.len() > 512 * 1024 {
        return None;
    }
    Some(String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned())
}
