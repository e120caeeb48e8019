//! Keys that are made when the rows are in: the tables come out as they were, whatever is made when.

use std::collections::BTreeSet;
use std::sync::Mutex;

use undercroft_site::database::restore::{RestoreError, Way, clean_up, prepare, stage};

use crate::support::{Dump, ID, Told, assert_is, assert_nothing_left, order, restore, server, target};

/// Tables as WordPress, WooCommerce and Drupal make them, and such whose keys have to be there from the first row.
const TABLES: &str = "
    CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE shop;
    CREATE TABLE wp_posts (ID bigint(20) unsigned NOT NULL AUTO_INCREMENT, post_author bigint(20) unsigned NOT NULL
      DEFAULT 0, post_date datetime NOT NULL DEFAULT '0000-00-00 00:00:00', post_content longtext NOT NULL, post_status
      varchar(20) NOT NULL DEFAULT 'publish', post_name varchar(200) NOT NULL DEFAULT '', post_type varchar(20) NOT NULL
      DEFAULT 'post', PRIMARY KEY (ID), KEY post_name (post_name(191)), KEY type_status_date
      (post_type, post_status, post_date, ID), KEY post_author (post_author)) AUTO_INCREMENT=977;
    CREATE TABLE wp_options (option_id bigint(20) unsigned NOT NULL AUTO_INCREMENT, option_name varchar(191) NOT NULL
      DEFAULT '', option_value longtext NOT NULL, autoload varchar(20) NOT NULL DEFAULT 'yes', PRIMARY KEY (option_id),
      UNIQUE KEY option_name (option_name), KEY autoload (autoload));
    CREATE TABLE wp_wc_orders_meta (id bigint(20) unsigned NOT NULL AUTO_INCREMENT, order_id bigint(20) unsigned DEFAULT
      NULL, meta_key varchar(255) DEFAULT NULL, meta_value text DEFAULT NULL, PRIMARY KEY (id), KEY meta_key_value
      (meta_key(100), meta_value(82)), KEY order_id_meta_key_meta_value (order_id, meta_key(100), meta_value(82)));
    CREATE TABLE node_field_data (nid int(10) unsigned NOT NULL, vid int(10) unsigned NOT NULL, type varchar(32) CHARACTER
      SET ascii COLLATE ascii_general_ci NOT NULL COMMENT 'The ID, KEY (or AS), of the target', langcode varchar(12)
      CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL, title varchar(255) NOT NULL, created int(11) NOT NULL,
      PRIMARY KEY (nid, langcode), KEY node__id__default_langcode__langcode (nid, langcode), KEY node__vid (vid), KEY
      node_field__type__target_id (type), KEY node_field__created (created), KEY node__title_type (title(191), type(4)))
      ROW_FORMAT=DYNAMIC COMMENT='The data table for node entities, (KEY `x`).';
    CREATE TABLE cache_page (cid varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'Primary
      Key: Unique cache ID.', data longblob DEFAULT NULL, expire bigint(20) NOT NULL DEFAULT 0, created decimal(14,3) NOT
      NULL DEFAULT 0.000, tags longtext DEFAULT NULL, PRIMARY KEY (cid), KEY expire (expire), KEY created (created));
    CREATE TABLE watchdog (wid bigint(20) NOT NULL AUTO_INCREMENT, uid int(10) unsigned NOT NULL DEFAULT 0, type varchar(64)
      CHARACTER SET ascii NOT NULL DEFAULT '', severity tinyint(3) unsigned NOT NULL DEFAULT 0, PRIMARY KEY (wid), KEY type
      (type), KEY uid (uid), KEY severity (severity) COMMENT 'a, b)') ENGINE=InnoDB;
    CREATE TABLE mixed (a int NOT NULL, b varchar(9) DEFAULT NULL, c int NOT NULL, PRIMARY KEY (a), KEY b (b DESC, c), UNIQUE
      KEY c (c), UNIQUE KEY bc (b, c) USING BTREE, KEY again (c) USING BTREE);
    CREATE TABLE keyless (a int, b int, KEY b (b));
    CREATE TABLE whole_numbered (a int NOT NULL, n int NOT NULL AUTO_INCREMENT, PRIMARY KEY (a), KEY n (n)) AUTO_INCREMENT=9;
    CREATE TABLE whole_by_unique (a int NOT NULL, b int, UNIQUE KEY a (a), KEY b (b));
    CREATE TABLE whole_text (a int NOT NULL, t text, PRIMARY KEY (a), KEY a (a), FULLTEXT KEY t (t));
    CREATE TABLE whole_parted (a int NOT NULL, b int, PRIMARY KEY (a), KEY b (b)) PARTITION BY HASH (a) PARTITIONS 2;
    CREATE TABLE whole_versioned (a int NOT NULL, b int, PRIMARY KEY (a), KEY b (b)) WITH SYSTEM VERSIONING;
    CREATE TABLE whole_ignored (a int NOT NULL, b int, PRIMARY KEY (a), KEY b (b) IGNORED);
    CREATE TABLE whole_other (a int NOT NULL, b int, PRIMARY KEY (a), KEY b (b)) ENGINE=Aria;
    CREATE TABLE m_parent (id int NOT NULL, code varchar(9) NOT NULL, PRIMARY KEY (id), UNIQUE KEY code (code));
    CREATE TABLE a_child (id int NOT NULL, code varchar(9), PRIMARY KEY (id), KEY code (code), CONSTRAINT a_code FOREIGN KEY
      (code) REFERENCES m_parent (code) ON UPDATE CASCADE);
    CREATE TABLE z_child LIKE a_child;
    ALTER TABLE z_child ADD CONSTRAINT z_code FOREIGN KEY (code) REFERENCES m_parent (code) ON DELETE CASCADE;
    SET SESSION sql_mode='';
    INSERT INTO wp_posts (post_name, post_author, post_content) SELECT seq, seq % 7, REPEAT('x', seq) FROM seq_1_to_500;
    INSERT INTO wp_options (option_name, option_value) SELECT 1000 - seq, seq FROM seq_1_to_500;
    INSERT INTO node_field_data SELECT seq, 900 - seq, 'page', 'en', seq, seq FROM seq_1_to_300;
    INSERT INTO cache_page (cid, data) SELECT seq, seq FROM seq_1_to_100; INSERT INTO watchdog (uid) SELECT seq FROM seq_1_to_9;
    INSERT INTO mixed SELECT seq, NULL, 100 - seq FROM seq_1_to_50; INSERT INTO keyless VALUES (1, 2), (1, 2);
    INSERT INTO whole_numbered (a) VALUES (5), (4); INSERT INTO whole_by_unique VALUES (1, 1); INSERT INTO whole_text VALUES
      (1, 'some text');
    INSERT INTO whole_parted VALUES (1, 1); INSERT INTO whole_versioned VALUES (1, 1); INSERT INTO whole_other VALUES (1, 1);
    INSERT INTO m_parent VALUES (1, 'one'), (2, 'two'); INSERT INTO a_child VALUES (1, 'one'); INSERT INTO z_child VALUES (1, 'two');";

#[test]
fn tables_come_out_as_they_were_whatever_is_made_when() {
    comes_out(Way::Switch);
}

#[test]
fn tables_come_out_as_they_were_in_place_too() {
    comes_out(Way::InPlace);
}

fn comes_out(way: Way) {
    let server = server();
    server.run_sql(TABLES);
    let made = Mutex::new(BTreeSet::new());
    let dump = Dump::of(&target(&server, "shop"));
    server.run_sql("SET foreign_key_checks=0; DROP DATABASE shop; CREATE DATABASE shop");
    let (target, mut told) = (target(&server, "shop"), Told::default());
    told.hook = Some(Box::new(|what| {
        let table = what.strip_prefix("making the keys of the table ");
        made.lock().unwrap().extend(table.map(str::to_owned));
    }));
    restore(&order(&target, &dump, &told), None, way).unwrap();
    assert_is(&server, "shop", &dump);
    let late = [
        "cache_page",
        "keyless",
        "m_parent",
        "mixed",
        "node_field_data",
        "watchdog",
        "wp_options",
        "wp_posts",
        "wp_wc_orders_meta",
    ];
    assert_eq!(made.lock().unwrap().iter().map(String::as_str).collect::<Vec<_>>(), late);
    // A key that other tables refer to holds them together, though it was made after they were.
    let works = "UPDATE shop.m_parent SET code = 'eins' WHERE id = 1; DELETE FROM shop.m_parent WHERE id = 2;
                 INSERT INTO shop.a_child VALUES (2, 'eins');
                 SELECT GROUP_CONCAT(code), (SELECT COUNT(*) FROM shop.z_child) FROM shop.a_child";
    assert_eq!(server.query(works), "eins,eins\t0\n");
    for table in ["a_child", "z_child"] {
        let insert = format!("INSERT INTO shop.{table} VALUES (9, 'none')");
        let output = server.client().args(["--execute", &insert]).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains("1452"), "{output:?}");
    }
}

#[test]
fn rows_that_break_a_key_end_the_load_without_being_told() {
    let server = server();
    server.run_sql(
        "CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9), UNIQUE KEY b (b));
                    INSERT INTO t VALUES (1, 'secret'), (2, 'other')",
    );
    let (target, told) = (target(&server, "shop"), Told::default());
    let mut dump = Dump::of(&target);
    let text = String::from_utf8(dump.table("t").clone()).unwrap().replace("'other'", "'secret'");
    *dump.table("t") = text.into_bytes();
    let order = order(&target, &dump, &told);
    let staged = stage(&order, ID, None, Way::Switch).unwrap();
    let error = prepare(&staged, &order).unwrap_err();
    assert!(matches!(&error, RestoreError::Refused { code: 1062, .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    clean_up(&staged, &order).unwrap();
    assert_nothing_left(&server);
}
