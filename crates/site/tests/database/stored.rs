//! A dump in a vault is proven without a server.

use std::sync::Arc;

use undercroft_model::{Element, Silent};
use undercroft_site::database::{Snapshot, SqlCheck};
use undercroft_testkit::mariadb::{Options, Server, TRAPS};
use undercroft_vault::Vault;
use undercroft_vault::check::{ArchiveJob, Prover};
use undercroft_vault::keys::SecretKey;
use undercroft_vault::session::Session;
use undercroft_vault::store;
use undercroft_vault::text::TextWriter;
use uuid::Uuid;

use crate::support::{Witness, target};

#[test]
fn a_stored_dump_is_proven_statement_by_statement() {
    let server = Server::start(Options::default());
    server.run_sql("CREATE DATABASE traps COLLATE utf8mb4_unicode_ci");
    server.run_sql_in("traps", TRAPS);
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store::local(folder.path()).unwrap());
    let vault = Vault::open_or_create(store, Uuid::nil(), &SecretKey::generate().unwrap()).unwrap();

    let witness = Witness::default();
    let session = Session::begin(&vault).unwrap();
    let writer = TextWriter::new(&session, Element::Database, &Silent);
    let facts = Snapshot::open(&target(&server, "traps"), &witness).unwrap().dump(&writer, &witness).unwrap();
    let archive = writer.finish("traps.sql.gz").unwrap();
    session.finish().unwrap();

    let prover = Prover::new(&vault, Arc::new(vault.read_index().unwrap()));
    let job = ArchiveJob {
        backup: None,
        archive: &archive,
        element: Element::Database,
        text: Some(&SqlCheck),
        observer: &Silent,
    };
    let proof = prover.archive(&job).unwrap();
    assert!(proof.is_good(), "{proof:#?}");
    assert_eq!((proof.rows, proof.bytes), (facts.rows, archive.raw_len));
}
