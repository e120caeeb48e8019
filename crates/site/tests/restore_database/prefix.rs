//! Another environment's tables, which may be called otherwise than this one's.

use undercroft_model::DatabaseTarget;
use undercroft_site::database::restore::{Order, RestoreError, Way, plan, stage};

use crate::support::{Dump, ID, Told, assert_nothing_left, order, restore, server, target};

#[test]
fn tables_that_the_site_would_not_find_are_refused() {
    let server = server();
    for (schema, prefix) in [("live", "wp_"), ("trial", "wt_")] {
        server.run_sql(&format!(
            "CREATE DATABASE {schema}; USE {schema}; CREATE TABLE {prefix}options (id INT); CREATE TABLE {prefix}posts (id INT);
             CREATE TABLE {prefix}2_options (id INT); CREATE TABLE {prefix}2_posts (id INT); CREATE TABLE wp_stray (id INT)"
        ));
    }
    let (dump, told) = (Dump::of(&target(&server, "live")), Told::default());
    let told_by = |prefix: Option<&str>| {
        let table_prefix = prefix.map(str::to_owned);
        DatabaseTarget { table_prefix, ..target(&server, "trial") }
    };
    for (target, said) in [
        (told_by(Some("wt_")), "as its settings file says"),
        (told_by(None), "as the tables do that are there"),
    ] {
        let order = Order { foreign: true, ..order(&target, &dump, &told) };
        for way in [Way::Switch, Way::InPlace] {
            let error = stage(&order, ID, None, way).unwrap_err();
            assert!(matches!(error, RestoreError::OtherPrefix { .. }), "{error:?}");
            let text = error.to_string();
            for part in ["\"wt_\"", "\"wp_\"", said, "?prefix=wp_", "--table"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(matches!(plan(&order, ID, None, way), Err(RestoreError::OtherPrefix { .. })));
        }
        // Whoever names tables knows what they are called; and what is one's own comes back as it was.
        stage(&order, ID, Some(&["wp_stray".to_owned()]), Way::Switch).unwrap();
        stage(&Order { foreign: false, ..order }, ID, None, Way::Switch).unwrap();
        stage(&Order { absent_is_removed: true, ..order }, ID, None, Way::Switch).unwrap();
    }
    // Said anew, as the error asks for.
    let target = told_by(Some("wp_"));
    restore(&Order { foreign: true, ..order(&target, &dump, &told) }, None, Way::Switch).unwrap();
    assert_eq!(server.query("SHOW TABLES FROM trial LIKE 'wp%posts'"), "wp_2_posts\nwp_posts\n");
    assert_nothing_left(&server);
}
