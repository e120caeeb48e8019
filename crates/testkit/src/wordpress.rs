//! A WordPress site of a test's own, as people have them: installed by WordPress's own installer into a schema of a
//! [`Server`], with posts, comments and uploads, and its code in a git repository that ignores the uploads.
//!
//! ```no_run
//! use undercroft_testkit::mariadb::{Options, Server};
//! use undercroft_testkit::wordpress::WordPress;
//!
//! let server = Server::start(Options::default());
//! let folder = tempfile::tempdir().unwrap();
//! let shop = WordPress::install(&server, &folder.path().join("shop"));
//! assert_eq!(shop.php("echo wp_count_posts()->publish;"), "21");
//! ```
//!
//! WordPress and PHP come from Debian's packages (`scripts/install-needs wordpress`); the work is done by
//! `scripts/wordpress/site`, which `make demo` uses too.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mariadb::{self, Server};

/// How large a site is to be, and what it is called.
#[derive(Debug, Clone)]
pub struct Options {
    /// The schema, which is made, and whose name the account takes too.
    pub schema: String,
    /// The account's password.
    pub password: String,
    /// Where WordPress believes that it is served.
    pub url: String,
    /// How many posts it has, beside the one that the installer makes.
    pub posts: usize,
    /// How many of the posts have a picture, which WordPress makes smaller copies of.
    pub uploads: usize,
    /// How many pixels wide the pictures are.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            schema: "shop".to_owned(),
            password: "it's a \\ $ecret".to_owned(),
            url: "http://shop.example".to_owned(),
            posts: 20,
            uploads: 6,
            width: 640,
        }
    }
}

/// An installed site. Its files stay until the caller removes their folder, its schema as long as the server.
#[derive(Debug)]
pub struct WordPress {
    folder: PathBuf,
    options: Options,
}

impl WordPress {
    /// Installs a small site into a folder that does not exist yet.
    ///
    /// # Panics
    /// If it can't be had; the message says why, and what to install if something is missing.
    pub fn install(server: &Server, folder: &Path) -> WordPress {
        WordPress::install_with(server, folder, Options::default())
    }

    /// Installs a site as [`WordPress::install`] does, of another size or under another name.
    ///
    /// # Panics
    /// If it can't be had; the message says why, and what to install if something is missing.
    pub fn install_with(server: &Server, folder: &Path, options: Options) -> WordPress {
        let mut command = Command::new(script("site"));
        command
            .arg(mariadb::joined("folder=", folder))
            .arg(mariadb::joined("socket=", server.socket()))
            .arg(format!("schema={}", options.schema))
            .arg(format!("user={}", options.schema))
            .arg(format!("password={}", options.password))
            .arg(format!("url={}", options.url))
            .arg(format!("posts={}", options.posts))
            .arg(format!("uploads={}", options.uploads))
            .arg(format!("width={}", options.width))
            .stdin(Stdio::null());
        let output = command.output().unwrap_or_else(|error| panic!("{command:?} can't be run: {error}"));
        assert!(output.status.success(), "WordPress could not be installed:\n{}", mariadb::told(&output));
        WordPress { folder: folder.to_owned(), options }
    }

    /// The web root, which is the top of the git repository too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of uploaded files.
    pub fn uploads(&self) -> PathBuf {
        self.folder.join("wp-content/uploads")
    }

    /// Where WordPress believes that it is served.
    pub fn url(&self) -> &str {
        &self.options.url
    }

    /// The schema that its tables are in; the account that reads them has the same name.
    pub fn schema(&self) -> &str {
        &self.options.schema
    }

    /// The account's password.
    pub fn password(&self) -> &str {
        &self.options.password
    }

    /// Runs PHP code inside this WordPress, with all of its functions, and gives what the code printed.
    ///
    /// # Panics
    /// If the code fails; the message says why.
    pub fn php(&self, code: &str) -> String {
        let mut command = Command::new("php");
        command.arg(script("run.php")).arg(&self.folder).arg("-");
        String::from_utf8_lossy(&mariadb::feed(command, code.as_bytes()).stdout).into_owned()
    }

    /// Publishes so many more posts, each with an uploaded picture; `first` tells one picture and text from others.
    ///
    /// # Panics
    /// If WordPress refuses; the message says why.
    pub fn publish(&self, first: usize, posts: usize) {
        let mut command = Command::new("php");
        command.arg(script("run.php")).arg(&self.folder).arg(script("content.php"));
        command.args([first, posts, posts, self.options.width].map(|number| number.to_string()));
        mariadb::feed(command, b"");
    }
}

/// A file of `scripts/wordpress`.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/wordpress").join(name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_site_is_installed_and_answers_php() {
        let server = Server::start(mariadb::Options::default());
        let folder = tempfile::tempdir().unwrap();
        let site = WordPress::install(&server, &folder.path().join("shop"));

        assert_eq!(site.php("echo wp_count_posts()->publish;"), "21");
        assert_eq!(site.php("echo home_url();"), site.url());
        assert_eq!(
            server.query("SELECT COUNT(*) FROM shop.wp_comments WHERE comment_content LIKE '%👍'"),
            "20\n"
        );
        let config = fs::read_to_string(site.folder().join("wp-config.php")).unwrap();
        assert!(config.contains(&format!("localhost:{}", server.socket().display())), "{config}");

        let pictures = "echo implode(' ', array_map('get_attached_file', get_posts(
            ['post_type' => 'attachment', 'numberposts' => -1, 'fields' => 'ids'])));";
        let before = site.php(pictures);
        assert_eq!(before.split(' ').count(), 6, "{before}");
        site.publish(100, 2);
        let after = site.php(pictures);
        assert_eq!(after.split(' ').count(), 8, "{after}");
        for picture in after.split(' ') {
            assert!(
                Path::new(picture).starts_with(site.uploads()) && Path::new(picture).exists(),
                "{picture}"
            );
        }

        let status = git(&site, &["status", "--porcelain"]);
        assert_eq!(status, "");
        assert_eq!(git(&site, &["log", "--format=%h"]).lines().count(), 4);
        assert!(!git(&site, &["ls-files"]).contains("wp-config.php\n"));
    }

    #[test]
    #[should_panic(expected = "is there already")]
    fn a_site_is_never_installed_over_another() {
        let server = Server::start(mariadb::Options::default());
        WordPress::install(&server, tempfile::tempdir().unwrap().path());
    }

    #[test]
    #[should_panic(expected = "on this WordPress nothing works")]
    fn code_that_fails_fails_the_test() {
        let server = Server::start(mariadb::Options::default());
        let folder = tempfile::tempdir().unwrap();
        let site = WordPress::install_with(
            &server,
            &folder.path().join("shop"),
            Options { posts: 0, uploads: 0, ..Options::default() },
        );
        site.php("throw new Exception('on this WordPress nothing works');");
    }

    fn git(site: &WordPress, arguments: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(site.folder()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}
