//! Restores of other sites: a Drupal in a repository, one environment from another's backup, and an account that may
//! do little.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::state::{same, schema, tree};
use common::web::Web;
use common::{Bench, sh, small_site};
use undercroft_testkit::mariadb::{self, Server};
use undercroft_testkit::wordpress::{Options, WordPress};

/// The end of a `settings.php` as Drupal's installer leaves it.
fn settings(socket: &Path) -> String {
    format!(
        "<?php\n/**\n * @file\n * Drupal site-specific configuration file.\n * @code\n * $databases['default']['default'] = [\n \
         *   'database' => 'databasename',\n * ];\n * @endcode\n */\n$databases = [];\n\
         $settings['hash_salt'] = 'vUnXb7c0';\n$settings['update_free_access'] = FALSE;\n\
         $settings['container_yamls'][] = $app_root . '/' . $site_path . '/services.yml';\n\
         # if (file_exists($app_root . '/' . $site_path . '/settings.local.php')) {{\n\
         #   include $app_root . '/' . $site_path . '/settings.local.php';\n# }}\n\
         $databases['default']['default'] = array (\n  'database' => 'drupal',\n  'username' => 'drupal',\n  \
         'password' => 'hunter2',\n  'prefix' => '',\n  'unix_socket' => '{}',\n  'host' => 'localhost',\n  'port' => '',\n  \
         'isolation_level' => 'READ COMMITTED',\n  'driver' => 'mysql',\n  \
         'namespace' => 'Drupal\\\\mysql\\\\Driver\\\\Database\\\\mysql',\n  \
         'autoload' => 'core/modules/mysql/src/Driver/Database/mysql/',\n);\n",
        socket.display()
    )
}

/// Tables as Drupal makes them, with configuration as serialized PHP in blobs.
const TABLES: &str = r#"
CREATE TABLE config (collection VARCHAR(255) CHARACTER SET ascii NOT NULL DEFAULT '', name VARCHAR(255) CHARACTER SET ascii NOT NULL
  DEFAULT '', data LONGBLOB DEFAULT NULL, PRIMARY KEY (collection, name)) COMMENT='The base table for configuration data.';
INSERT INTO config VALUES ('', 'system.site', 'a:2:{s:4:"name";s:8:"Gärtner";s:4:"page";a:1:{s:5:"front";s:5:"/node";}}'),
  ('language.de', 'system.site', 'a:1:{s:4:"name";s:1:"\'";}'), ('', 'raw.bytes', x'613a313a7b693a303b733a333a2200ff27223b7d');
CREATE TABLE node (nid INT UNSIGNED NOT NULL AUTO_INCREMENT, vid INT UNSIGNED DEFAULT NULL, type VARCHAR(32) CHARACTER SET ascii NOT NULL,
  uuid VARCHAR(128) CHARACTER SET ascii NOT NULL, langcode VARCHAR(12) CHARACTER SET ascii NOT NULL, PRIMARY KEY (nid),
  UNIQUE KEY node_field__uuid__value (uuid), UNIQUE KEY node__vid (vid), KEY node_field__type__target_id (type));
INSERT INTO node SELECT seq, seq, 'article', CONCAT('5f0c-', seq), 'en' FROM seq_1_to_500;
CREATE TABLE node__body (bundle VARCHAR(128) NOT NULL DEFAULT '', deleted TINYINT NOT NULL DEFAULT 0, entity_id INT UNSIGNED NOT NULL,
  delta INT UNSIGNED NOT NULL, body_value LONGTEXT NOT NULL, PRIMARY KEY (entity_id, deleted, delta));
INSERT INTO node__body SELECT 'article', 0, seq, 0, CONCAT('<p>Text № ', seq, ' 🌱</p>') FROM seq_1_to_500;
CREATE TABLE cache_render (cid VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '', data LONGBLOB, expire BIGINT NOT NULL
  DEFAULT 0, created DECIMAL(14,3) NOT NULL DEFAULT 0.000, PRIMARY KEY (cid), KEY expire (expire));
"#;

const GIT: &str = "git -c user.name=Ada -c user.email=ada@shop.example";

/// A Drupal whose code is the work tree of a repository, with its files in `sites/default/files`; a backup is made.
fn drupal(bench: &Bench, server: &Server) -> PathBuf {
    let site = bench.path("garden");
    server.run_sql(
        "CREATE DATABASE drupal CHARACTER SET utf8mb4; CREATE USER drupal@localhost IDENTIFIED BY 'hunter2';
         GRANT ALL ON drupal.* TO drupal@localhost; GRANT ALL ON `undercroft\\_%`.* TO drupal@localhost;",
    );
    server.run_sql_in("drupal", TABLES.as_bytes());
    sh(&format!(
        "mkdir -p {site}/core/lib {site}/core/modules/node {site}/modules/custom {site}/sites/default/files/2026-11
         cd {site} && printf '<?php\\nclass Drupal {{\\n  const VERSION = '\"'10.2.6'\"';\\n}}\\n' > core/lib/Drupal.php
         printf '<?php // node\\n' > core/modules/node/node.module
         printf '<?php // index\\n' > index.php && chmod 755 index.php && ln -s ../core modules/core
         printf '/sites/*/files/\\n/sites/*/settings*.php\\n' > .gitignore
         git init -q -b main . && git add -A && {GIT} commit -qm 'Drupal 10.2.6'
         for n in 1 2 3 4 5; do head -c 30000 /dev/urandom > sites/default/files/2026-11/photo-$n.jpg; done
         printf 'notes of the gardener' > notes.txt",
        site = site.display()
    ));
    fs::write(site.join("sites/default/settings.php"), settings(server.socket())).unwrap();
    let added = bench.run(["site:add", &site.display().to_string(), "--name=garden"]);
    let told = format!("{}{}", added.out(), added.err());
    assert!(added.0.status.success() && told.contains("Drupal 10.2.6"), "{told}");
    assert!(told.contains("sites/default/files") && !told.contains("hunter2"), "{told}");
    bench.back_up("garden.live");
    site
}

#[test]
fn a_broken_drupal_in_a_repository_comes_back_and_the_restore_can_be_undone() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    let site = drupal(&bench, &server);
    let at = site.display();
    let git = |what: &str| sh(&format!("{GIT} -C {at} {what}"));
    let head = git("rev-parse HEAD");
    let state = || (tree(&site.join("sites/default/files")), schema(&server, "drupal"));
    let sound = state();

    server.run_sql(
        "DROP TABLE drupal.node__body; DELETE FROM drupal.node WHERE nid > 3;
         UPDATE drupal.config SET data = 'a:0:{}' WHERE name = 'system.site';",
    );
    sh(&format!(
        "cd {at} && rm -r sites/default/files/2026-11 && printf '<?php eval(1);' > sites/default/files/x.php
         printf '<?php // later\\n' > later.php && git add later.php && {GIT} commit -qm 'After the backup'
         printf '<?php eval($_POST[1]); // index\\n' > index.php && rm core/modules/node/node.module
         printf 'untracked' > malware.php"
    ));
    let later = git("rev-parse HEAD");
    let (broken, status) = (state(), git("status --porcelain"));
    let plan = bench.run(["backup:restore", "garden.live", "--dry-run"]);
    assert!(plan.0.status.success(), "{}", plan.err());
    for line in ["After the backup", "index.php", "database: added node__body"] {
        assert!(plan.out().contains(line), "{line}: {}", plan.out());
    }
    assert_eq!(git("status --porcelain"), status);
    assert_eq!(git("rev-parse HEAD"), later);

    let ran = bench.run(["backup:restore", "garden.live", "--yes"]);
    assert!(ran.0.status.success(), "{}", ran.err());
    assert!(ran.err().contains("drush cache:rebuild"), "{}", ran.err());
    assert_eq!(git("rev-parse HEAD"), head);
    assert_eq!(git("symbolic-ref HEAD"), "refs/heads/main\n");
    assert_eq!(git("status --porcelain"), "?? malware.php\n?? notes.txt\n", "untracked files stay");
    assert_eq!(fs::read_to_string(site.join("index.php")).unwrap(), "<?php // index\n");
    assert_eq!(fs::read_to_string(site.join("notes.txt")).unwrap(), "notes of the gardener");
    assert_eq!(
        fs::read_to_string(site.join("sites/default/settings.php")).unwrap(),
        settings(server.socket())
    );
    same(&state().0, &sound.0);
    same(&state().1, &sound.1);

    bench.ok(["backup:restore", "garden.live", "--undo", "--yes"]);
    assert_eq!(git("rev-parse HEAD"), later);
    assert_eq!(git("status --porcelain"), status);
    assert!(fs::read_to_string(site.join("index.php")).unwrap().contains("eval($_POST[1])"));
    same(&state().0, &broken.0);
    same(&state().1, &broken.1);

    // What the restore kept for its undoing is not what comes back next.
    bench.ok(["backup:restore", "garden.live", "--yes"]);
    assert_eq!(git("rev-parse HEAD"), head);
    same(&state().1, &sound.1);
}

#[test]
fn one_environment_takes_the_content_of_another_and_stays_itself() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    let install = |folder: &str, schema: &str, url: &str, posts| {
        let options =
            Options { posts, uploads: 1, schema: schema.into(), url: url.into(), ..Options::default() };
        let wordpress = WordPress::install_with(&server, &bench.path(folder), options);
        sh(&format!("rm -rf {}/.git", wordpress.folder().display()));
        server.run_sql(&format!("GRANT ALL ON `undercroft\\_%`.* TO {schema}@localhost"));
        wordpress
    };
    let live = install("shop", "shop", "http://shop.example", 3);
    let test = install("test", "trial", "http://trial.of.the.shop.example", 1);
    live.php(
        "update_option('shop_links', ['home' => home_url('/a'), 'of' => ['ü ' . home_url(), 7],
             'packed' => serialize(['deep' => home_url('/deep')])]);
         echo wp_insert_post(['post_title' => 'Only on live', 'post_status' => 'publish',
             'post_content' => '<a href=\"' . home_url('/?p=1') . '\">first</a>']);",
    );
    bench.ok(["site:add", &live.folder().display().to_string(), "--name=shop"]);
    bench.ok(["site:add", &test.folder().display().to_string(), "--name=shop", "--env=test"]);
    bench.back_up("shop.live");
    let config =
        |wordpress: &WordPress| fs::read_to_string(wordpress.folder().join("wp-config.php")).unwrap();
    let (own, before) = (config(&test), (tree(live.folder()), schema(&server, "shop")));
    let was = (tree(test.folder()), schema(&server, "trial"));

    let ran = bench.run([
        "backup:restore",
        "shop.test",
        "--from=shop.live",
        "--search-replace",
        live.url(),
        test.url(),
        "--yes",
    ]);
    assert!(ran.0.status.success(), "{}", ran.err());
    assert!(ran.err().contains("Restored the database backup to test."), "{}", ran.err());
    assert!(ran.err().contains("places replaced"), "{}", ran.err());
    same(&tree(live.folder()), &before.0);
    same(&schema(&server, "shop"), &before.1);
    assert_eq!(config(&test), own, "credentials stay the environment's own");
    let links = test
        .php("echo json_encode(get_option('shop_links'), JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);");
    let url = test.url();
    let packed = format!("a:1:{{s:4:\\\"deep\\\";s:{}:\\\"{url}/deep\\\";}}", url.len() + 5);
    assert_eq!(links, format!(r#"{{"home":"{url}/a","of":["ü {url}",7],"packed":"{packed}"}}"#));
    assert!(!schema(&server, "trial").contains("//shop.example"), "no old address is left");
    let web = Web::serve(test.folder());
    let front = web.get("trial.of.the.shop.example", "/");
    assert_eq!(front.status, 200);
    assert!(front.text().contains("Only on live"), "{}", front.text());
    drop(web);

    bench.ok(["backup:restore", "shop.test", "--undo", "--yes"]);
    same(&tree(test.folder()), &was.0);
    same(&schema(&server, "trial"), &was.1);
}

#[test]
fn an_account_that_may_make_no_second_schema_is_told_and_restores_in_place() {
    let server = Server::start(mariadb::Options::default());
    let bench = Bench::new();
    let site = drupal(&bench, &server);
    server.run_sql("REVOKE ALL ON `undercroft\\_%`.* FROM drupal@localhost");
    let sound = schema(&server, "drupal");
    server.run_sql("DROP TABLE drupal.node__body; CREATE TABLE drupal.spam (id INT PRIMARY KEY)");
    fs::remove_file(site.join("sites/default/files/2026-11/photo-1.jpg")).unwrap();
    let (broken, files) = (schema(&server, "drupal"), tree(&site.join("sites/default/files")));

    let error = bench.fails(["backup:restore", "garden.live", "--yes"]);
    for part in ["nothing was changed", "CREATE", "GRANT", "`undercroft\\_%`", "--in-place", "drupal"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(!error.contains("hunter2") && !error.contains("Restored the"), "{error}");
    same(&schema(&server, "drupal"), &broken);
    same(&tree(&site.join("sites/default/files")), &files);

    let ran = bench.run(["backup:restore", "garden.live", "--in-place", "--yes"]);
    assert!(ran.0.status.success(), "{}", ran.err());
    same(&schema(&server, "drupal"), &sound);
    assert!(site.join("sites/default/files/2026-11/photo-1.jpg").exists());
    bench.ok(["backup:restore", "garden.live", "--undo", "--yes"]);
    same(&schema(&server, "drupal"), &broken);
    same(&tree(&site.join("sites/default/files")), &files);
}

/// Of which nothing is left but its vault, be its repository all that is missing or everything.
#[test]
fn a_site_that_was_deleted_altogether_comes_back_by_one_command() {
    let (bench, server) = (Bench::new(), Server::start(mariadb::Options::default()));
    let site = small_site(&bench);
    sh(&format!(
        "cd {} && mkdir wp-includes && printf '<?php\\n$wp_version = \"6.6\";\\n' > wp-includes/version.php
         printf 'uploads/\\nwp-config.php\\n' > .gitignore && touch wp-config.php
         git add -A && {GIT} commit -qm WordPress",
        site.display()
    ));
    server.run_sql(
        "CREATE DATABASE shop; CREATE TABLE shop.posts (id INT PRIMARY KEY, title TEXT);
         INSERT INTO shop.posts VALUES (1, 'one')",
    );
    let at = site.display().to_string();
    bench.ok([
        "site:add".to_owned(),
        at.clone(),
        "--name=shop".to_owned(),
        format!("--code={at}"),
        format!("--files={at}/uploads"),
        format!("--database=mysql://root@localhost/shop?socket={}", server.socket().display()),
    ]);
    bench.back_up("shop.live");
    let git = |what: &str| sh(&format!("{GIT} -C {at} {what}"));
    let state = || (tree(&site.join("uploads")), schema(&server, "shop"));
    let (sound, head) = (state(), git("rev-parse HEAD"));

    fs::remove_dir_all(&site).unwrap();
    server.run_sql("DROP TABLE shop.posts");
    let plan = bench.run(["backup:restore", "shop.live", "--dry-run"]);
    assert!(plan.0.status.success(), "{}", plan.err());
    assert!(plan.out().contains("a repository is made there, with the branch main"), "{}", plan.out());
    assert!(!site.exists());
    let ran = bench.run(["backup:restore", "shop.live", "--yes"]);
    assert!(ran.0.status.success(), "{}", ran.err());
    let is_sound = || {
        let now = state();
        same(&now.0, &sound.0);
        same(&now.1, &sound.1);
    };
    is_sound();
    assert!(ran.err().contains("wp-config.php is not there"), "{}", ran.err());
    assert_eq!(
        (git("rev-parse HEAD"), git("status --porcelain --branch")),
        (head.clone(), "## main\n".to_owned())
    );
    let undone = bench.run(["backup:restore", "shop.live", "--undo", "--yes"]);
    assert!(undone.0.status.success(), "{}", undone.err());
    assert!(undone.err().contains("he code stay as they are: there were none before"), "{}", undone.err());
    assert_eq!(server.query("SHOW TABLES IN shop"), "");
    assert_eq!(git("rev-parse HEAD"), head);

    sh(&format!("cd {at} && rm -rf .git && printf hacked > index.php"));
    let ran = bench.run(["backup:restore", "shop.live", "--yes"]);
    assert!(ran.0.status.success(), "{}", ran.err());
    is_sound();
    assert_eq!(git("status --porcelain"), "");
    let kept = git("for-each-ref --format='%(refname)' refs/undercroft/before");
    assert!(ran.err().contains(kept.trim()), "{}", ran.err());
    assert_eq!(git(&format!("show {}:index.php", kept.trim())), "hacked");
}
