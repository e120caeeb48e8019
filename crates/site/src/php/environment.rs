//! Environment variables and constants, as the site would see them.

use std::rc::Rc;

use tree_sitter::Node;

use super::machine::Machine;
use super::source::Source;
use super::value::{Data, Place, Value, Why};

/// Beginnings of variables that only a platform's own hosts and containers set: where they are not told, the
/// site does not live there.
const PLATFORM_MARKS: [&str; 16] = [
    "IS_DDEV_PROJECT",
    "DDEV_",
    "LANDO",
    "PANTHEON_",
    "PRESSFLOW_",
    "PLATFORM_",
    "AH_",
    "ACQUIA_",
    "TUGBOAT_",
    "SIMPLETEST_",
    "GITLAB_CI",
    "GITHUB_ACTIONS",
    "IS_WPE",
    "VIP_GO_",
    "DEVDESKTOP_",
    "CI",
];

/// Facts of a request that any request has.
const ALWAYS_REQUESTED: [&str; 14] = [
    "HTTP_HOST",
    "SERVER_NAME",
    "SERVER_ADDR",
    "SERVER_PORT",
    "SERVER_SOFTWARE",
    "SERVER_PROTOCOL",
    "REQUEST_URI",
    "REQUEST_METHOD",
    "REMOTE_ADDR",
    "SCRIPT_NAME",
    "SCRIPT_FILENAME",
    "PHP_SELF",
    "REQUEST_TIME",
    "HTTP_USER_AGENT",
];

fn is_platform_mark(name: &str) -> bool {
    PLATFORM_MARKS.iter().any(|mark| if *mark == "CI" { name == "CI" } else { name.starts_with(mark) })
}

impl Machine<'_> {
    /// A variable of `$_SERVER` or `$_ENV`; `None` if it surely is not there.
    pub(super) fn environment(&self, name: &str, server: bool, at: Place) -> Option<Value> {
        if let Some(text) = self.world.environment.get(name) {
            return Some(self.text(text, at));
        }
        if server {
            let requested = || Why::Request(format!("$_SERVER['{name}']"));
            if name == "DOCUMENT_ROOT" {
                return Some(self.text(&self.world.docroot.to_string_lossy(), at));
            }
            if ALWAYS_REQUESTED.contains(&name) {
                return Some(Value::unknown(requested(), at));
            }
            if name.starts_with("HTTP") || name.starts_with("REDIRECT_") || name == "argv" {
                return Some(Value::unsure(requested(), Some(Value::null()), at));
            }
        }
        if self.world.environment_is_whole || is_platform_mark(name) {
            return None;
        }
        Some(Value::unsure(Why::Variable(name.to_owned()), Some(Value::null()), at))
    }

    /// `getenv()`
    pub(super) fn getenv(&self, name: &str, at: Place) -> Value {
        let no = Value::new(Data::Bool(false), at);
        match self.environment(name, false, at) {
            None => no,
            Some(value) if value.why().is_some() => {
                Value::unsure(Why::Variable(name.to_owned()), Some(no), at)
            }
            Some(value) => value,
        }
    }

    /// `env()` of Bedrock and its like: null where there is none, and words as what they mean.
    pub(super) fn env(&self, name: &str, default: Option<&Value>, at: Place) -> Value {
        let default = default.cloned().unwrap_or(Value::new(Data::Null, at));
        let Some(value) = self.environment(name, false, at) else { return default };
        let Some(text) = value.as_text() else {
            return Value::unsure(Why::Variable(name.to_owned()), Some(default), at);
        };
        let data = match text.to_ascii_lowercase().as_str() {
            "true" => Data::Bool(true),
            "false" => Data::Bool(false),
            "null" => Data::Null,
            _ => return value,
        };
        Value::new(data, at)
    }

    /// What a name without `$` stands for.
    pub(super) fn constant(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let full = source.name(node);
        let name = full.rsplit('\\').next().unwrap_or(full);
        let folder = || source.path.parent().map(|folder| folder.to_string_lossy().into_owned());
        match name {
            "__DIR__" => return self.text(&folder().unwrap_or_default(), at),
            "__FILE__" => return self.text(&source.path.to_string_lossy(), at),
            "__LINE__" => return Value::new(Data::Int(i64::from(at.line)), at),
            "PHP_EOL" => return self.text("\n", at),
            "DIRECTORY_SEPARATOR" => return self.text("/", at),
            // The site is asked for by a web server.
            "PHP_SAPI" => {
                let likely = self.text("fpm-fcgi", at);
                return Value::unsure(Why::Request(name.to_owned()), Some(likely), at);
            }
            _ => {}
        }
        if let Some(value) = self.state.constants.get(name) {
            return value.clone();
        }
        let flag = match name {
            "MYSQLI_CLIENT_FOUND_ROWS" => 2,
            "MYSQLI_CLIENT_COMPRESS" => 32,
            "MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT" => 64,
            "MYSQLI_CLIENT_IGNORE_SPACE" => 256,
            "MYSQLI_CLIENT_INTERACTIVE" => 1024,
            "MYSQLI_CLIENT_SSL" => 2048,
            "MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT" => 1 << 30,
            _ => return Value::unknown(self.unset(name), at),
        };
        Value::new(Data::Int(flag), at)
    }

    fn unset(&self, name: &str) -> Why {
        self.state.shadow.clone().unwrap_or(Why::Unset(name.to_owned()))
    }
}
