//! Encrypted connections.

use std::path::{Path, PathBuf};
use std::process::Command;

use undercroft_model::TlsMode;
use undercroft_site::database::{DatabaseError, probe};
use undercroft_testkit::mariadb::{Options, Server};

use crate::support::target_of;

#[test]
fn certificates_are_checked_when_they_have_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    authority(&path("ca"), "Our own authority");
    authority(&path("other"), "Somebody else");
    certificate(&path("server"), &path("ca"));
    let option = |name: &str, file: PathBuf| format!("--{name}={}", file.display());
    let server = Server::start(
        Options::default()
            .with(&option("ssl-ca", path("ca.pem")))
            .with(&option("ssl-cert", path("server.pem")))
            .with(&option("ssl-key", path("server.key"))),
    );
    server.run_sql(
        "CREATE DATABASE shop; CREATE TABLE shop.t (a INT); CREATE USER u@'%' IDENTIFIED BY 'x' REQUIRE SSL; GRANT ALL ON shop.* TO u@'%'",
    );
    let with = |tls, ca: Option<&str>| {
        let mut target = target_of(&server, "shop", "u", "x");
        target.tls = tls;
        target.tls_ca = ca.map(path);
        probe(&target).map(|found| found.tables)
    };
    assert_eq!(with(TlsMode::Verify, Some("ca.pem")).unwrap(), 1);
    assert_eq!(with(TlsMode::Unverified, None).unwrap(), 1);
    for (tls, ca) in [(TlsMode::Verify, Some("other.pem")), (TlsMode::Verify, Some("nothing.pem"))] {
        assert!(matches!(with(tls, ca), Err(DatabaseError::Tls { .. })));
    }
    // The account insists on encryption.
    assert!(matches!(with(TlsMode::Off, None), Err(DatabaseError::Refused { code: 1045, .. })));
}

/// A certificate authority: `.pem` and `.key`.
fn authority(path: &Path, name: &str) {
    openssl(
        &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &format!("/CN={name}")],
        |command| {
            command
                .arg("-keyout")
                .arg(path.with_extension("key"))
                .arg("-out")
                .arg(path.with_extension("pem"));
        },
    );
}

/// A certificate for 127.0.0.1 by an authority: `.pem` and `.key`.
fn certificate(path: &Path, authority: &Path) {
    let names = path.with_extension("names");
    std::fs::write(&names, "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(&["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=the server"], |command| {
        command.arg("-keyout").arg(path.with_extension("key")).arg("-out").arg(path.with_extension("csr"));
    });
    openssl(&["x509", "-req", "-days", "2", "-set_serial", "1"], |command| {
        command.arg("-in").arg(path.with_extension("csr")).arg("-extfile").arg(&names);
        command
            .arg("-CA")
            .arg(authority.with_extension("pem"))
            .arg("-CAkey")
            .arg(authority.with_extension("key"));
        command.arg("-out").arg(path.with_extension("pem"));
    });
}

fn openssl(arguments: &[&str], files: impl FnOnce(&mut Command)) {
    let mut command = Command::new("openssl");
    command.args(arguments);
    files(&mut command);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
