//! PHP's own functions, as far as settings files use them.

mod arrays;
pub(super) mod decode;
mod strings;

use std::rc::Rc;

use super::coerce;
use super::machine::Machine;
use super::source::Source;
use super::value::{Data, Place, Value, Why};

/// Whether a function changes what it is given, when it is given so much.
pub(super) fn changes_arguments(name: &str, count: usize) -> bool {
    if count < 3 && name == "preg_match" {
        return false;
    }
    const CHANGING: [&str; 26] = [
        "preg_match",
        "preg_match_all",
        "parse_str",
        "mb_parse_str",
        "settype",
        "sort",
        "rsort",
        "usort",
        "uasort",
        "uksort",
        "asort",
        "arsort",
        "ksort",
        "krsort",
        "natsort",
        "natcasesort",
        "shuffle",
        "array_push",
        "array_pop",
        "array_shift",
        "array_unshift",
        "array_splice",
        "array_walk",
        "array_walk_recursive",
        "array_multisort",
        "call_user_func_array",
    ];
    CHANGING.contains(&name)
}

/// A function of known values alone; `None` if it can't be worked out.
type Pure = fn(&[Value], Place) -> Option<Data>;

fn pure(name: &str) -> Option<Pure> {
    strings::function(name).or_else(|| arrays::function(name)).or_else(|| decode::function(name))
}

impl Machine<'_> {
    /// Calls one of PHP's functions.
    pub(super) fn builtin(&mut self, source: &Rc<Source>, name: &str, args: &[Value], at: Place) -> Value {
        let unknown = || Value::unknown(Why::Call(name.to_owned()), at);
        match (name, args) {
            ("define", [name, value, ..]) => self.define(name, value.clone(), at),
            ("defined", [name]) => self.defined(name, at),
            ("constant", [name]) => {
                let found = name.as_text().and_then(|name| self.state.constants.get(name)).cloned();
                found.unwrap_or_else(unknown)
            }
            ("getenv", [name, ..]) => coerce::lift(std::slice::from_ref(name), at, |args| {
                text(args).map_or_else(unknown, |name| self.getenv(&name, at))
            }),
            ("env", [name, rest @ ..]) => coerce::lift(std::slice::from_ref(name), at, |args| {
                text(args).map_or_else(unknown, |name| self.env(&name, rest.first(), at))
            }),
            ("function_exists", [name]) => self.function_exists(name, at),
            ("php_sapi_name", []) => {
                let likely = self.text("fpm-fcgi", at);
                Value::unsure(Why::Request("PHP_SAPI".to_owned()), Some(likely), at)
            }
            ("file_exists" | "is_file" | "is_dir" | "is_readable", [path]) => {
                coerce::lift(std::slice::from_ref(path), at, |args| {
                    text(args).map_or_else(unknown, |told| self.look_at(source, name, &told, at))
                })
            }
            ("file_get_contents", [path]) => match path.as_text().map(str::to_owned) {
                Some(told) => self.read_file(source, &told, at),
                None => path.why().map_or_else(unknown, |why| Value::unknown(why.clone(), at)),
            },
            ("realpath", [path]) => coerce::lift(std::slice::from_ref(path), at, |args| {
                text(args).map_or_else(unknown, |told| self.real_path(source, &told, at))
            }),
            ("getcwd", []) => self.text(&self.world.docroot.to_string_lossy(), at),
            ("conf_path", _) => self.state.variable("conf_path").ok().flatten().unwrap_or_else(unknown),
            _ => self.pure_call(name, args, at),
        }
    }

    fn pure_call(&mut self, name: &str, args: &[Value], at: Place) -> Value {
        let unknown = || Value::unknown(Why::Call(name.to_owned()), at);
        let work: u64 = args.iter().map(|arg| u64::from(arg.weight())).sum();
        let Some(function) = pure(name).filter(|_| self.spend(work / 4)) else { return unknown() };
        coerce::lift(args, at, |args| function(args, at).map_or_else(unknown, |data| Value::new(data, at)))
    }

    fn define(&mut self, name: &Value, value: Value, at: Place) -> Value {
        match name.as_text() {
            Some(name) => self.state.define(name.trim_start_matches('\\'), value.at_call(at)),
            None => {
                self.note(at, "a constant is defined whose name can't be told".to_owned());
                self.state.overshadow(Why::Form("a constant whose name can't be told"));
            }
        }
        Value::new(Data::Bool(true), at)
    }

    fn defined(&self, name: &Value, at: Place) -> Value {
        let answer = |yes| Value::new(Data::Bool(yes), at);
        let Some(name) = name.as_text() else { return Value::unknown(Why::Call("defined".to_owned()), at) };
        match (self.state.constants.get(name), &self.state.shadow) {
            (Some(value), _) => match value.why() {
                // It was perhaps never defined, or only its value is not known.
                Some(why) => {
                    let likely = value.assumed().map(|likely| answer(likely.data != Data::Null));
                    Value::unsure(why.clone(), likely, at)
                }
                None => answer(true),
            },
            (None, Some(why)) => Value::unsure(why.clone(), Some(answer(false)), at),
            (None, None) => answer(false),
        }
    }

    fn function_exists(&self, name: &Value, at: Place) -> Value {
        let known = name.as_text().map(str::to_ascii_lowercase);
        let there = known.is_some_and(|name| self.functions.contains_key(&name) || pure(&name).is_some());
        if there {
            return Value::new(Data::Bool(true), at);
        }
        let likely = Value::new(Data::Bool(false), at);
        Value::unsure(Why::Call("function_exists".to_owned()), Some(likely), at)
    }

    fn real_path(&self, source: &Source, told: &str, at: Place) -> Value {
        match self.resolve(source, told).canonicalize() {
            Ok(real) => self.text(&real.to_string_lossy(), at),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::new(Data::Bool(false), at),
            Err(_) => Value::unknown(Why::Include(told.to_owned()), at),
        }
    }
}

/// The one text argument.
fn text(args: &[Value]) -> Option<Rc<str>> {
    args.first().and_then(|value| value.data.to_text())
}
