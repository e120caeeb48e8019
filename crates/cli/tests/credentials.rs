//! One environment's code comes from another's backup, and its secrets do not, wherever the settings keep them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Bench, sh};

fn put(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// Two environments of a site: `live`, which is backed up, and `test`.
fn add(bench: &Bench) -> [PathBuf; 2] {
    let folders = ["live", "test"].map(|env| bench.path(env));
    for (folder, env) in folders.iter().zip(["live", "test"]) {
        bench.ok(["site:add", &folder.display().to_string(), "--name=shop", &format!("--env={env}")]);
    }
    bench.ok(["backup:create", "shop.live", "--element=code"]);
    folders
}

/// The dry run and the restore both name what they hold back.
fn take_code_of_live(bench: &Bench, held_back: &[&str]) {
    const TOLD: &str = "is not restored: it may hold";
    for how in ["--dry-run", "--yes"] {
        let ran = bench.run(["backup:restore", "shop.test", "--from=shop.live", "--element=code", how]);
        assert!(ran.0.status.success(), "{}", ran.err());
        let said = format!("{}{}", ran.out(), ran.err());
        for path in held_back {
            let told = said.lines().filter(|line| line.contains(path) && line.contains(TOLD)).count();
            assert_eq!(told, 1, "{how} {path}: {said}");
        }
        assert_eq!(said.matches(TOLD).count(), held_back.len(), "{said}");
    }
}

#[test]
fn what_another_environments_settings_include_stays_there() {
    let bench = Bench::new();
    let config = "<?php if (file_exists(__DIR__ . '/conf/secret.php')) require __DIR__ . '/conf/secret.php';
        define('DB_NAME', 'x');";
    for env in ["live", "test"] {
        put(
            &bench.path(env),
            &[("wp-includes/version.php", "<?php $wp_version = '6.5';"), ("wp-config.php", config)],
        );
    }
    put(
        &bench.path("live"),
        &[
            // The test's knows nothing of the deeper ones.
            (
                "wp-config.php",
                "<?php require __DIR__ . '/conf/secret.php'; require __DIR__ . '/keys/../own.php';",
            ),
            ("conf/secret.php", "<?php define('STRIPE', 'sk_live_1'); @include __DIR__ . '/deeper.inc';"),
            ("conf/deeper.inc", "<?php define('MAIL', 'hunter2');"),
            ("conf/index.php", "<?php // code"),
            ("keys/x", "code"),
            ("own.php", "<?php define('SALT', 'hunter2');"),
            ("wp-config.php.bak", "<?php define('DB_PASSWORD', 'hunter2');"),
            ("auth.json", "{}"),
            ("wp-config-sample.php", "<?php // a template"),
        ],
    );
    let [live, test] = add(&bench);
    let held = ["auth.json", "conf/deeper.inc", "conf/secret.php", "own.php", "wp-config.php.bak"];
    take_code_of_live(&bench, &held);
    for name in held {
        assert!(!test.join(name).exists(), "{name}");
    }
    assert!(test.join("conf/index.php").exists() && test.join("wp-config-sample.php").exists());
    assert_eq!(fs::read_to_string(test.join("wp-config.php")).unwrap(), config);
    // What is the environment's own does come back.
    fs::remove_file(live.join("conf/secret.php")).unwrap();
    bench.ok(["backup:restore", "shop.live", "--element=code", "--yes"]);
    assert!(live.join("conf/secret.php").exists());
}

#[test]
fn what_the_settings_of_code_in_git_include_stays_there_too() {
    const GIT: &str = "git -c user.name=Ada -c user.email=ada@shop.example";
    let bench = Bench::new();
    let [live, test] = ["live", "test"].map(|env| bench.path(env));
    put(
        &live,
        &[
            (".gitignore", "/web/core/\n"),
            ("composer.json", "{}"),
            ("auth.json", "{}"),
            ("web/index.php", "<?php"),
            ("web/core/lib/Drupal.php", "<?php\nclass Drupal {\n  const VERSION = '10.2.6';\n}\n"),
            ("web/sites/default/settings.php", "<?php require __DIR__ . '/../../../private/secrets.php';"),
            ("web/sites/default/settings.php.bak", "<?php // hunter2"),
            ("private/secrets.php", "<?php $databases['default']['default'] = ['password' => 'hunter2'];"),
            ("private/readme", "code"),
        ],
    );
    sh(&format!(
        "cd {live} && git init -q -b main . && git add -A && {GIT} commit -qm 'All' && cp -a {live} {test} && cd {test}
         git rm -q auth.json private/secrets.php web/sites/default/settings.php.bak
         {GIT} commit -qm 'Not here' && echo '<?php // eval' > web/index.php",
        live = live.display(),
        test = test.display()
    ));
    add(&bench);
    let held = ["auth.json", "private/secrets.php", "web/sites/default/settings.php.bak"];
    take_code_of_live(&bench, &held);
    for name in held {
        assert!(!test.join(name).exists(), "{name}");
    }
    assert_eq!(fs::read_to_string(test.join("web/index.php")).unwrap(), "<?php");
    // What only the settings of the other one include is held back too.
    fs::write(test.join("web/sites/default/settings.php"), "<?php").unwrap();
    take_code_of_live(&bench, &held);
    assert!(!test.join("private/secrets.php").exists());
}
