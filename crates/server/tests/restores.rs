//! What restores are refused.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use common::{House, live};
use undercroft_model::api::RestoreParams;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_back_whole_where_parts_are_named() {
    let house = House::new().await;
    house.back_up(7).await;
    let names: Vec<_> = house.entries().await.into_iter().filter_map(|(_, entry)| entry.filename).collect();
    let dump =
        names[0].replace("_code.tar.gz", "_database.sql.gz").replace("_files.tar.gz", "_database.sql.gz");
    let parts = || vec!["part".to_owned()];
    let tables = RestoreParams { archives: names.clone(), tables: parts(), ..RestoreParams::default() };
    let paths = RestoreParams {
        archives: [names.clone(), vec![dump]].concat(),
        paths: parts(),
        ..RestoreParams::default()
    };
    let undo = RestoreParams { undo: true, tables: parts(), ..RestoreParams::default() };
    for (params, why) in [(tables, "only tables"), (paths, "only files"), (undo, "An undoing")] {
        let refused = house.client.create_workflow(house.site, &live(), "restore", &params).await;
        let error = refused.err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
    }
}
