//! Drupal.

use undercroft_model::{CodeSource, DatabaseAddress, Element, TlsMode};
use undercroft_site::profile::{Cms, DrupalLayout, LookError, LookOptions, look};

use crate::tree::{Tree, account, database, files, shows_no_password, words};

const CORE: &str = "<?php\nnamespace Drupal;\n/**\n * const VERSION = '1.0';\n */\nclass Drupal {\n  const VERSION = '10.2.6';\n  const CORE_COMPATIBILITY = '8.x';\n}\n";
const BOOTSTRAP: &str = "<?php\n/**\n * The current system version.\n */\ndefine('VERSION', '7.98');\n";

fn settings(body: &str) -> String {
    format!(
        "<?php\n/**\n * @code\n * $databases['default']['default'] = [\n *   'database' => 'comment',\n * ];\n * @endcode\n */\n\
         $databases = [];\n# $databases['default']['default']['database'] = 'hash';\n$settings['hash_salt'] = '';\n\
         $settings['update_free_access'] = FALSE;\n{body}\n"
    )
}

const WHOLE: &str = "$databases['default']['default'] = array (\n  'database' => 'shop',\n  'username' => 'web',\n  'password' => 'hunter2',\n  \
    'prefix' => '',\n  'host' => 'db.example',\n  'port' => '3307',\n  'isolation_level' => 'READ COMMITTED',\n  'driver' => 'mysql',\n  \
    'namespace' => 'Drupal\\\\mysql\\\\Driver\\\\Database\\\\mysql',\n  'autoload' => 'core/modules/mysql/src/Driver/Database/mysql/',\n);";

fn composer(body: &str) -> Tree {
    Tree::new(&[
        ("composer.json", r#"{"extra":{"drupal-scaffold":{"locations":{"web-root":"web/"}}}}"#),
        ("web/core/lib/Drupal.php", CORE),
        ("web/sites/default/settings.php", &settings(body)),
        ("web/sites/default/files/", ""),
        ("web/index.php", "<?php"),
    ])
}

#[test]
fn a_composer_site_is_found_whole() {
    let tree = composer(WHOLE);
    let found = tree.look("");
    let layout = DrupalLayout::Composer;
    assert_eq!(found.cms, Cms::Drupal { version: Some("10.2.6".into()), layout });
    assert_eq!(found.cms.to_string(), "Drupal 10.2.6 (Composer layout)");
    assert_eq!(found.missing, []);
    assert_eq!(account(&found), "shop|web|hunter2");
    assert_eq!(database(&found).address, DatabaseAddress::Tcp("db.example".into(), 3307));
    assert_eq!(
        (files(&found), &found.docroot),
        (tree.path("web/sites/default/files").as_path(), &tree.path("web"))
    );
    let exclude = &found.settings.files.as_ref().unwrap().exclude;
    assert!(exclude.contains(&"/styles/".to_owned()) && !exclude.contains(&"/imagecache/".to_owned()));
    let Some(CodeSource::Folder { path, exclude }) = &found.settings.code else { panic!() };
    assert_eq!(
        (path, exclude.as_slice()),
        (&tree.path(""), ["/web/sites/default/files/".to_owned()].as_slice())
    );
    for folder in ["web", "web/sites", "web/core/lib", "web/sites/default/files"] {
        assert_eq!(tree.look(folder).root, tree.path(""), "{folder}");
    }
}

#[test]
fn all_layouts_and_spellings_are_read() {
    for web_root in ["docroot", "public", "html", "."] {
        let at = |name: &str| format!("{web_root}/{name}");
        let tree = Tree::new(&[
            (&at("core/lib/Drupal.php"), CORE),
            (&at("sites/default/settings.php"), &settings(WHOLE)),
            (&at("sites/default/files/"), ""),
        ]);
        assert_eq!(account(&tree.look("")), "shop|web|hunter2", "{web_root}");
    }
    for body in [
        "$databases = ['default' => ['default' => ['database' => 'shop', 'username' => 'web', 'password' => 'hunter2', 'driver' => 'mysql', 'host' => 'h']]];",
        "$databases['default']['default']['database'] = 'shop'; $databases['default']['default'] += ['username' => 'web', 'password' => 'hunter2', 'host' => 'h', 'driver' => 'mysql'];",
        "$db = ['username' => 'web', 'password' => 'hunter2']; $databases['default']['default'] = array_merge(['database' => 'shop', 'driver' => 'mysql'], $db);",
    ] {
        assert_eq!(account(&composer(body).look("")), "shop|web|hunter2", "{body}");
    }
}

#[test]
fn local_settings_win_in_the_order_they_are_included() {
    let tree = composer(&format!(
        "{WHOLE}\nif (getenv('IS_DDEV_PROJECT') == 'true' && is_readable($app_root . '/' . $site_path . '/settings.ddev.php')) {{\n  include $app_root . '/' . $site_path . '/settings.ddev.php';\n}}\n\
         if (file_exists($app_root . '/' . $site_path . '/settings.local.php')) {{\n  include $app_root . '/' . $site_path . '/settings.local.php';\n}}\n"
    ));
    let ddev = "<?php\n$host = \"db\";\n$port = 3306;\nif (empty(getenv('IS_DDEV_PROJECT'))) { $host = '127.0.0.1'; $port = 32770; }\n\
                $databases['default']['default']['database'] = \"db\";\n$databases['default']['default']['username'] = \"db\";\n\
                $databases['default']['default']['password'] = \"db\";\n$databases['default']['default']['host'] = $host;\n\
                $databases['default']['default']['port'] = $port;\n";
    tree.add(&[("web/sites/default/settings.ddev.php", ddev)]);
    assert_eq!(account(&tree.look("")), "shop|web|hunter2");
    let inside = tree.try_look("", &[("IS_DDEV_PROJECT", "true")]).unwrap();
    assert_eq!(account(&inside), "db|db|db");
    assert_eq!(database(&inside).address, DatabaseAddress::Tcp("db".into(), 3306));
    tree.add(&[("web/sites/default/settings.local.php", "<?php\n// $databases['default']['default']['password'] = 'no';\n$databases['default']['default']['password'] = 's3cret';\n")]);
    let found = tree.look("");
    assert_eq!(account(&found), "shop|web|s3cret");
    let password = found.findings.iter().find(|finding| finding.label == "database password").unwrap();
    assert!(password.spot.as_ref().unwrap().to_string().ends_with("settings.local.php:3"));
}

#[test]
fn sockets_prefixes_and_encryption_are_read() {
    let tree = composer(
        "$databases['default']['default'] = ['driver' => 'mysql', 'database' => 'd', 'username' => 'u', 'password' => 'p', 'unix_socket' => '/run/m.sock', 'host' => 'localhost',\n\
         'prefix' => ['default' => 'main_', 'users' => 'shared_'], 'init_commands' => ['a' => 'SET x'], 'pdo' => [PDO::MYSQL_ATTR_SSL_CA => '/etc/ca.pem', \\PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => FALSE]];\n\
         $databases['migrate']['default'] = ['driver' => 'mysql']; $databases['default']['replica'][] = ['driver' => 'mysql'];",
    );
    let found = tree.look("");
    let target = database(&found);
    assert_eq!(target.address, DatabaseAddress::Socket("/run/m.sock".into()));
    assert_eq!(target.table_prefix.as_deref(), Some("main_"));
    assert_eq!((target.tls, target.tls_ca.as_deref()), (TlsMode::Unverified, Some("/etc/ca.pem".as_ref())));
    assert!(
        words(&found).contains("migrate, default/replica")
            || words(&found).contains("default/replica, migrate")
    );
}

#[test]
fn other_drivers_and_no_database_are_missing_with_the_reason() {
    for (body, want) in [
        ("$databases['default']['default'] = ['driver' => 'pgsql', 'database' => 'd'];", "pgsql"),
        (
            "$databases['default']['default'] = ['driver' => 'sqlite', 'database' => 'sites/default/files/.ht.sqlite'];",
            "sqlite",
        ),
        ("", "is set nowhere"),
        ("$databases['default']['default'] = secret_lookup('db');", "secret_lookup()"),
        (
            "$databases['default']['default'] = ['driver' => 'mysql', 'database' => getenv('DB_NAME'), 'username' => 'u', 'password' => 'p'];",
            "the environment variable DB_NAME",
        ),
    ] {
        let found = composer(body).look("");
        assert!(found.settings.database.is_none(), "{body}");
        let missing = found.missing.iter().find(|missing| missing.element == Element::Database).unwrap();
        assert!(missing.why.contains(want) && missing.option.starts_with("--database"), "{missing:?}");
        assert!(missing.spot.is_some());
    }
}

#[test]
fn several_sites_are_told_apart() {
    let tree = composer(WHOLE);
    let other = settings(&WHOLE.replace("'shop'", "'other'"));
    tree.add(&[
        ("web/sites/other.example/settings.php", &other),
        ("web/sites/other.example/files/", ""),
        ("web/sites/all/modules/", ""),
    ]);
    let found = tree.look("");
    assert_eq!(account(&found), "shop|web|hunter2");
    assert!(words(&found).contains("other.example"));
    let Some(CodeSource::Folder { exclude, .. }) = &found.settings.code else { panic!() };
    assert!(exclude.contains(&"/web/sites/other.example/files/".to_owned()), "{exclude:?}");
    let pick = |name: &str| {
        look(&tree.path(""), &LookOptions { multisite: Some(name.into()), ..LookOptions::default() })
    };
    let picked = pick("other.example").unwrap();
    assert_eq!(
        (account(&picked).as_str(), files(&picked)),
        ("other|web|hunter2", tree.path("web/sites/other.example/files").as_path())
    );
    assert!(matches!(pick("none"), Err(LookError::NoSuchMultisite { .. })));
    assert!(matches!(pick("../default"), Err(LookError::NoSuchMultisite { .. })));
    std::fs::remove_file(tree.path("web/sites/default/settings.php")).unwrap();
    assert_eq!(account(&tree.look("")), "other|web|hunter2");
    tree.add(&[("web/sites/third/settings.php", "<?php")]);
    let unclear = tree.look("");
    assert!(
        unclear.settings.database.is_none()
            && unclear.missing.iter().all(|missing| missing.option.contains("--multisite"))
    );
}

#[test]
fn files_are_where_the_settings_say_and_private_ones_are_told() {
    let tree = composer(&format!(
        "{WHOLE}\n$settings['file_public_path'] = 'media';\n$settings['file_private_path'] = '../private';\n$settings['config_sync_directory'] = '../config/sync';"
    ));
    tree.add(&[("web/media/", ""), ("private/", "")]);
    let found = tree.look("");
    assert_eq!(files(&found), tree.path("web/media"));
    assert!(words(&found).contains("private files lie outside the files folder"));
    let inside =
        composer(&format!("{WHOLE}\n$settings['file_private_path'] = 'sites/default/files/private';"));
    inside.add(&[("web/sites/default/files/private/", "")]);
    assert!(!words(&inside.look("")).contains("private files lie outside"));
}

#[test]
fn drupal_seven_and_six_are_read() {
    let seven = "<?php\n/**\n * $databases['default']['default'] = array('driver' => 'pgsql');\n */\n$databases = array (\n  'default' => \n  array (\n    'default' => \n    array (\n      'database' => 'shop',\n      'username' => 'web',\n      'password' => 'hunter2',\n      'host' => 'localhost',\n      'port' => '',\n      'driver' => 'mysql',\n      'prefix' => '',\n    ),\n  ),\n);\n$update_free_access = FALSE;\nini_set('session.gc_probability', 1);\n# $conf['site_name'] = 'x';\n";
    let tree = Tree::new(&[
        ("includes/bootstrap.inc", BOOTSTRAP),
        ("misc/drupal.js", ""),
        ("sites/default/settings.php", seven),
        ("sites/default/files/", ""),
    ]);
    let found = tree.look("");
    assert_eq!(found.cms, Cms::Drupal { version: Some("7.98".into()), layout: DrupalLayout::Plain });
    assert_eq!(account(&found), "shop|web|hunter2");
    assert_eq!(database(&found).address, DatabaseAddress::Localhost);
    assert!(found.settings.files.as_ref().unwrap().exclude.contains(&"/languages/".to_owned()));
    tree.add(&[
        ("includes/bootstrap.inc", "<?php"),
        ("modules/system/system.module", "<?php\ndefine('VERSION', '6.38');\n"),
        ("sites/default/settings.php", "<?php\n# $db_url = 'mysql://no:no@localhost/no';\n$db_url = 'mysqli://web:hunter2%40@localhost/shop';\n$db_prefix = 'six_';\n"),
    ]);
    let found = tree.look("");
    assert_eq!(found.cms.to_string(), "Drupal 6.38");
    assert_eq!(account(&found), "shop|web|hunter2@");
    assert_eq!(database(&found).table_prefix.as_deref(), Some("six_"));
}

#[test]
fn platforms_tell_the_database_in_variables() {
    let tree = composer(
        "if (isset($_ENV['PANTHEON_ENVIRONMENT'])) { $settings['x'] = 1; }\ninclude __DIR__ . \"/settings.pantheon.php\";",
    );
    let pantheon = "<?php\nif (isset($_SERVER['PRESSFLOW_SETTINGS'])) {\n  $pressflow_settings = json_decode($_SERVER['PRESSFLOW_SETTINGS'], TRUE);\n  foreach ($pressflow_settings as $key => $value) {\n    if ($key != 'conf') { $$key = $value; }\n  }\n}\n";
    tree.add(&[("web/sites/default/settings.pantheon.php", pantheon)]);
    assert!(tree.look("").settings.database.is_none());
    let json = r#"{"conf":{"x":1},"databases":{"default":{"default":{"driver":"mysql","database":"pantheon","username":"p","password":"hunter2","host":"dbserver","port":"10127"}}}}"#;
    let found = tree.try_look("", &[("PANTHEON_ENVIRONMENT", "live"), ("PRESSFLOW_SETTINGS", json)]).unwrap();
    shows_no_password(&found);
    assert_eq!(account(&found), "pantheon|p|hunter2");
    assert_eq!(database(&found).address, DatabaseAddress::Tcp("dbserver".into(), 10127));
    let by_url = composer("").try_look("", &[("DATABASE_URL", "mysql://u:hunter2@h/d")]).unwrap();
    assert_eq!(account(&by_url), "d|u|hunter2");
}
