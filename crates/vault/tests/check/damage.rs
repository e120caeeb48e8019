//! Every damage in every kind of object.

use super::*;

fn prove_text(vault: &Vault, archive: &ArchiveRecord) -> (Prover, ArchiveProof) {
    let (prover, mut proofs) = prove(vault, &[archive]);
    (prover, proofs.remove(0))
}

/// Damage of every kind in every kind of object: it is found, the object is named, and what is not hit is as it was.
#[test]
fn every_damage_in_every_object_is_found_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let mut tree = Tree::new();
    tree.file("a/shared.jpg", noise(1, 80_000));
    tree.file("a/page.html", text(2, 30_000));
    let backup = |id: Uuid, tree: &Tree, last: Option<&ArchiveRecord>| {
        let (files, ..) = backup_tree(&vault, tree, last).unwrap();
        let (database, _) = backup_text(&vault, &[("t".into(), text(id.as_u128() as u64, 9_000))]).unwrap();
        vault.write_record(id, &record(&[&files, &database])).unwrap();
        files
    };
    let files = backup(OLD, &tree, None);
    let first: BTreeSet<PathBuf> =
        ["packs", "index"].iter().flat_map(|kind| objects(folder.path(), kind)).collect();
    tree.file("b/new.jpg", noise(3, 80_000));
    backup(NEW, &tree, Some(&files));
    let archives: Vec<(Uuid, ArchiveRecord, Vec<u8>)> = [OLD, NEW]
        .into_iter()
        .flat_map(|id| vault.read_record(id).unwrap().archives.into_iter().map(move |archive| (id, archive)))
        .map(|(id, archive)| (id, archive.clone(), download(&vault, &archive).unwrap()))
        .collect();

    let mut cases = 0;
    for kind in ["packs", "index", "records", "keys", "config"] {
        let paths = match kind {
            "config" => vec![folder.path().join(format!("vaults/{SITE}/config"))],
            _ => objects(folder.path(), kind),
        };
        for (n, path) in paths.iter().enumerate() {
            let whole = fs::read(path).unwrap();
            let swap = paths.get(n + 1).or(paths.first()).filter(|other| *other != path);
            for (how, bytes) in damages(&whole, swap.map(|path| fs::read(path).unwrap())) {
                match &bytes {
                    Some(bytes) => fs::write(path, bytes).unwrap(),
                    None => fs::remove_file(path).unwrap(),
                }
                let proof = check(folder.path(), Depth::Content);
                let label = format!("{kind} {n}, {how}: {proof:#?}");
                expect_told(kind, path, &how, &proof, &label);
                // What only the newer backup needs does not hit the older one.
                let hits: Vec<_> = proof.problems.list.iter().flat_map(|problem| &problem.hits).collect();
                let hit_old = hits.iter().any(|hit| hit.backup == Some(OLD));
                assert!(kind != "packs" || first.contains(path) || !hit_old, "{label}");
                // An archive reads byte for byte if and only if it is not hit.
                for (backup, archive, bytes) in archives.iter().filter(|_| kind == "packs" || kind == "index")
                {
                    let is_hit =
                        hits.iter().any(|hit| hit.backup == Some(*backup) && hit.archive == archive.name);
                    match download(&vault, archive) {
                        Ok(found) => assert!(found == *bytes && !is_hit, "{label}"),
                        Err(error) => assert!(is_hit, "{error}: {label}"),
                    }
                }
                fs::write(path, &whole).unwrap();
                cases += 1;
            }
        }
    }
    assert!(cases > 60, "{cases}");
    assert!(check(folder.path(), Depth::Content).is_clean());
}

pub fn damages(whole: &[u8], swapped: Option<Vec<u8>>) -> Vec<(String, Option<Vec<u8>>)> {
    let len = whole.len();
    let mut out = vec![
        ("missing".to_owned(), None),
        ("empty".to_owned(), Some(vec![])),
        ("cut short".to_owned(), Some(whole[..len - 1].to_vec())),
        ("cut in half".to_owned(), Some(whole[..len / 2].to_vec())),
    ];
    out.extend(swapped.map(|bytes| ("replaced by another".to_owned(), Some(bytes))));
    for at in [0, 9, 40, 110, len / 2, len - 20, len - 1] {
        if at < len {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 0x10;
            out.push((format!("bit flipped at {at} of {len}"), Some(bytes)));
        }
    }
    out
}

fn expect_told(kind: &str, path: &Path, how: &str, proof: &VaultProof, label: &str) {
    let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let count = if kind == "config" { 3 } else { 4 };
    let object = parts.split_off(parts.len() - count).join("/");
    let told = proof.problems.list.iter().any(|problem| problem.object.as_deref() == Some(&*object));
    // What is gone and derived, or gone with its backup, can't be missed.
    let gone = how == "missing" && matches!(kind, "index" | "records");
    assert!(told || gone || proof.notes.iter().any(|note| note.contains(&object)), "{label}");
    // Text that still says the same is no damage.
    let harmless = kind == "config" && !proof.problems.is_empty();
    let hits = proof.problems.list.iter().map(|problem| problem.hits.len()).sum::<usize>();
    match kind {
        "index" => assert_eq!(hits, 0, "{label}"),
        "records" => assert!(gone || hits == 1, "{label}"),
        "keys" => assert_eq!(hits, 2, "{label}"),
        "config" => assert!(harmless && hits == 0, "{label}"),
        _ => {}
    }
}

/// A damaged mark may have said that its backup is to be kept.
#[test]
fn every_damage_in_a_mark_is_told_with_its_backup() {
    let keeping = keeping();
    let folder = keeping.folder.path();
    let mut small = Tree::new();
    small.file("a.txt", noise(1, 70_000));
    for id in 1..3 {
        keeping.backup(id, 1, 100, &small);
    }
    keeping.mark(1, &kept(1, None)).unwrap();
    keeping.mark(2, &trashed(1)).unwrap();
    assert!(check(folder, Depth::Content).is_clean());
    let path = objects(folder, &format!("marks/{OLD}")).remove(0);
    let other = objects(folder, &format!("marks/{NEW}")).remove(0);
    let whole = fs::read(&path).unwrap();
    for (how, bytes) in damages(&whole, Some(fs::read(other).unwrap())) {
        // One that is gone is missed by nobody.
        let Some(bytes) = bytes else { continue };
        fs::write(&path, bytes).unwrap();
        for depth in [Depth::Lists, Depth::Content] {
            let proof = check(folder, depth);
            assert_eq!(proof.problems.total, 1, "{how}: {proof:#?}");
            let problem = &proof.problems.list[0];
            assert!(
                problem.object.as_ref().unwrap().contains(&format!("marks/{OLD}/")),
                "{how}: {problem:?}"
            );
            assert!(problem.text.contains("backup:keep"), "{how}: {problem:?}");
            assert_eq!((problem.hits.len(), problem.hits[0].backup), (1, Some(OLD)), "{how}: {problem:?}");
        }
    }
}

/// Texts are looked at by the one who knows them, whole sections once.
#[test]
fn sections_are_handed_to_the_one_who_knows_them() {
    struct Rows;
    struct Section(u64, u64);
    impl TextCheck for Rows {
        fn section(&self, _: &SectionLabel, rows: Option<u64>) -> Box<dyn SectionCheck + '_> {
            Box::new(Section(0, rows.unwrap_or(0)))
        }
        fn order(&self, labels: &[SectionLabel]) -> Vec<String> {
            if labels.len() == 2 { vec![] } else { vec![format!("{} sections", labels.len())] }
        }
    }
    impl SectionCheck for Section {
        fn text(&mut self, text: &[u8]) {
            self.0 += text.len() as u64;
        }
        fn end(self: Box<Self>) -> Vec<String> {
            if self.1 == 1 { vec![format!("{} bytes", self.0)] } else { vec![] }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let sections =
        |count: usize| (0..count).map(|n| (format!("t{n}"), text(n as u64, 400_000))).collect::<Vec<_>>();
    let (two, _) = backup_text(&vault, &sections(2)).unwrap();
    let (three, _) = backup_text(&vault, &sections(3)).unwrap();
    let prover = Prover::new(&vault, Arc::new(vault.read_index().unwrap()));
    let prove = |archive| {
        let element = Element::Database;
        let job = ArchiveJob { backup: None, archive, element, text: Some(&Rows), observer: &Silent };
        prover.archive(&job).unwrap()
    };
    let first = prove(&two);
    assert_eq!(first.problems.list[0].to_string(), "400000 bytes; hit: database.sql.gz: t1");
    assert_eq!((first.problems.total, first.parts, first.rows), (1, 2, 1));
    let second = prove(&three);
    let told: Vec<_> = second.problems.list.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["3 sections; hit: database.sql.gz", "400000 bytes; hit: database.sql.gz: t1"]);
    assert_eq!((second.shared, second.bytes), (400_000, 800_000), "what was found sound is not read again");

    // A damaged piece is told by table, and the text around it is not held against it.
    for pack in objects(folder.path(), "packs").into_iter().filter(|path| !is_meta(path)) {
        flip(&pack, 300);
    }
    let (prover, proofs) = prove_text(&vault, &two);
    assert_eq!(proofs.problems.list[0].hits[0].subjects.len(), 1);
    assert!(proofs.problems.list[0].text.contains("damaged") && !prover.damaged().is_empty());
}
