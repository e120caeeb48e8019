//! What settings files come to. Values are compared with what PHP itself makes of the same text.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Data, Outcome, Value, Why, World, run};

fn outcome_with(code: &str, set: impl FnOnce(&mut World)) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.php");
    std::fs::write(&path, code).unwrap();
    let mut world = World { docroot: folder.path().to_owned(), ..World::default() };
    set(&mut world);
    run(&path, &world).unwrap()
}

fn outcome(code: &str) -> Outcome {
    outcome_with(code, |_| {})
}

/// A value much as JSON has it; `?` for an unknown one, `?x` if it is most likely x, `…` for hidden elements.
fn show(value: &Value) -> String {
    match &value.data {
        Data::Null => "null".to_owned(),
        Data::Bool(bool) => bool.to_string(),
        Data::Int(int) => int.to_string(),
        Data::Text(text) => format!("{text:?}"),
        Data::Array(array) => {
            let items: Vec<String> = array
                .iter()
                .map(|(key, value)| format!("{}:{}", show(&Value::new(key.to_data(), value.at)), show(value)))
                .collect();
            let rest = if array.open.is_some() { ",…" } else { "" };
            format!("{{{}{rest}}}", items.join(","))
        }
        Data::Unknown(unknown) => format!("?{}", unknown.otherwise.as_ref().map(show).unwrap_or_default()),
    }
}

fn variable(code: &str, name: &str) -> String {
    outcome(code).variable(name).map_or_else(|| "-".to_owned(), show)
}

fn x(code: &str) -> String {
    variable(&format!("<?php\n{code}"), "x")
}

#[test]
fn comments_and_text_are_not_code() {
    let code = r#"<?php
        // define('DB_NAME', 'line');
        # define('DB_NAME', 'hash');
        /* define('DB_NAME', 'block'); */
        $help = "define('DB_NAME', 'text');";
        $more = <<<'EOT'
        define('DB_NAME', 'nowdoc');
        EOT;
        define('DB_NAME', /* 'old' */ 'right'); // define('DB_NAME', 'after');
        ?> define('DB_NAME', 'html'); <?php
    "#;
    assert_eq!(show(outcome(code).constant("DB_NAME").unwrap()), r#""right""#);
    assert!(outcome("<?php // define('A', 'x');").constant("A").is_none());
}

#[test]
fn a_marked_and_carriage_returned_file_reads_the_same() {
    let code = "\u{feff}<?php\r\n// $x = 1;\r\n$x = 'a';\r\n$y = <<<E\r\n  b\r\n  c\r\n  E;\r\n";
    assert_eq!(variable(code, "x"), r#""a""#);
    assert_eq!(variable(code, "y"), r#""b\r\nc""#);
}

#[test]
fn the_first_definition_of_a_constant_stands() {
    assert_eq!(x("define('A', 1); define('A', 2); const B = A; $x = B;"), "1");
}

#[test]
fn text_is_unescaped_and_interpolated() {
    assert_eq!(x(r#"$x = 'a\'b\\c\n';"#), r#""a'b\\c\\n""#);
    assert_eq!(
        x(r#"$n = 'v'; $a = ['k' => 'w']; $x = "\x41\101\u{e9}\$n $n {$a['k']} $a[k] ${n} \q";"#),
        "\"AAé$n v w w v \\\\q\""
    );
    assert_eq!(x("$n = 'v'; $x = <<<E\n    one \"$n\"\n      two\n    E;"), r#""one \"v\"\n  two""#);
    assert_eq!(x(r#"$x = "a" . 1 . true . null . 'b';"#), r#""a11b""#);
}

#[test]
fn arrays_grow_in_every_spelling() {
    let want = r#"{"default":{"default":{"database":"d","host":"h"}}}"#;
    for code in [
        "$x = array('default' => array('default' => array('database' => 'd', 'host' => 'h')));",
        "$x = ['default' => ['default' => ['database' => 'd', 'host' => 'h',],],];",
        "$x['default']['default'] = ['database' => 'd', 'host' => 'h'];",
        "$x['default']['default']['database'] = 'd'; $x['default']['default']['host'] = 'h';",
        "$x['default']['default']['database'] = 'd'; $x['default']['default'] += ['database' => 'no', 'host' => 'h'];",
        "$x['default']['default'] = array_merge(['database' => 'no', 'host' => 'h'], ['database' => 'd']);",
        "$x = array_replace_recursive(['default' => ['default' => ['database' => 'd']]], ['default' => ['default' => ['host' => 'h']]]);",
        "$d = ['database' => 'd', 'host' => 'h']; $x = ['default' => ['default' => [...$d]]];",
        "foreach (['database' => 'd', 'host' => 'h'] as $k => $v) { $x['default']['default'][$k] = $v; }",
    ] {
        assert_eq!(x(code), want, "{code}");
    }
}

#[test]
fn lists_are_taken_apart() {
    assert_eq!(x("['k' => $b, 'l' => $x] = ['k' => 1, 'l' => 2];"), "2");
    assert_eq!(x("[$a, [, $x]] = [1, [2, 3]];"), "3");
    assert_eq!(x("list('a' => list($x)) = ['a' => [4]];"), "4");
    assert_eq!(x("$d = [1]; [&$x] = $d;"), "?");
}

#[test]
fn conditions_that_are_known_are_decided() {
    assert_eq!(
        x("if (1 === 2) { $x = 'a'; } elseif ('b' == \"b\") { $x = 'b'; } else { $x = 'c'; }"),
        r#""b""#
    );
    assert_eq!(
        x("if (file_exists(__FILE__) && !file_exists(__DIR__ . '/no')): $x = 1; else: $x = 2; endif;"),
        "1"
    );
    assert_eq!(
        x(
            "switch ('b') { case 'a': $x = 1; break; case 'b': $x = 2; case 'c': $y = 3; break; default: $x = 4; }"
        ),
        "2"
    );
    assert_eq!(x("$x = match (true) { 1 > 2 => 'a', default => 'b' };"), r#""b""#);
    assert_eq!(x("if (!isset($x)) $x = empty($y) ? $z ?? 'd' : 'e';"), r#""d""#);
}

#[test]
fn conditions_that_are_not_known_leave_doubt_where_it_matters() {
    let code = "if (cloudy()) { $x = 'a'; $y = 'same'; } else { $x = 'b'; $y = 'same'; }";
    let outcome = outcome(&format!("<?php\n{code}"));
    assert_eq!(show(outcome.variable("x").unwrap()), "?");
    assert_eq!(outcome.variable("x").unwrap().why(), Some(&Why::Call("cloudy".into())));
    assert_eq!(show(outcome.variable("y").unwrap()), r#""same""#);
    let hosts = "switch ($_SERVER['HTTP_HOST']) { case 'a.example': $x = 'a'; break; default: $x = 'b'; }";
    assert_eq!(x(hosts), "?");
    assert_eq!(x("if (cloudy()) { $x['a'] = 1; } $x['b'] = 2;"), r#"{"b":2,…}"#);
}

#[test]
fn what_returned_perhaps_is_merged_where_the_function_ends() {
    let get = "function get($n, $d) { if ($f = getenv($n . '_FILE')) { return rtrim(file_get_contents($f)); } \
               else if (($v = getenv($n)) !== false) { return $v; } return $d; } $x = get('N', 'd');";
    assert_eq!(x(get), r#"?"d""#);
    let code = format!("<?php {get}");
    let known = |pairs: &[(&str, &str)]| {
        let environment: HashMap<String, String> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let outcome = outcome_with(&code, |world| {
            world.environment = environment;
            world.environment_is_whole = true;
        });
        show(outcome.variable("x").unwrap())
    };
    assert_eq!(known(&[("N", "v")]), r#""v""#);
    assert_eq!(known(&[]), r#""d""#);
    assert_eq!(
        x(
            "function f() { foreach ([1, 2, 3] as $v) { if (cloudy()) continue; return $v; } return 9; } $x = f();"
        ),
        "?"
    );
    assert_eq!(x("foreach ([1, 2] as $v) { if ($v === 2) break; $x = $v; }"), "1");
    assert_eq!(x("$x = 1; foreach ([1, 2] as $v) { if (cloudy()) break; $x = 2; }"), "?");
}

#[test]
fn an_environment_variable_that_is_not_told_is_unknown_but_has_a_likely_value() {
    assert_eq!(x("$x = getenv('DB_HOST') ?: 'localhost';"), r#"?"localhost""#);
    assert_eq!(x("$x = $_ENV['DB_HOST'] ?? 'localhost';"), r#"?"localhost""#);
    assert_eq!(x("$x = $_SERVER['DB_NAME'];"), "?null");
    assert_eq!(x("$x = 'real'; if (getenv('IS_DDEV_PROJECT') == 'true') { $x = 'db'; }"), r#""real""#);
    assert_eq!(x("$x = 'http'; if (isset($_SERVER['HTTP_X_FORWARDED_PROTO'])) { $x = 's'; }"), r#"?"http""#);
}

#[test]
fn what_may_change_unseen_is_not_trusted() {
    assert_eq!(x("$x = 'a'; $y = &$x; $y = 'b';"), "?");
    assert_eq!(x("$x = 'a'; $f = function () use (&$x) { $x = 'b'; }; $f();"), "?");
    assert_eq!(x("$x = 'a'; eval('$x = 1;');"), r#"?"a""#);
    assert_eq!(x("$x = 'a'; include cloudy() . '.php';"), r#"?"a""#);
    assert_eq!(x("$x = 'a'; preg_match('/b/', 'b', $x);"), "?");
    assert_eq!(x("$x = 'a'; $n = 'x'; $$n = 'b';"), r#""b""#);
    assert_eq!(x("$x = 'a'; function f(&$v) { $v = 'b'; } f($x);"), "?");
    assert_eq!(x("$x = 'a'; while (cloudy()) { $x = 'b'; }"), "?");
    assert_eq!(x("include cloudy(); $x['a']['b'] = 'whole';"), r#"{"a":{"b":"whole",…},…}"#);
}

#[test]
fn broken_code_spoils_what_it_names_from_there_on() {
    let outcome = outcome("<?php\n$x = 'a';\n$y = = 'b';\n$z = 'c';\n$w = (int) match (1) { 1 => 2 };");
    assert_eq!(show(outcome.variable("x").unwrap()), r#""a""#);
    assert!(outcome.variable("y").is_none_or(|value| value.why().is_some()));
    // Broken code may be nested otherwise than it looks.
    assert_eq!(show(outcome.variable("z").unwrap()), "?");
    assert!(!outcome.notes.is_empty());
}

#[test]
fn included_files_are_followed_within_the_site_only() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    std::fs::create_dir_all(site.join("inc")).unwrap();
    std::fs::write(folder.path().join("outside.php"), "<?php $x = 'outside';").unwrap();
    std::fs::write(
        site.join("inc/a.php"),
        "<?php\nif (!isset($once)) { $once = 1; $x = basename(__DIR__); }\nreturn ['r' => 1];",
    )
    .unwrap();
    std::fs::write(site.join("loop.php"), "<?php $n = 1; include __DIR__ . '/loop.php';").unwrap();
    let world = World { docroot: site.clone(), roots: vec![site.clone()], ..World::default() };
    let run_code = |code: &str| {
        std::fs::write(site.join("s.php"), format!("<?php {code}")).unwrap();
        run(&site.join("s.php"), &world).unwrap()
    };
    let inside = run_code("$r = require_once 'inc/a.php'; require_once __DIR__ . '/inc/a.php';");
    assert_eq!(show(inside.variable("x").unwrap()), r#""inc""#);
    assert_eq!(show(inside.variable("r").unwrap()), r#"{"r":1}"#);
    let at = inside.locate(inside.variable("x").unwrap().at).unwrap();
    assert!(at.0.ends_with("inc/a.php") && at.1 == 2, "{at:?}");
    let outside = run_code("$x = 'a'; include __DIR__ . '/../outside.php';");
    assert_eq!(show(outside.variable("x").unwrap()), r#"?"a""#);
    assert!(outside.notes.iter().any(|(_, note)| note.contains("outside the site")));
    let endless = run_code("$x = 'a'; include 'loop.php';");
    assert!(endless.variable("x").unwrap().why().is_some());
    assert_eq!(show(run_code("$x = 'a'; @include 'none.php';").variable("x").unwrap()), r#""a""#);
}

#[test]
fn work_is_bounded_and_then_nothing_is_believed() {
    let deep = format!("$x = 'a'; $y = {}1{};", "(".repeat(5_000), ")".repeat(5_000));
    for code in [
        "$x = 'a'; while (true) { $y = 1; }",
        "$x = 'a'; function f($n) { return f($n); } $y = f(1);",
        "$x = 'a'; for ($i = 1; true; $i = $i + 1) { for ($j = 1; true; $j = $j + 1) { } }",
        "$x = 'a'; foreach ([1,2,3,4,5,6,7,8,9] as $a) foreach ([1,2,3,4,5,6,7,8,9] as $b) foreach ([1,2,3,4,5,6,7,8,9] as $c) \
         foreach ([1,2,3,4,5,6,7,8,9] as $d) foreach ([1,2,3,4,5,6,7,8,9] as $e) foreach ([1,2,3,4,5,6,7,8,9] as $f) $y = 1;",
        &deep,
    ] {
        let outcome = outcome(&format!("<?php {code}"));
        let x = outcome.variable("x").unwrap();
        assert!(matches!(x.why(), None | Some(Why::Limit)), "{code}");
        assert!(outcome.variable("y").is_none_or(|y| y.why().is_some() || code.contains("while")), "{code}");
    }
    assert_eq!(
        x(
            "$x = 'aaaaaaaaaaaaaaaa'; foreach (range_of() as $v) {} for ($i = 0; $i < 60; $i = $i + 1) { $x .= $x; }"
        ),
        "?"
    );
    assert!(x("$x = [1]; for ($i = 0; $i < 500; $i = $i + 1) { $x = [$x, $x]; }").len() < 100_000);
}

#[test]
fn a_value_shows_no_text() {
    let outcome = outcome("<?php $x = ['password' => 'hunter2'];");
    let value = outcome.variable("x").unwrap();
    assert!(!format!("{value:?} {:?}", value.as_array().unwrap().at("password")).contains("hunter2"));
}

const SAMPLE: &str = r#"<?php
function g($e, $d) { if (($v = getenv($e)) !== false) { return $v; } return $d; }
define('DB_NAME', g('N', 'name')); $a['x']['y'] = array('k' => "v{$b['c']} \x41", ...$z);
if (file_exists(__DIR__ . '/no.php') && !defined('Q')) { include __DIR__ . '/no.php'; } else { $t = <<<E
  text $a[x]
  E; }
switch ($q) { case 'a': $w = 1; break; default: $w .= 'c'; }
foreach ($a as $k => &$v) { $c[$k] = $v ?: ($v ?? match ($k) { 1 => 2, default => 3 }); continue 2; }
$d = json_decode(base64_decode('e30='), true); list($m, [$n]) = [1, [2]]; unset($a['x']['y'], $m);
"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_makes_the_reader_panic(
        cuts in proptest::collection::vec((any::<u16>(), any::<u16>(), "[\\PC\\n'\"{}()\\[\\]$;<>?]{0,6}"), 1..6)
    ) {
        let mut code = SAMPLE.as_bytes().to_vec();
        for (from, length, text) in cuts {
            let from = usize::from(from) % (code.len() + 1);
            let to = (from + usize::from(length) % 20).min(code.len());
            code.splice(from..to, text.bytes());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.php");
        std::fs::write(&path, &code).unwrap();
        let _ = run(&path, &World::default()).unwrap();
    }
}

#[test]
fn deep_programs_fit_a_small_stack() {
    let depth = 2_000;
    let ifs = format!("$x = 'a'; {}$y = 1;{}", "if (true) { ".repeat(depth), "}".repeat(depth));
    let unsure = format!("$x = 'a'; {}$y = 1;{}", "if (cloudy()) { ".repeat(depth), "}".repeat(depth));
    let arrays = format!("$x = 'a'; $y = {}{};", "[".repeat(depth), "]".repeat(depth));
    let joined = format!("$x = 'a'; $y = 'b'{};", " . 'b'".repeat(depth));
    let calls = format!("$x = 'a'; $y = {}1{};", "trim(".repeat(depth), ")".repeat(depth));
    let ors = format!("$x = 'a'; $y = cloudy(){};", " || cloudy()".repeat(200));
    let elses =
        format!("$x = 'a'; if (cloudy()) $y = 1; {} else $y = 2;", "elseif (cloudy()) $y = 1; ".repeat(250));
    for code in [ifs, unsure, arrays, joined, calls, ors, elses] {
        let outcome = outcome(&format!("<?php {code}"));
        let x = show(outcome.variable("x").unwrap());
        assert!(x == "?" || x == r#""a""#, "{x}");
    }
}
