//! Names of owners and groups, as `/etc/passwd` and `/etc/group` have them.

use std::collections::HashMap;
use std::path::Path;

/// Names by number. An account that is known elsewhere only (a directory service) has none.
#[derive(Debug, Default)]
pub struct Owners {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Owners {
    /// Reads both files; one that can't be read names nobody.
    pub fn read(etc: &Path) -> Self {
        let names = |file: &str| std::fs::read(etc.join(file)).map(|text| parse(&text)).unwrap_or_default();
        Owners { users: names("passwd"), groups: names("group") }
    }

    /// A user's name.
    pub fn user(&self, uid: u32) -> Option<&str> {
        self.users.get(&uid).map(String::as_str)
    }

    /// A group's name.
    pub fn group(&self, gid: u32) -> Option<&str> {
        self.groups.get(&gid).map(String::as_str)
    }
}

/// Lines of `name:password:number:…`. The first name of a number counts.
fn parse(text: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in String::from_utf8_lossy(text).lines() {
        let mut fields = line.split(':');
        let (name, number) = (fields.next(), fields.nth(1));
        if let (Some(name), Some(Ok(number))) = (name, number.map(str::parse))
            && !name.is_empty()
            && !name.starts_with(['#', '+', '-'])
            && !name.contains(char::REPLACEMENT_CHARACTER)
        {
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_counts_and_nonsense_is_passed_over() {
        let names = parse(b"root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n# x\n+::\n\nbad:x:n:\nweb:x:33:33\n\xff:x:7:7\n");
        assert_eq!(names.len(), 2);
        assert_eq!((names[&0].as_str(), names[&33].as_str()), ("root", "web"));
    }
}
