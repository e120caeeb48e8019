//! Files that a settings file includes or reads.

use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use tree_sitter::Node;

use super::machine::{Flow, Machine};
use super::source::{self, Source};
use super::value::{Data, Place, Value, Why};

/// How deep files may include one another.
const INCLUDES_DEEP: u32 = 8;
/// How many files are read in all.
const INCLUDES_MAX: usize = 64;
/// Longer than a secret in a file, in bytes.
const READ_MAX: u64 = 256 * 1024;

impl Machine<'_> {
    pub(super) fn include(&mut self, source: &Rc<Source>, node: Node<'_>) -> Value {
        let at = source.place(node);
        let once = node.kind().contains("once");
        let value = node.named_child(0).map_or_else(Value::null, |child| self.eval(source, child));
        let Some(told) = value.assumed().and_then(|value| value.as_text().map(str::to_owned)) else {
            let text = source.name(node).to_owned();
            return self.not_included(&text, "its name can't be told", at);
        };
        if starts_the_cms(&told) {
            return Value::new(Data::Bool(true), at);
        }
        let path = self.resolve(source, &told);
        if value.why().is_some() {
            return self.not_included(&told, "its name can't be told for sure", at);
        }
        let Ok(real) = path.canonicalize() else {
            return self.absent(source, node, &told, &path, at);
        };
        if once && self.state.included.contains(&real) {
            return Value::new(Data::Bool(true), at);
        }
        if !self.may_read(&real) {
            return self.not_included(&told, "it lies outside the site", at);
        }
        if self.including >= INCLUDES_DEEP || self.files.len() >= INCLUDES_MAX {
            return self.not_included(&told, "files include one another too deep", at);
        }
        let index = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        match Source::open(&real, index) {
            Ok(included) => self.run_included(included, at),
            Err(error) => self.not_included(&told, &error.to_string(), at),
        }
    }

    fn run_included(&mut self, included: Source, at: Place) -> Value {
        self.files.push(included.path.clone());
        self.state.included.insert(included.path.clone());
        self.including += 1;
        let flow = self.run_file(&Rc::new(included));
        self.including -= 1;
        match flow {
            Flow::Return(value) if value.data != Data::Null => value,
            _ => Value::new(Data::Int(1), at),
        }
    }

    /// A file that isn't there includes nothing; one that can't be looked at might include anything.
    fn absent(&mut self, source: &Source, node: Node<'_>, told: &str, path: &Path, at: Place) -> Value {
        match std::fs::metadata(path) {
            Err(error) if is_absence(&error) => {
                self.absent.borrow_mut().push(plain(path));
                if node.kind().starts_with("require") {
                    self.note(at, format!("{} is required, and is not there", source.name(node)));
                }
                Value::new(Data::Bool(false), at)
            }
            _ => self.not_included(told, "it can't be opened", at),
        }
    }

    fn not_included(&mut self, told: &str, why: &str, at: Place) -> Value {
        self.note(at, format!("the file {told} was not read: {why}"));
        self.state.overshadow(Why::Include(told.to_owned()));
        Value::unknown(Why::Include(told.to_owned()), at)
    }

    /// Where a path leads: from the file's own folder, else from the web root.
    pub(super) fn resolve(&self, source: &Source, told: &str) -> PathBuf {
        let path = Path::new(told);
        if path.is_absolute() {
            return path.to_owned();
        }
        let beside = source.path.parent().map(|folder| folder.join(path));
        let dotted = told.starts_with("./") || told.starts_with("../");
        match beside {
            Some(beside) if !dotted && beside.exists() => beside,
            _ => self.world.docroot.join(path),
        }
    }

    /// Whether a file may be read: it lies in the site, or where settings of sites are kept.
    fn may_read(&self, real: &Path) -> bool {
        let beside = self.files.first().and_then(|first| first.parent());
        let roots = self.world.roots.iter().map(PathBuf::as_path).chain(beside);
        roots.filter(|root| root.parent().is_some()).any(|root| real.starts_with(root))
    }

    /// `file_get_contents()` of a small file that may be read.
    pub(super) fn read_file(&mut self, source: &Source, told: &str, at: Place) -> Value {
        let path = self.resolve(source, told);
        let unknown = || Value::unknown(Why::Include(told.to_owned()), at);
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) if is_absence(&error) => {
                self.absent.borrow_mut().push(plain(&path));
                return Value::new(Data::Bool(false), at);
            }
            Err(_) => return unknown(),
        };
        if !self.may_read(&real) || !self.spend(100) {
            return unknown();
        }
        match source::read_small(&real, READ_MAX).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            Some(text) => {
                self.read.push(real);
                Value::new(Data::Text(text.into()), at)
            }
            None => unknown(),
        }
    }

    /// `file_exists()` and its like, asked of the real file system.
    pub(super) fn look_at(&self, source: &Source, function: &str, told: &str, at: Place) -> Value {
        if told.contains("://") || told.contains('\0') {
            return Value::unknown(Why::Call(function.to_owned()), at);
        }
        let path = Path::new(told);
        let path = if path.is_absolute() { path.to_owned() } else { self.resolve(source, told) };
        match std::fs::metadata(&path) {
            Ok(found) => {
                let fits = match function {
                    "is_file" => found.is_file(),
                    "is_dir" => found.is_dir(),
                    "is_readable" => !found.is_file() || std::fs::File::open(&path).is_ok(),
                    _ => true,
                };
                Value::new(Data::Bool(fits), at)
            }
            Err(error) if is_absence(&error) => {
                // What is asked after is most often what is included then.
                if function != "is_dir" {
                    self.absent.borrow_mut().push(plain(&path));
                }
                Value::new(Data::Bool(false), at)
            }
            Err(_) => Value::unknown(Why::Include(told.to_owned()), at),
        }
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// A path to what is not there, by the real path of what is above it, and without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    let real = plain
        .ancestors()
        .find_map(|above| Some(above.canonicalize().ok()?.join(plain.strip_prefix(above).ok()?)));
    real.unwrap_or(plain)
}

/// Whether a file is the CMS itself, or code that sets nothing: it is not followed.
fn starts_the_cms(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, "wp-settings.php" | "wp-load.php" | "wp-blog-header.php" | "autoload.php")
        || path.ends_with("includes/bootstrap.inc")
}
