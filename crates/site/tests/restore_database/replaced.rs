//! Texts that are replaced on the way, and values that a column does not take as they are.

use undercroft_site::database::restore::{Order, RestoreError, Way, clean_up, prepare, stage};
use undercroft_site::replace::SearchReplace;

use crate::support::{Dump, ID, Told, assert_nothing_left, order, restore, server, target};

#[test]
fn a_text_that_becomes_too_long_is_refused_and_not_cut() {
    let server = server();
    server.run_sql(
        "CREATE DATABASE shop; USE shop; SET sql_mode = '';
         CREATE TABLE o (id INT PRIMARY KEY, u VARCHAR(40), choice ENUM('x'), n TINYINT, day DATE);
         INSERT INTO o VALUES (1, 'http://old.example/shop/page/12345', '', 7, '0000-00-00')",
    );
    let (target, told) = (target(&server, "shop"), Told::default());
    let dump = Dump::of(&target);
    let replaced =
        |by: &str| SearchReplace::new(&[("http://old.example".to_owned(), by.to_owned())]).unwrap();
    let replace = replaced("https://www.a-much-longer.example");
    let order_longer = Order { rewrite: Some(&replace), ..order(&target, &dump, &told) };
    let staged = stage(&order_longer, ID, None, Way::Switch).unwrap();
    let error = prepare(&staged, &order_longer).unwrap_err();
    assert!(
        matches!(&error, RestoreError::TooLong { table, column } if table == "o" && column == "u"),
        "{error}"
    );
    clean_up(&staged, &order_longer).unwrap();
    assert_nothing_left(&server);
    assert_eq!(server.query("SELECT u FROM shop.o"), "http://old.example/shop/page/12345\n");

    // What fits is replaced, and what was odd before is no matter.
    let replace = replaced("https://new.example");
    restore(&Order { rewrite: Some(&replace), ..order(&target, &dump, &told) }, None, Way::Switch).unwrap();
    assert_eq!(server.query("SELECT u, choice FROM shop.o"), "https://new.example/shop/page/12345\t\n");
}

#[test]
fn values_that_another_server_cuts_are_told() {
    let server = server();
    server.run_sql("CREATE DATABASE shop");
    let (target, told) = (target(&server, "shop"), Told::default());
    let dump = Dump::foreign(
        b"CREATE TABLE `t` (`a` varchar(3), `n` tinyint, `b` int);\nINSERT INTO `t` VALUES ('long', 300, 1);\n".to_vec(),
    );
    restore(&order(&target, &dump, &told), None, Way::Switch).unwrap();
    let told = told.all();
    assert!(told.contains("t: the server did not take every value of the column a"), "{told}");
    assert!(told.contains("of the column n") && !told.contains("of the column b"), "{told}");
}
