//! PHP itself as the oracle: random programs are run by PHP and read here, and whatever is known here must be
//! what PHP has. What PHP draws by lot, or knows from its environment, must not be known here.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::value::{Array, Data, Key, Value};
use super::{World, run};

/// Programs in one run of PHP.
const PROGRAMS: usize = 200;

/// Runs every program, and prints its variables in a form that is easily compared. `cloud()` draws by lot.
const HARNESS: &str = r#"<?php
error_reporting(0);
function cloud() { return [true, false, 'a', '', 0, 1, null, 'k'][random_int(0, 7)]; }
function canon($v) {
    if ($v === null) return 'N';
    if (is_bool($v)) return $v ? 'T' : 'F';
    if (is_int($v)) return "I$v;";
    if (is_string($v)) return 'S' . bin2hex($v) . ';';
    if (is_array($v)) {
        $out = 'A' . count($v) . ';';
        foreach ($v as $k => $e) { $out .= canon($k) . canon($e); }
        return $out;
    }
    return 'X';
}
function play($file) { ob_start(); include $file; ob_end_clean(); return get_defined_vars(); }
for ($i = (int) $argv[2]; $i < (int) $argv[3]; $i++) {
    try { $vars = play("{$argv[1]}/$i.php"); unset($vars['file']); ksort($vars); echo "=", canon($vars), "\n"; }
    catch (\Throwable $e) { while (ob_get_level()) ob_end_clean(); echo "=E\n"; }
}
"#;

/// A value that PHP printed; arrays keep their order.
#[derive(Debug, PartialEq)]
enum Printed {
    Null,
    Bool(bool),
    Int(i64),
    Text(Vec<u8>),
    Array(Vec<(Printed, Printed)>),
    Other,
}

fn parse(text: &mut &str) -> Printed {
    let kind = text.as_bytes()[0];
    *text = &text[1..];
    let until = |text: &mut &str| {
        let (before, after) = text.split_once(';').unwrap();
        *text = after;
        before.to_owned()
    };
    match kind {
        b'N' => Printed::Null,
        b'T' => Printed::Bool(true),
        b'F' => Printed::Bool(false),
        b'I' => Printed::Int(until(text).parse().unwrap()),
        b'S' => {
            let hex = until(text);
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            Printed::Text((0..hex.len()).step_by(2).map(byte).collect())
        }
        b'A' => {
            let count: usize = until(text).parse().unwrap();
            Printed::Array((0..count).map(|_| (parse(text), parse(text))).collect())
        }
        _ => Printed::Other,
    }
}

/// Whether what is known is right.
fn agrees(known: &Value, printed: &Printed) -> bool {
    match (&known.data, printed) {
        (Data::Unknown(_), _) | (Data::Null, Printed::Null) => true,
        (Data::Bool(a), Printed::Bool(b)) => a == b,
        (Data::Int(a), Printed::Int(b)) => a == b,
        (Data::Text(a), Printed::Text(b)) => a.as_bytes() == b,
        (Data::Array(a), Printed::Array(b)) => arrays_agree(a, b),
        _ => false,
    }
}

fn arrays_agree(known: &Array, printed: &[(Printed, Printed)]) -> bool {
    let key_of = |key: &Key| match key {
        Key::Int(int) => Printed::Int(*int),
        Key::Text(text) => Printed::Text(text.as_bytes().to_vec()),
    };
    if known.open.is_none() {
        return known.len() == printed.len()
            && known.iter().zip(printed).all(|((key, value), (k, v))| key_of(key) == *k && agrees(value, v));
    }
    known.iter().all(|(key, value)| {
        let found = printed.iter().find(|(k, _)| *k == key_of(key)).map(|(_, v)| v);
        agrees(value, found.unwrap_or(&Printed::Null))
    })
}

fn variable() -> impl Strategy<Value = String> {
    prop_oneof!["\\$[abc]", "\\$[abc]\\['[kl]'\\]", "\\$[abc]\\['k'\\]\\['l'\\]"]
}

/// Writing to a variable; into an array only where there is one, since anything else ends a program.
fn write_to(variable: &str, write: &str) -> String {
    let whole = variable.get(..2).unwrap_or_default();
    match variable.matches('[').count() {
        0 => write.to_owned(),
        1 => format!("if (is_array({whole} ?? [])) {{ {write} }}"),
        _ => format!("if (is_array({whole} ?? []) && is_array({whole}['k'] ?? [])) {{ {write} }}"),
    }
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => variable().prop_map(|v| if v.contains('[') { format!("({v} ?? 'n')") } else { v }),
        1 => Just("cloud()".to_owned()),
        1 => prop_oneof![Just("getenv('ORACLE')".to_owned()), Just("($_SERVER['ORACLE'] ?? 'd')".to_owned())],
        3 => "'[ab01]{0,2}'",
        2 => "[0-3]",
        2 => prop_oneof!["true", "false", "null"],
        1 => prop_oneof![
            Just("\"x$a{$b}\\x41\\101\\n\"".to_owned()),
            Just("[]".to_owned()),
            Just("(<<<E\n  t $c\n  E)".to_owned())
        ],
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let e = || inner.clone();
        let operator = prop_oneof![
            "\\.", "===", "!==", "==", "!=", "&&", "\\|\\|", "\\?\\?", "\\?:", "<", "and", "xor", "or", ">="
        ];
        let numeric = prop_oneof!["\\+", "-", "\\*", "\\|", "&"];
        let of_any = prop_oneof!["is_array", "is_string", "empty", "boolval", "is_null", "f", "g", "intval"];
        let of_text = prop_oneof!["trim", "strtolower", "strval", "rtrim", "basename", "dirname", "strlen", "strtoupper"];
        let of_array = prop_oneof!["count", "array_keys", "array_values", "array_key_first"];
        let of_arrays = prop_oneof!["array_merge", "array_replace", "array_replace_recursive"];
        let of_texts = prop_oneof!["str_contains", "strpos", "str_starts_with"];
        prop_oneof![
            3 => (e(), operator, e()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => (e(), numeric, e()).prop_map(|(a, op, b)| format!("((int) {a} {op} (int) {b})")),
            1 => (e(), e()).prop_map(|(a, b)| format!("((array) {a} + (array) {b})")),
            1 => e().prop_map(|a| format!("(!{a})")),
            2 => (e(), e(), e()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            3 => (e(), e()).prop_map(|(a, b)| format!("['k' => {a}, 'l' => {b}]")),
            1 => (e(), e()).prop_map(|(a, b)| format!("[{a}, 'k' => {b}]")),
            2 => (of_any, e()).prop_map(|(f, a)| format!("{f}({a})")),
            2 => (of_text, e()).prop_map(|(f, a)| format!("{f}((string) {a})")),
            1 => (of_array, e()).prop_map(|(f, a)| format!("{f}((array) {a})")),
            2 => (of_arrays, e(), e()).prop_map(|(f, a, b)| format!("{f}((array) {a}, (array) {b})")),
            1 => (of_texts, e(), e()).prop_map(|(f, a, b)| format!("{f}((string) {a}, (string) {b})")),
            1 => (e(), e()).prop_map(|(a, b)| format!("in_array({a}, (array) {b})")),
            1 => (e(), e()).prop_map(|(a, b)| format!("implode((string) {a}, (array) {b})")),
            1 => e().prop_map(|a| format!("explode('a', (string) {a})")),
            1 => e().prop_map(|a| format!("array_key_exists('k', (array) {a})")),
            1 => (e(), e()).prop_map(|(a, b)| format!("h({a}, {b})")),
            1 => variable().prop_map(|v| format!("isset({v})")),
            1 => (e(), e(), e()).prop_map(|(a, b, c)| format!("substr((string) {a}, (int) {b}, (int) {c})")),
            1 => (e(), e(), e()).prop_map(|(a, b, c)| format!("(match ({a}) {{ 'a', 1 => {b}, default => {c} }})")),
            1 => (e(), e(), e())
                .prop_map(|(a, b, c)| format!("str_replace((string) {a}, (string) {b}, (string) {c})")),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => (variable(), expression()).prop_map(|(v, e)| write_to(&v, &format!("{v} = {e};"))),
        1 => ("\\$[abc]", expression()).prop_map(|(v, e)| format!("{v} .= {e};")),
        1 => ("\\$[abc]", expression()).prop_map(|(v, e)| format!("{v} = (array) {v}; {v} += (array) {e};")),
        1 => (variable(), expression()).prop_map(|(v, e)| write_to(&v, &format!("{v} ??= {e};"))),
        1 => expression().prop_map(|e| format!("if (is_array($a)) {{ $a[] = {e}; }}")),
        1 => variable().prop_map(|v| write_to(&v, &format!("unset({v});"))),
        1 => expression().prop_map(|e| format!("['k' => $b, 'l' => $c] = {e};")),
        1 => expression().prop_map(|e| format!("if ({e}) return;")),
        1 => ("\\$[abc]", expression()).prop_map(|(v, e)| format!("if ({v} = {e}) {{ $a = 'q'; }}")),
    ];
    leaf.prop_recursive(3, 6, 2, |inner| {
        let body = || proptest::collection::vec(inner.clone(), 1..3).prop_map(|all| all.join(" "));
        let jump = prop_oneof![3 => Just(""), 1 => Just("break;"), 1 => Just("continue;")];
        prop_oneof![
            3 => (expression(), body(), body()).prop_map(|(e, a, b)| format!("if ({e}) {{ {a} }} else {{ {b} }}")),
            1 => (expression(), body(), expression(), body())
                .prop_map(|(e, a, f, b)| format!("if ({e}): {a} elseif ({f}): {b} endif;")),
            2 => (expression(), expression(), jump, body(), body()).prop_map(|(e, f, jump, a, b)| {
                format!("foreach ((array) {e} as $k => $v) {{ $c = $k; {a} if ({f}) {{ {jump} }} {b} }}")
            }),
            1 => (expression(), body(), body(), body()).prop_map(|(e, a, b, c)| {
                format!("switch ({e}) {{ case 'a': {a} break; case 1: {b} default: {c} }}")
            }),
            1 => (body(), expression(), body()).prop_map(|(a, e, b)| {
                format!("for ($i = 0; $i < 2; $i = $i + 1) {{ {a} if ({e}) continue; {b} }}")
            }),
        ]
    })
}

fn program() -> impl Strategy<Value = String> {
    let body = proptest::collection::vec(statement(), 1..5).prop_map(|all| all.join("\n"));
    let function = || proptest::collection::vec(statement(), 0..2).prop_map(|all| all.join(" "));
    (body, function(), function(), expression()).prop_map(|(body, f, g, e)| {
        format!(
            "<?php\n$a = ['k' => 'a', 'l' => ['k' => 1]]; $b = 'b'; $c = null;\n\
             function f($a) {{ $b = 'f'; $c = 1; {f} return $a ?: {e}; }}\n\
             function g($b, $a = ['k' => 'd']) {{ $c = 'g'; {g} return $c; }}\n\
             function h($a, $b) {{ if ($a) {{ return $b; }} foreach ([1, 2] as $v) {{ if ($b == $v) return 'h' . $v; }} return $a; }}\n{body}\n"
        )
    })
}

/// Functions of one program must not meet those of another.
fn renamed(code: &str, index: usize) -> String {
    let mut code = code.to_owned();
    for name in ["f", "g", "h"] {
        code = code.replace(&format!("function {name}("), &format!("function {name}{index}("));
        for before in [" ", "(", "!", "[", ">", "{", ","] {
            code = code.replace(&format!("{before}{name}("), &format!("{before}{name}{index}("));
        }
    }
    code
}

/// Where a program ends PHP itself, that one gives `E`, and PHP is begun again after it.
fn run_php(folder: &Path) -> Vec<String> {
    let harness = folder.join("harness.php");
    std::fs::write(&harness, HARNESS).unwrap();
    let mut lines = Vec::new();
    while lines.len() < PROGRAMS {
        let done = Command::new("php")
            .args(["-n", "-d", "display_errors=0"])
            .args([&harness, folder])
            .args([lines.len(), PROGRAMS].map(|number| number.to_string()))
            .env("ORACLE", "secret")
            .output()
            .expect("PHP is needed for this test: scripts/install-needs test");
        let text = String::from_utf8_lossy(&done.stdout);
        lines.extend(text.lines().filter_map(|line| line.strip_prefix('=')).map(str::to_owned));
        if lines.len() < PROGRAMS {
            lines.push("E".to_owned());
        }
    }
    lines
}

/// Runs programs drawn by lot; gives how many variables were known, and of how many.
fn compare(draw: impl Fn(&mut TestRunner, usize) -> String) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut runner = TestRunner::new(Config::default());
    let programs: Vec<String> = (0..PROGRAMS).map(|index| draw(&mut runner, index)).collect();
    for (index, code) in programs.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{index}.php")), code).unwrap();
    }
    let printed = run_php(folder.path());
    let (mut known, mut all) = (0, 0);
    let mut worst: Option<String> = None;
    for (index, (line, code)) in printed.iter().zip(&programs).enumerate() {
        // A program that PHP refuses is of no use to anyone.
        if line == "E" {
            continue;
        }
        let Printed::Array(variables) = parse(&mut line.as_str()) else { panic!("{line}") };
        let outcome = run(&folder.path().join(format!("{index}.php")), &World::default()).unwrap();
        for name in ["a", "b", "c"] {
            let text = Printed::Text(name.as_bytes().to_vec());
            let php =
                variables.iter().find(|(name, _)| *name == text).map_or(&Printed::Null, |(_, value)| value);
            let Some(ours) = outcome.variable(name) else { continue };
            all += 1;
            known += usize::from(ours.why().is_none());
            if !agrees(ours, php) && worst.as_ref().is_none_or(|worst| code.len() < worst.len()) {
                worst = Some(format!("${name} is {php:?} in PHP, but {} here:\n{code}", show(ours)));
            }
        }
    }
    // The shortest of them is the easiest to understand.
    assert!(worst.is_none(), "{}", worst.unwrap_or_default());
    (known, all)
}

#[test]
fn whatever_is_known_is_what_php_has() {
    let (known, all) =
        compare(|runner, index| renamed(&program().new_tree(runner).unwrap().current(), index));
    // A reader that knows nothing would be right as well.
    assert!(known * 12 > all, "{known} of {all} variables were known");
}

/// Passwords are what people quote most oddly.
#[test]
fn text_is_read_as_php_reads_it() {
    let inner = "([ab1 é]|[$'#?/@]|\\\\[\\\\'nrtvef$x4u0{}]|\\{|\\}|\\[|\\]|->|\\$b|\\{\\$b\\}|\\$\\{b\\}|\\$c\\[k\\]|\\n|\\?>|//|/\\*){0,8}";
    let literal = prop_oneof![
        inner.prop_map(|text: String| format!("\"{text}\"")),
        inner.prop_map(|text: String| format!("'{}'", text.replace('\'', "\\'"))),
        inner.prop_map(|text: String| format!("<<<E\n{text}\nE")),
        inner.prop_map(|text: String| format!("<<<\"E\"\n  {}\n  E", text.replace('\n', "\n  "))),
        inner.prop_map(|text: String| format!("<<<'E'\n{text}\nE")),
    ];
    let (known, all) = compare(|runner, _| {
        format!("<?php $b = 'v'; $c = ['k' => 'w'];\n$a = {};\n", literal.new_tree(runner).unwrap().current())
    });
    assert!(known * 10 > all * 7, "{known} of {all} variables were known");
}

fn show(value: &Value) -> String {
    match &value.data {
        Data::Text(text) => format!("{text:?}"),
        Data::Int(int) => int.to_string(),
        Data::Array(array) => array.iter().fold(format!("{value:?}: "), |mut out, (key, value)| {
            let key = Value::new(key.to_data(), value.at);
            let _ = write!(out, "{} => {}, ", show(&key), show(value));
            out
        }),
        _ => format!("{value:?}"),
    }
}
