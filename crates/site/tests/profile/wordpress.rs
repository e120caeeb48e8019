//! WordPress.

use undercroft_model::{CodeSource, DatabaseAddress, TlsMode};
use undercroft_site::profile::{Cms, WordPressLayout};

use crate::tree::{Tree, account, database, files, shows_no_password, words};

const VERSION: (&str, &str) = (
    "wp-includes/version.php",
    "<?php\n/**\n * $wp_version = '1.0';\n */\n$wp_version = '6.5.2';\n$wp_db_version = 57155;\n",
);

/// Shaped like the sample that WordPress brings along.
fn config(extra: &str) -> String {
    format!(
        "<?php\n/**\n * The base configuration\n *\n * define( 'DB_NAME', 'comment' );\n */\n\n\
         // ** Database settings ** //\n/** The name */\n// define( 'DB_NAME', 'old' );\n\
         define( 'DB_NAME', 'shop' );\n#define( 'DB_USER', 'old' );\ndefine( 'DB_USER', 'web' );\n\
         define( 'DB_PASSWORD', 'hunter2\\'\"' );\ndefine( 'DB_HOST', 'db.example:3307' );\n\
         define( 'DB_CHARSET', 'utf8mb4' );\ndefine( 'DB_COLLATE', '' );\n{extra}\n$table_prefix = 'shop_';\n\
         define( 'WP_DEBUG', false );\n/* That's all, stop editing! */\n\
         if ( ! defined( 'ABSPATH' ) ) {{\n\tdefine( 'ABSPATH', __DIR__ . '/' );\n}}\n\
         require_once ABSPATH . 'wp-settings.php';\n"
    )
}

fn plain(extra: &str) -> Tree {
    Tree::new(&[
        VERSION,
        ("wp-config.php", &config(extra)),
        ("wp-content/uploads/2024/", ""),
        ("index.php", "<?php"),
    ])
}

#[test]
fn a_plain_site_is_found_whole() {
    let tree = plain("");
    let found = tree.look("");
    let layout = WordPressLayout::Plain;
    assert_eq!(found.cms, Cms::WordPress { version: Some("6.5.2".into()), layout });
    assert_eq!(found.missing, []);
    assert_eq!(account(&found), "shop|web|hunter2'\"");
    assert_eq!(database(&found).address, DatabaseAddress::Tcp("db.example".into(), 3307));
    assert_eq!(database(&found).table_prefix.as_deref(), Some("shop_"));
    assert_eq!(files(&found), tree.path("wp-content/uploads"));
    let Some(CodeSource::Folder { path, exclude }) = &found.settings.code else { panic!() };
    assert_eq!(*path, tree.path(""));
    assert!(exclude.contains(&"/wp-content/uploads/".to_owned()), "{exclude:?}");
    assert!(exclude.contains(&"/wp-content/cache/".to_owned()));
    let name = found.findings.iter().find(|finding| finding.label == "database name").unwrap();
    let spot = name.spot.as_ref().unwrap();
    assert_eq!((spot.file.clone(), spot.line), (tree.path("wp-config.php"), Some(11)));
    let password = found.findings.iter().find(|finding| finding.label == "database password").unwrap();
    assert_eq!(password.value, "********");
}

#[test]
fn settings_one_level_up_are_read_unless_they_are_another_sites() {
    let tree = Tree::new(&[
        ("public_html/wp-includes/version.php", VERSION.1),
        ("public_html/wp-content/uploads/", ""),
        ("wp-config.php", &config("")),
    ]);
    let found = tree.look("public_html");
    assert_eq!(account(&found), "shop|web|hunter2'\"");
    assert!(words(&found).contains("lies outside the site's folder"));
    assert_eq!(tree.look("").root, tree.path("public_html"));
    tree.add(&[("wp-settings.php", "<?php")]);
    assert!(words(&tree.look("public_html")).contains("not installed"));
}

#[test]
fn a_site_in_a_subfolder_has_its_content_where_it_says() {
    let tree = Tree::new(&[
        (
            "index.php",
            "<?php\ndefine( 'WP_USE_THEMES', true );\nrequire __DIR__ . '/core/wp-blog-header.php';\n",
        ),
        ("core/wp-includes/version.php", VERSION.1),
        ("wp-config.php", &config("define('WP_CONTENT_DIR', dirname(__FILE__) . '/content');")),
        ("content/uploads/", ""),
    ]);
    let found = tree.look("");
    assert!(matches!(found.cms, Cms::WordPress { layout: WordPressLayout::Subfolder, .. }));
    assert_eq!(files(&found), tree.path("content/uploads"));
    assert_eq!(account(&found), "shop|web|hunter2'\"");
    assert_eq!(tree.look("core").root, tree.path(""));
}

#[test]
fn uploads_and_encryption_are_where_constants_say() {
    let tree = plain(
        "define('UPLOADS', 'wp-content/media'); define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_COMPRESS); define('WP_HOME', 'https://www.shop.example/');",
    );
    tree.add(&[("wp-content/media/", "")]);
    let found = tree.look("");
    assert_eq!(files(&found), tree.path("wp-content/media"));
    assert_eq!(database(&found).tls, TlsMode::Unverified);
}

#[test]
fn uploads_that_are_not_there_or_lead_elsewhere_are_told() {
    let tree = plain("");
    std::fs::remove_dir_all(tree.path("wp-content/uploads")).unwrap();
    assert!(words(&tree.look("")).contains("--files FOLDER"));
    tree.add(&[("shared/", "")]);
    std::os::unix::fs::symlink(tree.path("shared"), tree.path("wp-content/uploads")).unwrap();
    let found = tree.look("");
    assert_eq!(files(&found), tree.path("wp-content/uploads"));
    let folder = found.findings.iter().find(|finding| finding.label == "files folder").unwrap();
    assert!(folder.value.contains(tree.path("shared").to_str().unwrap()));
}

const DOCKER: &str = r#"<?php
if (!function_exists('getenv_docker')) {
	function getenv_docker($env, $default) {
		if ($fileEnv = getenv($env . '_FILE')) {
			return rtrim(file_get_contents($fileEnv), "\r\n");
		}
		else if (($val = getenv($env)) !== false) {
			return $val;
		}
		else {
			return $default;
		}
	}
}
define( 'DB_NAME', getenv_docker('WORDPRESS_DB_NAME', 'wordpress') );
define( 'DB_USER', getenv_docker('WORDPRESS_DB_USER', 'example username') );
define( 'DB_PASSWORD', getenv_docker('WORDPRESS_DB_PASSWORD', 'example password') );
define( 'DB_HOST', getenv_docker('WORDPRESS_DB_HOST', 'mysql') );
$table_prefix = getenv_docker('WORDPRESS_TABLE_PREFIX', 'wp_');
if (isset($_SERVER['HTTP_X_FORWARDED_PROTO']) && strpos($_SERVER['HTTP_X_FORWARDED_PROTO'], 'https') !== false) {
	$_SERVER['HTTPS'] = 'on';
}
if ($configExtra = getenv_docker('WORDPRESS_CONFIG_EXTRA', '')) {
	eval($configExtra);
}
require_once ABSPATH . 'wp-settings.php';
"#;

#[test]
fn the_settings_of_the_docker_image_need_its_variables() {
    let tree =
        Tree::new(&[VERSION, ("wp-config.php", DOCKER), ("wp-content/uploads/", ""), ("secret", "s3cret\n")]);
    let found = tree.look("");
    assert_eq!(found.settings.database, None);
    let words = words(&found);
    assert!(words.contains("WORDPRESS_DB_PASSWORD") && words.contains("wp-config.php:"), "{words}");
    let secret = tree.path("secret");
    let told = tree
        .try_look(
            "",
            &[
                ("WORDPRESS_DB_NAME", "shop"),
                ("WORDPRESS_DB_USER", "web"),
                ("WORDPRESS_DB_PASSWORD_FILE", secret.to_str().unwrap()),
            ],
        )
        .unwrap();
    shows_no_password(&told);
    assert_eq!(account(&told), "shop|web|s3cret");
    assert_eq!(database(&told).address, DatabaseAddress::Tcp("mysql".into(), 3306));
}

const BEDROCK: &str = r#"<?php
use Roots\WPConfig\Config;
use function Env\env;
$root_dir = dirname(__DIR__);
$webroot_dir = $root_dir . '/web';
if (file_exists($root_dir . '/.env')) {
    $env_files = file_exists($root_dir . '/.env.local') ? ['.env', '.env.local'] : ['.env'];
    $repository = Dotenv\Repository\RepositoryBuilder::createWithNoAdapters()->immutable()->make();
    $dotenv = Dotenv\Dotenv::create($repository, $root_dir, $env_files, false);
    $dotenv->load();
    if (!env('DATABASE_URL')) { $dotenv->required(['DB_NAME', 'DB_USER', 'DB_PASSWORD']); }
}
define('WP_ENV', env('WP_ENV') ?: 'production');
Config::define('WP_HOME', env('WP_HOME'));
Config::define('CONTENT_DIR', '/app');
Config::define('WP_CONTENT_DIR', $webroot_dir . Config::get('CONTENT_DIR'));
if (env('DB_SSL')) { Config::define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL); }
Config::define('DB_NAME', env('DB_NAME'));
Config::define('DB_USER', env('DB_USER'));
Config::define('DB_PASSWORD', env('DB_PASSWORD'));
Config::define('DB_HOST', env('DB_HOST') ?: 'localhost');
$table_prefix = env('DB_PREFIX') ?: 'wp_';
if (env('DATABASE_URL')) {
    $dsn = (object) parse_url(env('DATABASE_URL'));
    Config::define('DB_NAME', substr($dsn->path, 1));
    Config::define('DB_USER', $dsn->user);
    Config::define('DB_PASSWORD', isset($dsn->pass) ? $dsn->pass : null);
    Config::define('DB_HOST', isset($dsn->port) ? "{$dsn->host}:{$dsn->port}" : $dsn->host);
}
$env_config = __DIR__ . '/environments/' . WP_ENV . '.php';
if (file_exists($env_config)) { require_once $env_config; }
Config::apply();
if (!defined('ABSPATH')) { define('ABSPATH', $webroot_dir . '/wp/'); }
"#;

fn bedrock(env: &str) -> Tree {
    Tree::new(&[
        ("config/application.php", BEDROCK),
        (
            "config/environments/staging.php",
            "<?php\nuse Roots\\WPConfig\\Config;\nConfig::define('DB_HOST', 'staging-db');\n",
        ),
        (
            "web/wp-config.php",
            "<?php\nrequire_once dirname(__DIR__) . '/vendor/autoload.php';\nrequire_once dirname(__DIR__) . '/config/application.php';\nrequire_once ABSPATH . 'wp-settings.php';\n",
        ),
        ("web/wp/wp-includes/version.php", VERSION.1),
        ("web/app/uploads/", ""),
        (".env", env),
    ])
}

#[test]
fn bedrock_is_read_from_its_env_files() {
    let tree = bedrock(
        "DB_NAME='shop'\n# DB_USER='old'\nDB_USER=web\nDB_PASSWORD=\"hunter2\"\nDB_SSL=true\nWP_HOME='https://shop.example'\n",
    );
    let found = tree.look("");
    assert!(matches!(found.cms, Cms::WordPress { layout: WordPressLayout::Bedrock, .. }));
    assert_eq!(account(&found), "shop|web|hunter2");
    assert_eq!(
        (&database(&found).address, database(&found).tls),
        (&DatabaseAddress::Localhost, TlsMode::Unverified)
    );
    assert_eq!(database(&found).table_prefix.as_deref(), Some("wp_"));
    assert_eq!((files(&found), &found.docroot), (tree.path("web/app/uploads").as_path(), &tree.path("web")));
    tree.add(&[(".env.local", "DB_PASSWORD=s3cret\nWP_ENV=staging\n"), (".env.production", "DB_NAME=no\n")]);
    for folder in ["", "web", "web/wp", "web/app"] {
        let found = tree.look(folder);
        assert_eq!((account(&found).as_str(), &found.root), ("shop|web|s3cret", &tree.path("")), "{folder}");
        assert_eq!(database(&found).address, DatabaseAddress::Tcp("staging-db".into(), 3306));
        assert!(words(&found).contains(".env.production"));
    }
}

#[test]
fn bedrock_takes_a_database_url_too() {
    let tree = bedrock("DATABASE_URL=mysql://web:hunter2@db:3307/shop\n");
    let found = tree.look("");
    assert_eq!(account(&found), "shop|web|hunter2");
    assert_eq!(database(&found).address, DatabaseAddress::Tcp("db".into(), 3307));
}

#[test]
fn settings_that_hang_on_the_host_are_missing_with_their_place() {
    let code = "<?php\nif ($_SERVER['HTTP_HOST'] === 'dev.example') {\n  define('DB_NAME', 'dev');\n} else {\n  define('DB_NAME', 'live');\n}\n\
                define('DB_USER', 'web');\ndefine('DB_PASSWORD', 'hunter2');\ndefine('DB_HOST', 'localhost');\n$table_prefix = 'wp_';\n";
    let tree = Tree::new(&[VERSION, ("wp-config.php", code), ("wp-content/uploads/", "")]);
    let found = tree.look("");
    assert_eq!(found.settings.database, None);
    let all = words(&found);
    assert!(
        all.contains("HTTP_HOST") && all.contains("wp-config.php:") && all.contains("--database"),
        "{all}"
    );
    let told = tree.try_look("", &[("HTTP_HOST", "shop.example")]).unwrap();
    assert_eq!(account(&told), "live|web|hunter2");
}

#[test]
fn drop_ins_and_networks_are_told() {
    let tree = plain("define('WP_ALLOW_MULTISITE', true); define('MULTISITE', true);");
    tree.add(&[("wp-content/db.php", "<?php // HyperDB\n")]);
    let found = tree.look("");
    assert!(words(&found).contains("HyperDB") && words(&found).contains("network"));
    tree.add(&[("wp-content/db.php", "<?php define('SQLITE_DB_DROPIN_VERSION', '1');")]);
    let found = tree.look("");
    assert_eq!(found.settings.database, None);
    assert!(words(&found).contains("SQLite"));
}

#[test]
fn a_sample_is_no_database() {
    let code = "<?php define('DB_NAME', 'database_name_here'); define('DB_USER', 'username_here'); define('DB_PASSWORD', 'p'); define('DB_HOST', 'localhost');";
    let tree = Tree::new(&[VERSION, ("wp-config.php", code), ("wp-content/uploads/", "")]);
    let found = tree.look("");
    assert!(found.settings.database.is_none() && words(&found).contains("sample"));
}

#[test]
fn marks_returns_and_broken_lines_do_not_mislead() {
    let crlf = format!("\u{feff}{}", config("").replace('\n', "\r\n"));
    let tree = Tree::new(&[VERSION, ("wp-config.php", &crlf), ("wp-content/uploads/", "")]);
    assert_eq!(account(&tree.look("")), "shop|web|hunter2'\"");
    let broken = "<?php\ndefine('DB_NAME' 'shop');\ndefine('DB_USER', 'web');\ndefine('DB_PASSWORD', 'hunter2');\ndefine('DB_HOST', 'h');\n";
    tree.add(&[("wp-config.php", broken)]);
    let found = tree.look("");
    assert_eq!(found.settings.database, None);
    assert!(words(&found).contains("syntax error"), "{}", words(&found));
    tree.add(&[("wp-config.php", &"x".repeat(600 * 1024))]);
    assert!(words(&tree.look("")).contains("far larger"));
}

const DEBIAN: &str = r#"<?php
$debian_server = preg_replace('/:.*/', "", $_SERVER['HTTP_HOST']);
$debian_server = preg_replace("/[^a-zA-Z0-9.\-]/", "", $debian_server);
if (isset($_SERVER['WORDPRESS_CONFIG']) && preg_match("/^[a-zA-Z0-9-]+$/", $_SERVER['WORDPRESS_CONFIG'])) {
    $debian_file = 'ETC/config-'.$_SERVER['WORDPRESS_CONFIG'].'.php';
} else {
    $debian_file = 'ETC/config-'.strtolower($debian_server).'.php';
}
$debian_main_server = preg_replace("/^[^.]*\./", "", $debian_server);
$debian_main_file = 'ETC/config-'.strtolower($debian_main_server).'.php';
if (file_exists($debian_file)) {
    require_once($debian_file);
} elseif (file_exists($debian_main_file)) {
    require_once($debian_main_file);
} else {
    header("HTTP/1.0 404 Not Found");
    exit(1);
}
if (!defined('DB_HOST'))
    define('DB_HOST', 'localhost');
if (!defined('WP_CONTENT_DIR') && !defined('DONT_SET_WP_CONTENT_DIR'))
    define('WP_CONTENT_DIR', 'ETC/wp-content');
if (!isset($table_prefix)) {
    $table_prefix = 'wp_';
}
require_once(ABSPATH . 'wp-settings.php');
?>
"#;

#[test]
fn debians_package_has_settings_by_host() {
    let tree = Tree::new(&[("site/wp-includes/version.php", VERSION.1), ("etc/wp-content/uploads/", "")]);
    let etc = tree.path("etc").display().to_string();
    let one = "<?php\ndefine('DB_NAME', 'one');\ndefine('DB_USER', 'web');\ndefine('DB_PASSWORD', 'hunter2');\n?>\n";
    tree.add(&[("site/wp-config.php", &DEBIAN.replace("ETC", &etc)), ("etc/config-one.example.php", one)]);
    let found = tree.look("site");
    assert_eq!(account(&found), "one|web|hunter2");
    assert_eq!(database(&found).address, DatabaseAddress::Localhost);
    assert_eq!(files(&found), tree.path("etc/wp-content/uploads"));
    assert!(words(&found).contains("plugins and themes"));
    tree.add(&[("etc/config-two.example.php", &one.replace("'one'", "'two'"))]);
    let found = tree.look("site");
    assert!(found.settings.database.is_none(), "{:?}", found.findings);
    assert!(words(&found).contains("one.example, two.example"), "{}", words(&found));
    let told = tree.try_look("site", &[("HTTP_HOST", "www.two.example")]).unwrap();
    assert_eq!(account(&told), "two|web|hunter2");
}
