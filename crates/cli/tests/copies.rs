//! What `store:copy` says when all is not well, and that it fails then.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod common;

use std::fs;

use common::{Bench, add_small_site, sh};

#[test]
fn a_copy_tells_what_was_lost_and_what_failed_and_does_the_rest() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.back_up("shop.live");
    bench.back_up("shop.live");
    let to = bench.path("disk/copy");
    let copy = ["store:copy".to_owned(), to.display().to_string()];
    bench.ok(&copy);
    let id = bench.ok(["site:info", "shop", "--field=id"]).trim().to_owned();
    let vault = bench.data().join("store/vaults").join(&id);

    let record = fs::read_dir(vault.join("records")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    let told = bench.fails(&copy);
    assert!(told.contains("nothing was removed from the copy") && told.contains("lacks 1 of its"), "{told}");
    assert!(told.contains("--however-much"), "{told}");
    let kept = to.join("vaults").join(&id).join("records").join(record.file_name().unwrap());
    assert!(fs::read(&kept).unwrap() == bytes);
    fs::write(&record, bytes).unwrap();

    sh(&format!("mv {0}/packs {0}/were && mkdir {0}/packs", vault.display()));
    let told = bench.fails([&copy[..], &["--however-much".to_owned()]].concat());
    assert!(told.contains("has lost") && told.contains("the copy has"), "{told}");
    sh(&format!("rmdir {0}/packs && mv {0}/were {0}/packs", vault.display()));
    bench.ok(&copy);

    // The keys of the copy are another vault's: nothing of it is touched, and the other site's is copied.
    let blog = bench.path("blog");
    sh(&format!("mkdir -p {0}/uploads && echo hi > {0}/uploads/a.txt", blog.display()));
    let uploads = format!("--files={}/uploads", blog.display());
    let folder = blog.display().to_string();
    bench.ok(["site:add", &folder, "--name=blog", &uploads, "--no-code", "--no-database"]);
    bench.back_up("blog.live");
    let there = to.join("vaults").join(&id);
    sh(&format!("cd {} && rm -r packs && for key in keys/*; do echo other > $key; done", there.display()));
    let told = bench.fails(&copy);
    assert!(
        told.contains(&format!("vault {id} is not copied")) && told.contains("keys of its own"),
        "{told}"
    );
    let blog = bench.ok(["site:info", "blog", "--field=id"]).trim().to_owned();
    assert!(to.join("vaults").join(blog).join("config").exists());
}

#[test]
fn the_store_is_not_copied_onto_itself_by_whatever_path() {
    let bench = Bench::new();
    add_small_site(&bench);
    bench.back_up("shop.live");
    let (copy, key) = (bench.path("disk/copy").display().to_string(), bench.path("key"));
    bench.ok(["store:copy", &copy]);
    fs::write(&key, bench.ok(["key:export"])).unwrap();
    fs::remove_dir_all(bench.data()).unwrap();
    bench.ok(["catalog:rebuild", &format!("--store={copy}"), &format!("--key={}", key.display())]);
    let beside = format!("{copy}/../copy");
    for to in [&copy, &beside] {
        let told = bench.fails(["store:copy", to]);
        assert!(told.contains("that is what is to be saved"), "{told}");
    }
}
