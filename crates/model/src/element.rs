//! The three elements of a backup.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One part of an environment, kept as one archive of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// The site's program: a git repository, or a plain folder.
    Code,
    /// The MySQL or MariaDB schema.
    Database,
    /// The uploads tree.
    Files,
}

impl Element {
    /// All elements, in the order in which they are named everywhere.
    pub const ALL: [Element; 3] = [Element::Code, Element::Database, Element::Files];

    /// The word used in file names, in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Element::Code => "code",
            Element::Database => "database",
            Element::Files => "files",
        }
    }

    /// What an archive of this element is called after its last underscore, with its extension.
    pub fn extension(self) -> &'static str {
        match self {
            Element::Code | Element::Files => "tar.gz",
            Element::Database => "sql.gz",
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an element: it should be one of code, files, database, db")]
pub struct UnknownElement(pub String);

impl FromStr for Element {
    type Err = UnknownElement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "code" => Ok(Element::Code),
            "database" | "db" => Ok(Element::Database),
            "files" => Ok(Element::Files),
            other => Err(UnknownElement(other.to_owned())),
        }
    }
}

/// A choice of elements that is never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Element>", into = "Vec<Element>")]
pub struct ElementSet {
    code: bool,
    database: bool,
    files: bool,
}

impl ElementSet {
    /// All three elements.
    pub const ALL: ElementSet = ElementSet { code: true, database: true, files: true };

    /// The set that holds one element.
    pub fn only(element: Element) -> Self {
        ElementSet {
            code: element == Element::Code,
            database: element == Element::Database,
            files: element == Element::Files,
        }
    }

    /// The set of the elements given, or `None` if there is none.
    pub fn of(elements: impl IntoIterator<Item = Element>) -> Option<Self> {
        let mut set = ElementSet { code: false, database: false, files: false };
        for element in elements {
            match element {
                Element::Code => set.code = true,
                Element::Database => set.database = true,
                Element::Files => set.files = true,
            }
        }
        (set.code || set.database || set.files).then_some(set)
    }

    /// Whether the element is in the set.
    pub fn contains(self, element: Element) -> bool {
        match element {
            Element::Code => self.code,
            Element::Database => self.database,
            Element::Files => self.files,
        }
    }

    /// The elements in the set, in their usual order.
    pub fn iter(self) -> impl Iterator<Item = Element> {
        Element::ALL.into_iter().filter(move |element| self.contains(*element))
    }
}

impl FromStr for ElementSet {
    type Err = UnknownElement;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" { Ok(ElementSet::ALL) } else { text.parse().map(ElementSet::only) }
    }
}

impl From<ElementSet> for Vec<Element> {
    fn from(set: ElementSet) -> Self {
        set.iter().collect()
    }
}

impl TryFrom<Vec<Element>> for ElementSet {
    type Error = &'static str;

    fn try_from(elements: Vec<Element>) -> Result<Self, Self::Error> {
        ElementSet::of(elements).ok_or("no element was chosen")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn db_and_database_mean_the_same() {
        assert_eq!("db".parse::<Element>(), Ok(Element::Database));
        assert_eq!("database".parse::<Element>(), Ok(Element::Database));
    }

    #[test]
    fn all_is_a_set_and_not_an_element() {
        assert_eq!("all".parse::<ElementSet>(), Ok(ElementSet::ALL));
        assert!("all".parse::<Element>().is_err());
    }

    #[test]
    fn an_empty_set_can_not_be_made() {
        assert_eq!(ElementSet::of([]), None);
        assert!(serde_json::from_str::<ElementSet>("[]").is_err());
    }
}
