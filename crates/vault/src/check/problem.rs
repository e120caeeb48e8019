//! What is wrong, as values that people can read and programs can keep.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use undercroft_model::readable_path;
use uuid::Uuid;

/// So many problems are kept of one check.
pub const PROBLEMS_MAX: usize = 500;
/// So many archives are named of those that one problem hits.
pub const HITS_MAX: usize = 100;
/// So many files or tables are named of those that one problem hits in one archive.
pub const SUBJECTS_MAX: usize = 100;
/// So many archives, and of each so many files or tables, are named in a sentence.
const TOLD: usize = 10;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The object of the store that is wrong; `None` if the archive's content is, while every object is whole.
    pub object: Option<String>,
    /// What is wrong, what it means and what can be done, as sentences.
    pub text: String,
    /// The archives that it hits, at most [`HITS_MAX`]; none if every backup still restores whole.
    pub hits: Vec<Hit>,
    /// How many archives it hits.
    pub hits_total: u64,
}

/// What of one archive a problem hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The backup, where it is known.
    pub backup: Option<Uuid>,
    /// The archive's file name; empty if all of the backup is hit.
    pub archive: String,
    /// The files or tables, at most [`SUBJECTS_MAX`]: paths below the archive's top folder, names of tables and of
    /// other objects.
    pub subjects: Vec<String>,
    /// How many files or tables are hit; 0 if it is the archive as a whole.
    pub subjects_total: u64,
    /// Everything behind this file or table is hit too: the list of what comes there can't be read. The archive
    /// can't be downloaded whole.
    pub all_after: Option<String>,
}

/// What a check found wrong: the first [`PROBLEMS_MAX`], and how many there were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problems {
    /// The problems.
    pub list: Vec<Problem>,
    /// How many there were.
    pub total: u64,
}

impl Problems {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Adds a problem, if there is room to keep it.
    pub fn push(&mut self, problem: Problem) {
        self.total += 1;
        if self.list.len() < PROBLEMS_MAX {
            self.list.push(problem);
        }
    }

    /// Takes another check's problems over.
    pub fn extend(&mut self, other: Problems) {
        self.total += other.total;
        let room = PROBLEMS_MAX.saturating_sub(self.list.len());
        self.list.extend(other.list.into_iter().take(room));
    }
}

/// One sentence for a log or a list.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        f.write_str(&self.text)?;
        for hit in self.hits.iter().take(TOLD) {
            write!(f, "; {hit}")?;
        }
        more(f, self.hits_total, self.hits.len().min(TOLD), "archives")
    }
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.backup, self.archive.as_str()) {
            (Some(backup), "") => write!(f, "hit: the backup {backup}")?,
            (_, archive) => write!(f, "hit: {archive}")?,
        }
        for (n, subject) in self.subjects.iter().take(TOLD).enumerate() {
            write!(f, "{}{subject}", if n == 0 { ": " } else { ", " })?;
        }
        more(f, self.subjects_total, self.subjects.len().min(TOLD), "others")?;
        match &self.all_after {
            Some(after) => write!(f, " and everything after {after}"),
            None => Ok(()),
        }
    }
}

fn more(f: &mut fmt::Formatter<'_>, total: u64, shown: usize, what: &str) -> fmt::Result {
    match total.saturating_sub(shown as u64) {
        0 => Ok(()),
        more => write!(f, " and {more} {what}"),
    }
}

/// How a piece of an object is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wrong {
    /// The store lacks its pack, or has it at another length.
    Missing,
    /// An earlier check found it damaged.
    Noted,
    /// Its bytes are not what they were.
    Damaged,
    /// The store answers, and does not give it out. Says why.
    Unreadable(String),
    /// It is as it was stored, and is not what it should be. Says what is wrong.
    Flaw(String),
}

impl Wrong {
    fn text(&self, pieces: u64, of_list: bool) -> String {
        let (pieces, are) = match pieces {
            1 => ("one piece".to_owned(), "is"),
            _ => (format!("{pieces} pieces"), "are"),
        };
        let content = "if the site still has the content, the next backup stores it again";
        // A list comes out the same again only if everything in it does.
        let heals = match of_list {
            true => format!(
                "{content}; but the list of an archive is hit too, and with it the whole archive: that heals only if a backup \
                 finds the site exactly as it was then"
            ),
            false => content.to_owned(),
        };
        match self {
            Wrong::Missing => {
                format!("the store lacks it or a part of it, and {pieces} of archives with it; {heals}")
            }
            Wrong::Noted => {
                format!("{pieces} of it {are} known to be damaged since an earlier check; {heals}")
            }
            Wrong::Damaged => format!("{pieces} of it {are} damaged; {heals}"),
            Wrong::Unreadable(why) => {
                format!("it can't be read ({why}); see that the store gives it out, then check again")
            }
            Wrong::Flaw(text) => text.clone(),
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    pieces: u64,
    /// Whether one of the pieces is of an archive's list.
    of_list: bool,
    hits: Vec<Hit>,
    hits_total: u64,
}

/// Problems on their way: everything of one kind about one object is one problem.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: BTreeMap<(Option<String>, Wrong), Found>,
    /// Beyond what is kept.
    more: u64,
}

/// The archive that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    pub backup: Option<Uuid>,
    pub archive: &'a str,
}

impl Findings {
    fn at(&mut self, object: Option<&str>, wrong: &Wrong) -> Option<&mut Found> {
        let key = (object.map(str::to_owned), wrong.clone());
        if self.found.len() >= PROBLEMS_MAX && !self.found.contains_key(&key) {
            self.more += 1;
            return None;
        }
        Some(self.found.entry(key).or_default())
    }

    /// Notes a problem that is told without whom it hits, or before that is known.
    pub(super) fn wrong(&mut self, object: Option<&str>, wrong: &Wrong, pieces: u64) {
        if let Some(found) = self.at(object, wrong) {
            found.pieces += pieces;
        }
    }

    /// Notes that a problem hits an archive.
    pub(super) fn hit<'s>(
        &mut self,
        object: Option<&str>,
        wrong: &Wrong,
        at: At<'_>,
        subjects: impl Iterator<Item = &'s [u8]>,
    ) {
        let Some(hit) = self.at(object, wrong).and_then(|found| found.hit(at)) else { return };
        for path in subjects {
            let name = readable_path(path);
            // Several pieces of one file come one after the other.
            if hit.subjects.last() == Some(&name) {
                continue;
            }
            hit.subjects_total += 1;
            if hit.subjects.len() < SUBJECTS_MAX {
                hit.subjects.push(name);
            }
        }
    }

    /// Notes that from a place on nothing of an archive can be told.
    pub(super) fn all_after(&mut self, object: Option<&str>, wrong: &Wrong, at: At<'_>, last: Option<&[u8]>) {
        let Some(found) = self.at(object, wrong) else { return };
        found.of_list = true;
        if let Some(hit) = found.hit(at) {
            hit.all_after = last.map(readable_path);
        }
    }

    /// How many different problems there are so far.
    pub(super) fn len(&self) -> usize {
        self.found.len() + self.more as usize
    }

    pub(super) fn into_problems(self) -> Problems {
        let total = (self.found.len() as u64) + self.more;
        let problem = |((object, wrong), found): ((Option<String>, Wrong), Found)| Problem {
            object,
            text: wrong.text(found.pieces, found.of_list),
            hits: found.hits,
            hits_total: found.hits_total,
        };
        Problems { list: self.found.into_iter().map(problem).collect(), total }
    }
}

impl Found {
    fn hit(&mut self, at: At<'_>) -> Option<&mut Hit> {
        let same = |hit: &Hit| hit.backup == at.backup && hit.archive == at.archive;
        if !self.hits.last().is_some_and(same) {
            self.hits_total += 1;
            if self.hits.len() >= HITS_MAX {
                return None;
            }
            self.hits.push(Hit {
                backup: at.backup,
                archive: at.archive.to_owned(),
                subjects: Vec::new(),
                subjects_total: 0,
                all_after: None,
            });
        }
        self.hits.last_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_object_are_one_problem_and_one_file_is_named_once() {
        let mut findings = Findings::default();
        let at = At { backup: None, archive: "a.tar.gz" };
        for path in [&b"x"[..], b"x", b"y\xff"] {
            findings.wrong(Some("packs/1"), &Wrong::Damaged, 1);
            findings.hit(Some("packs/1"), &Wrong::Damaged, at, std::iter::once(path));
        }
        let problems = findings.into_problems();
        assert_eq!((problems.total, problems.list[0].hits_total), (1, 1));
        let text = problems.list[0].to_string();
        assert!(text.starts_with("packs/1: 3 pieces of it are damaged"), "{text}");
        assert!(text.ends_with("hit: a.tar.gz: x, y\\xff"), "{text}");
    }

    /// What the site still has comes again, and a list only if all that it lists is the same.
    #[test]
    fn that_a_list_is_hit_is_told_as_what_it_is() {
        let at = At { backup: None, archive: "a" };
        let mut findings = Findings::default();
        findings.hit(Some("packs/1"), &Wrong::Damaged, at, std::iter::empty());
        findings.all_after(Some("packs/2"), &Wrong::Damaged, at, None);
        let texts: Vec<_> = findings.into_problems().list.into_iter().map(|problem| problem.text).collect();
        assert!(texts[0].ends_with("the next backup stores it again"), "{texts:?}");
        assert!(texts[1].ends_with("finds the site exactly as it was then"), "{texts:?}");
    }

    #[test]
    fn lists_are_bounded_and_totals_are_not() {
        let mut findings = Findings::default();
        for n in 0..PROBLEMS_MAX + 7 {
            let at = At { backup: None, archive: "a" };
            findings.hit(Some(&format!("{n:05}")), &Wrong::Missing, at, std::iter::empty());
        }
        for n in 0..300_u32 {
            let name = n.to_string();
            let at = At { backup: None, archive: &name };
            let paths: Vec<Vec<u8>> = (0..200).map(|m: u32| m.to_string().into_bytes()).collect();
            findings.hit(Some("00000"), &Wrong::Missing, at, paths.iter().map(|path| &path[..]));
        }
        let problems = findings.into_problems();
        assert_eq!((problems.list.len(), problems.total as usize), (PROBLEMS_MAX, PROBLEMS_MAX + 7));
        let first = &problems.list[0];
        assert_eq!((first.hits.len(), first.hits_total), (HITS_MAX, 301));
        assert_eq!((first.hits[1].subjects.len(), first.hits[1].subjects_total), (SUBJECTS_MAX, 200));
    }
}
