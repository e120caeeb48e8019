//! PHP itself as the oracle: what it reads of a replaced value is its own value with the strings replaced.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

/// Makes values by programs that are given one a line, or replaces in values that it reads. Values cross as
/// hexadecimal digits.
const HARNESS: &str = r#"<?php
class Box { public $a; protected $b; private $c; function __construct($a, $b, $c) { $this->a = $a; $this->b = $b; $this->c = $c; } }
class Old implements Serializable { public $v; function __construct($v) { $this->v = $v; }
  function serialize() { return serialize($this->v); } function unserialize($t) { $this->v = unserialize($t); } }
enum Suit { case Hearts; }
function swap($v, $old, $new) {
  if (is_string($v)) { $in = @unserialize($v); return $in !== false && $v !== 'b:0;' && preg_match('/^[aOCEs]:/', $v) ? serialize(swap($in, $old, $new)) : str_replace($old, $new, $v); }
  if (is_array($v)) { foreach ($v as $k => $e) $v[$k] = swap($e, $old, $new); return $v; }
  if ($v instanceof Box) return (function () use ($old, $new) { return new Box(swap($this->a, $old, $new), swap($this->b, $old, $new), swap($this->c, $old, $new)); })->call($v);
  if ($v instanceof Old) return new Old(swap($v->v, $old, $new));
  if ($v instanceof stdClass) { foreach ($v as $k => $e) $v->$k = swap($e, $old, $new); return $v; }
  return $v;
}
error_reporting(E_ALL & ~E_DEPRECATED);
[, $do, $old, $new] = $argv;
while (($line = fgets(STDIN)) !== false) {
  $line = trim($line);
  if ($do === 'make') { $v = eval("return $line;"); echo bin2hex(serialize($v)), ' ', bin2hex(serialize(swap($v, $old, $new))), "\n"; }
  else { $t = hex2bin($line); $v = unserialize($t); echo $v === false ? 'broken' : bin2hex(serialize($v)), "\n"; }
}
"#;

fn php(args: [&str; 3], input: String) -> Vec<String> {
    let mut child = Command::new("php")
        .args(["-d", "display_errors=stderr", "-r", HARNESS.trim_start_matches("<?php"), "--"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A PHP expression that makes a value with the text in it here and there.
fn expression(old: &'static str) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(old.to_owned()),
        Just("é😀".to_owned()),
        Just("\\0".to_owned()),
        Just("\\\";".to_owned()),
        Just("x s:3:\\\"".to_owned()),
        "[a-z {}:;]{0,6}",
    ];
    let text = prop::collection::vec(piece, 0..4).prop_map(|parts| format!("\"{}\"", parts.join(" ")));
    let leaf = prop_oneof![
        4 => text,
        1 => Just("null".to_owned()),
        1 => any::<bool>().prop_map(|b| b.to_string()),
        1 => any::<i32>().prop_map(|i| i.to_string()),
        1 => prop_oneof![Just("1.5e300"), Just("-INF"), Just("0.1")].prop_map(str::to_owned),
        1 => Just("Suit::Hearts".to_owned()),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|all| format!("[{}]", all.join(","))),
            (inner.clone(), inner.clone()).prop_map(move |(a, b)| format!("['{old}' => {a}, -7 => {b}]")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("new Box({a}, {b}, {c})")),
            inner.clone().prop_map(|a| format!("(object) ['p' => {a}]")),
            inner.clone().prop_map(|a| format!("new Old({a})")),
            inner.clone().prop_map(|a| format!(
                "(function () {{ $a = [{a}]; $a[1] = &$a[0]; $a[2] = 3; return $a; }})()"
            )),
            inner.prop_map(|a| format!("serialize([{a}])")),
        ]
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn php_reads_what_was_replaced() {
    let texts = [
        ("http://old.example", "http://new.example"),
        ("http://old.example", "https://a-longer.example/shop"),
        ("http://old.example", "http://é.fr"),
        ("http://bücher.example", "x"),
        ("Old Name", ""),
    ];
    let mut runner = TestRunner::deterministic();
    for (old, new) in texts {
        let strategy = expression(old);
        let mut programs = String::new();
        for _ in 0..300 {
            writeln!(programs, "{}", strategy.new_tree(&mut runner).unwrap().current()).unwrap();
        }
        let made = php(["make", old, new], programs.clone());
        assert_eq!(made.len(), 300);
        let search = SearchReplace::new(&[(old.to_owned(), new.to_owned())]).unwrap();
        let (mut got, mut expected) = (String::new(), Vec::new());
        for line in &made {
            let (before, after) = line.split_once(' ').unwrap();
            let mut sql = format!("INSERT INTO `t` VALUES (0x{before});").into_bytes();
            search.rewrite("t", &mut sql).unwrap();
            let sql = String::from_utf8(sql).unwrap();
            let digits = sql.strip_prefix("INSERT INTO `t` VALUES (0x").unwrap().strip_suffix(");").unwrap();
            writeln!(got, "{digits}").unwrap();
            expected.push(after.to_owned());
        }
        let read = php(["read", "", ""], got);
        for ((read, expected), program) in read.iter().zip(&expected).zip(programs.lines()) {
            // What is not a mixture only: false is read as broken.
            if expected == "623a303b" {
                continue;
            }
            let shown = |hex: &str| String::from_utf8_lossy(&from_hex(hex)).into_owned();
            assert!(read != "broken" && read == expected, "{program}\n{}\n{}", read, shown(expected));
        }
        let counts = &search.replaced()[0];
        assert!(counts.values > 40 && counts.left == 0, "{counts:?}");
    }
}
