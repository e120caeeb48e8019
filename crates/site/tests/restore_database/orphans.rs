//! Rows that refer to a table which comes back without theirs.

use undercroft_site::database::restore::{Way, plan};

use crate::support::{Dump, ID, Told, order, restore, server, target};

#[test]
fn rows_that_refer_to_what_is_gone_are_told() {
    for way in [Way::Switch, Way::InPlace] {
        let server = server();
        server.run_sql(
            "CREATE DATABASE shop; USE shop; CREATE TABLE p (id INT, `a b` INT, PRIMARY KEY (id, `a b`)); INSERT INTO p VALUES (1, 1);
             CREATE TABLE c (one INT, two INT, CONSTRAINT `to p` FOREIGN KEY (one, two) REFERENCES p (id, `a b`));
             INSERT INTO c VALUES (1, 1), (NULL, 7); CREATE TABLE whole (one INT, two INT, CONSTRAINT w FOREIGN KEY (one, two)
             REFERENCES p (id, `a b`)); INSERT INTO whole VALUES (1, 1)",
        );
        let (target, told) = (target(&server, "shop"), Told::default());
        let dump = Dump::of(&target);
        server.run_sql("USE shop; INSERT INTO p VALUES (1, 2); INSERT INTO c VALUES (1, 2), (1, 2)");
        let order = order(&target, &dump, &told);
        let (p, c) = ("p".to_owned(), "c".to_owned());
        let notes = |only: &[String]| plan(&order, ID, Some(only), way).unwrap().1.notes.join("\n");
        let warned = notes(std::slice::from_ref(&p));
        assert!(warned.contains("the table c refers to p (foreign key to p)"), "{warned}");
        assert!(
            !notes(&[p.clone(), c.clone()]).contains("table c")
                && !notes(std::slice::from_ref(&c)).contains("refers")
        );
        restore(&order, Some(std::slice::from_ref(&p)), way).unwrap();
        let expected = "c: 2 of its rows refer to rows of p that are not there any more (foreign key to p): --table=c as \
                        well brings them together";
        assert_eq!(told.all(), expected);
        restore(&order, Some(&[p, c]), way).unwrap();
        assert_eq!(told.all(), expected);
    }
}
