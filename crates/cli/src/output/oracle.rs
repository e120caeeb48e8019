//! PHP itself, where it is installed, to compare what it prints with what we print. For tests only.

use std::io::Write;
use std::process::{Command, Stdio};

use super::data::{Data, Key};

/// What a piece of PHP prints; `None` where there is no PHP.
pub(super) fn php(code: &str) -> Option<String> {
    let settings = ["-n", "-d", "precision=14", "-d", "serialize_precision=-1"];
    let mut child = Command::new("php")
        .args(settings)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let program = format!("<?php error_reporting(E_ALL); ini_set('display_errors', 'stderr'); {code}");
    child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "PHP says {complaint}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Data as a PHP expression.
pub(super) fn expression(data: &Data) -> String {
    match data {
        Data::Null => "null".to_owned(),
        Data::Bool(yes) => yes.to_string(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => format!("(float)'{number:e}'"),
        Data::Text(text) => literal(text),
        Data::Map(map) => {
            let cells = map.iter().map(|(key, value)| match key {
                Key::Int(number) => format!("{number} => {}", expression(value)),
                Key::Text(text) => format!("{} => {}", literal(text), expression(value)),
            });
            format!("[{}]", cells.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text as a PHP expression that spells no byte as itself.
pub(super) fn literal(text: &str) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("hex2bin('{hex}')")
}

/// Data of every kind that a format may meet, under keys of every kind.
pub(super) fn samples() -> Vec<Data> {
    let row = row();
    vec![
        map(vec![]),
        row.clone(),
        map(vec![("1795484697_backup_code", row.clone()), ("17", row.clone()), ("none", map(vec![]))]),
        map(vec![("0", row.clone()), ("1", row)]),
        map(vec![("1", Data::Int(1)), ("0", Data::Int(0))]),
        texts(),
    ]
}

/// A map from texts as keys.
pub(super) fn map(cells: Vec<(&str, Data)>) -> Data {
    Data::Map(cells.into_iter().map(|(key, value)| (Key::new(key), value)).collect())
}

/// Values of every kind.
fn row() -> Data {
    map(vec![
        ("file", Data::Text("my-site_dev_2026-11-24T01-44-57_UTC_code.tar.gz".to_owned())),
        ("date", Data::Float(1795484706.77)),
        ("size", Data::Int(-33_345_000)),
        ("whole", Data::Float(10.0)),
        ("great", Data::Float(1e25)),
        ("tiny", Data::Float(0.00001)),
        ("locked", Data::Bool(true)),
        ("open", Data::Bool(false)),
        ("expiry", Data::Null),
        ("it's \\ a \"key\"", Data::Text("x".to_owned())),
        ("12", Data::Text("number as a key".to_owned())),
    ])
}

/// Texts that some format has to escape.
fn texts() -> Data {
    let texts = [
        "",
        "plain",
        "two words",
        "a\\b'c\"d$e",
        "tab\tnew\nline\r",
        "naïve 世界 😀",
        "null\0byte",
        "</b>&amp;",
        "\u{7f}\u{1}\u{8}\u{c}\u{1b}",
        "\u{2028}",
        "\\\"",
        "007",
        "1e5",
    ];
    Data::Map(
        texts
            .into_iter()
            .map(|text| (Key::Text(format!("key of {text}")), Data::Text(text.to_owned())))
            .collect(),
    )
}
