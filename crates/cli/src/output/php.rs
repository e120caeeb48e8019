//! PHP's own ways to print data: `serialize`, `print_r`, `var_dump` and `var_export`.

use super::data::{Data, Key};
use super::number;

/// The data as `serialize` gives it, and a newline.
pub(super) fn serialize(data: &Data) -> String {
    let mut out = String::new();
    write_serialized(&mut out, data);
    out.push('\n');
    out
}

fn write_serialized(out: &mut String, data: &Data) {
    match data {
        Data::Null => out.push_str("N;"),
        Data::Bool(yes) => out.push_str(&format!("b:{};", u8::from(*yes))),
        Data::Int(number) => out.push_str(&format!("i:{number};")),
        Data::Float(number) => out.push_str(&format!("d:{};", number::exact(*number))),
        Data::Text(text) => out.push_str(&format!("s:{}:\"{text}\";", text.len())),
        Data::Map(map) => {
            out.push_str(&format!("a:{}:{{", map.len()));
            for (key, value) in map {
                match key {
                    Key::Int(number) => out.push_str(&format!("i:{number};")),
                    Key::Text(text) => out.push_str(&format!("s:{}:\"{text}\";", text.len())),
                }
                write_serialized(out, value);
            }
            out.push('}');
        }
    }
}

/// The data as `print_r` shows it, and a newline.
pub(super) fn print_r(data: &Data) -> String {
    let mut out = String::new();
    write_print_r(&mut out, data, 0);
    out.push('\n');
    out
}

fn write_print_r(out: &mut String, data: &Data, indent: usize) {
    match data {
        Data::Null | Data::Bool(false) => {}
        Data::Bool(true) => out.push('1'),
        Data::Map(map) => {
            let pad = " ".repeat(indent);
            out.push_str(&format!("Array\n{pad}(\n"));
            for (key, value) in map {
                out.push_str(&format!("{pad}    [{}] => ", key.text()));
                write_print_r(out, value, indent + 8);
                out.push('\n');
            }
            out.push_str(&format!("{pad})\n"));
        }
        Data::Int(_) | Data::Float(_) | Data::Text(_) => out.push_str(&data.text()),
    }
}

/// The data as `var_dump` shows it.
pub(super) fn var_dump(data: &Data) -> String {
    let mut out = String::new();
    write_var_dump(&mut out, data, 0);
    out
}

fn write_var_dump(out: &mut String, data: &Data, indent: usize) {
    let pad = " ".repeat(indent);
    out.push_str(&pad);
    match data {
        Data::Null => out.push_str("NULL\n"),
        Data::Bool(yes) => out.push_str(&format!("bool({yes})\n")),
        Data::Int(number) => out.push_str(&format!("int({number})\n")),
        Data::Float(number) => out.push_str(&format!("float({})\n", number::exact(*number))),
        Data::Text(text) => out.push_str(&format!("string({}) \"{text}\"\n", text.len())),
        Data::Map(map) => {
            out.push_str(&format!("array({}) {{\n", map.len()));
            for (key, value) in map {
                match key {
                    Key::Int(number) => out.push_str(&format!("{pad}  [{number}]=>\n")),
                    Key::Text(text) => out.push_str(&format!("{pad}  [\"{text}\"]=>\n")),
                }
                write_var_dump(out, value, indent + 2);
            }
            out.push_str(&format!("{pad}}}\n"));
        }
    }
}

/// The data as `var_export` spells it, and a newline: PHP that makes it again.
pub(super) fn var_export(data: &Data) -> String {
    let mut out = String::new();
    write_var_export(&mut out, data, 0);
    out.push('\n');
    out
}

fn write_var_export(out: &mut String, data: &Data, indent: usize) {
    match data {
        Data::Null => out.push_str("NULL"),
        Data::Bool(_) | Data::Int(_) => out.push_str(&data.text()),
        Data::Float(number) => {
            let digits = number::exact(*number);
            let point = if digits.contains('.') { "" } else { ".0" };
            out.push_str(&format!("{digits}{point}"));
        }
        Data::Text(text) => out.push_str(&quoted(text)),
        Data::Map(map) => {
            let pad = " ".repeat(indent);
            out.push_str("array (\n");
            for (key, value) in map {
                let key = match key {
                    Key::Int(number) => number.to_string(),
                    Key::Text(text) => quoted(text),
                };
                out.push_str(&format!("{pad}  {key} => "));
                if matches!(value, Data::Map(_)) {
                    out.push_str(&format!("\n{pad}  "));
                }
                write_var_export(out, value, indent + 2);
                out.push_str(",\n");
            }
            out.push_str(&format!("{pad})"));
        }
    }
}

/// A text in single quotes. A zero byte can't stand in them, so it is joined on.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\0', "' . \"\\0\" . '");
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{expression, php, samples};
    use super::*;

    fn compare(ours: fn(&Data) -> String, call: &str) {
        for data in samples() {
            if let Some(expected) = php(&call.replace("DATA", &expression(&data))) {
                assert_eq!(ours(&data), expected);
            }
        }
    }

    #[test]
    fn serialize_is_phps() {
        compare(serialize, "echo serialize(DATA), \"\\n\";");
    }

    #[test]
    fn print_r_is_phps() {
        compare(print_r, "print_r(DATA); echo \"\\n\";");
    }

    #[test]
    fn var_dump_is_phps() {
        compare(var_dump, "var_dump(DATA);");
    }

    #[test]
    fn var_export_is_phps() {
        compare(var_export, "var_export(DATA); echo \"\\n\";");
    }

    #[test]
    fn a_row_without_php_to_compare_with() {
        let row = Data::Map(vec![
            (Key::new("id"), Data::Text("dev".to_owned())),
            (Key::new("7"), Data::Map(vec![(Key::new("locked"), Data::Bool(false))])),
        ]);
        assert_eq!(serialize(&row), "a:2:{s:2:\"id\";s:3:\"dev\";i:7;a:1:{s:6:\"locked\";b:0;}}\n");
        assert_eq!(
            print_r(&row),
            "Array\n(\n    [id] => dev\n    [7] => Array\n        (\n            [locked] => \n        )\n\n)\n\n"
        );
        assert_eq!(
            var_dump(&row),
            "array(2) {\n  [\"id\"]=>\n  string(3) \"dev\"\n  [7]=>\n  array(1) {\n    [\"locked\"]=>\n    bool(false)\n  }\n}\n"
        );
        assert_eq!(
            var_export(&row),
            "array (\n  'id' => 'dev',\n  7 => \n  array (\n    'locked' => false,\n  ),\n)\n"
        );
    }
}
