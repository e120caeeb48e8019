//! What is looked for: each text in the guises that values have it in, and what has to stand around it.

use std::ops::Range;

use memchr::memmem::Finder;

use super::guise::guises;

/// All texts that are looked for.
#[derive(Debug)]
pub(super) struct Patterns {
    needles: Vec<Needle>,
    cores: Vec<Core>,
}

/// One text in one guise.
#[derive(Debug)]
pub(super) struct Needle {
    finder: Finder<'static>,
    /// What it becomes.
    pub new: Vec<u8>,
    edges: Edges,
}

/// The part of a text that is the same in all guises.
#[derive(Debug)]
struct Core {
    plain: Finder<'static>,
    /// As hexadecimal digits, large and small.
    hex: [Finder<'static>; 2],
}

/// What must not stand around a text for it to be meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Edges {
    /// It begins with a host: no longer name may end in it.
    begin: bool,
    /// It ends with a name: that must not go on.
    end: bool,
    /// It ends with a host, and a port that follows would not belong to what it becomes.
    port: bool,
}

/// What was found in a text.
#[derive(Debug, Default)]
pub(super) struct Found<'p> {
    /// The places that are to be replaced, in their order.
    pub places: Vec<Place<'p>>,
    /// So many places are part of a longer name, and another thing.
    pub longer: u64,
}

/// Where a text was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub start: usize,
    pub needle: &'p Needle,
}

impl Needle {
    /// How long the text is.
    pub fn old_len(&self) -> usize {
        self.finder.needle().len()
    }

    /// Whether something in it is escaped.
    fn is_escaped(&self) -> bool {
        memchr::memchr(b'\\', self.finder.needle()).is_some()
    }

    /// The first place at or after `from` where it is meant. Those before it where it is not are added to `longer`.
    fn next(&self, text: &[u8], from: usize, longer: &mut Vec<Range<usize>>) -> Option<usize> {
        let mut from = from;
        loop {
            let start = from + self.finder.find(text.get(from..)?)?;
            let end = start + self.old_len();
            if self.edges.allow(text, start, end) {
                return Some(start);
            }
            longer.push(start..end);
            from = start + 1;
        }
    }
}

impl Patterns {
    pub fn new(pairs: &[(String, String)]) -> Self {
        let mut needles: Vec<Needle> = Vec::new();
        for (old, new) in pairs {
            let edges = Edges::of(old, new);
            for (old, new) in guises(old, new) {
                if needles.iter().all(|needle| needle.finder.needle() != old) {
                    needles.push(Needle { finder: Finder::new(&old).into_owned(), new, edges });
                }
            }
        }
        Patterns { needles, cores: pairs.iter().map(|(old, _)| Core::of(old)).collect() }
    }

    /// Whether SQL may hold one of the texts, in quotes or as hexadecimal digits.
    pub fn may_be_in_sql(&self, sql: &[u8]) -> bool {
        self.cores
            .iter()
            .any(|core| core.plain.find(sql).is_some() || core.hex.iter().any(|hex| hex.find(sql).is_some()))
    }

    /// Whether a value may hold one of the texts.
    pub fn may_be_in(&self, text: &[u8]) -> bool {
        self.cores.iter().any(|core| core.plain.find(text).is_some())
    }

    /// The places that are to be replaced: the first, and of those that begin together the longest, then the first
    /// after its end.
    pub fn find(&self, text: &[u8]) -> Found<'_> {
        let mut longer = Vec::new();
        let may_be_escaped = memchr::memchr(b'\\', text).is_some();
        let likely = self.needles.iter().filter(|needle| may_be_escaped || !needle.is_escaped());
        let mut next: Vec<_> = likely.map(|needle| (needle.next(text, 0, &mut longer), needle)).collect();
        let mut places = Vec::new();
        loop {
            let ahead = next.iter().filter_map(|(start, needle)| Some((start.as_ref()?, *needle)));
            let first = ahead.min_by_key(|(start, needle)| (**start, usize::MAX - needle.old_len()));
            let Some((start, needle)) = first.map(|(start, needle)| (*start, needle)) else {
                let longer = apart(longer, &places);
                return Found { places, longer };
            };
            places.push(Place { start, needle });
            let end = start + needle.old_len();
            for (start, needle) in &mut next {
                if start.is_some_and(|start| start < end) {
                    *start = needle.next(text, end, &mut longer);
                }
            }
        }
    }
}

/// How many of the ranges lie apart from each other and from all places: several texts may be found at one spot.
fn apart(mut ranges: Vec<Range<usize>>, places: &[Place<'_>]) -> u64 {
    ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let (mut count, mut free) = (0, 0);
    let mut places = places.iter().map(|place| place.start..place.start + place.needle.old_len()).peekable();
    for range in ranges {
        while places.next_if(|place| place.end <= range.start).is_some() {}
        let is_replaced = places.peek().is_some_and(|place| place.start < range.end);
        if !is_replaced && range.start >= free {
            count += 1;
            free = range.end;
        }
    }
    count
}

/// The text with the places replaced.
pub(super) fn replaced(text: &[u8], places: &[Place<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut at = 0;
    for place in places {
        out.extend_from_slice(text.get(at..place.start).unwrap_or_default());
        out.extend_from_slice(&place.needle.new);
        at = place.start + place.needle.old_len();
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

impl Core {
    fn of(old: &str) -> Self {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        let runs = old.as_bytes().split(|byte| !is_plain(byte));
        // An empty one is in everything, as it should be where nothing is plain.
        let core = runs.max_by_key(|run| run.len()).unwrap_or_default();
        let large: String = core.iter().map(|byte| format!("{byte:02X}")).collect();
        let small = large.to_ascii_lowercase();
        let finder = |bytes: &[u8]| Finder::new(bytes).into_owned();
        Core { plain: finder(core), hex: [finder(large.as_bytes()), finder(small.as_bytes())] }
    }
}

impl Edges {
    fn of(old: &str, new: &str) -> Self {
        let new_host = new.rsplit("//").next().unwrap_or(new);
        let takes_port = is_host(new_host) && !new_host.contains(':');
        let scheme = old.find("//").filter(|at| {
            let before = old.get(..*at).unwrap_or_default();
            before.is_empty()
                || before.strip_suffix(':').is_some_and(|s| s.bytes().all(|b| b.is_ascii_alphanumeric()))
        });
        let rest = scheme.and_then(|at| old.get(at + 2..)).unwrap_or(old);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let bare = scheme.is_none() && is_host(host);
        let named = old.chars().next_back().is_some_and(is_name);
        let address = scheme.is_some() || bare;
        Edges {
            begin: bare,
            end: named && (address || old.starts_with('/')),
            // Where a host alone is named, a port ends it; a whole address with another port is another one.
            port: named
                && address
                && host.len() == rest.len()
                && !host.contains(':')
                && !(bare && takes_port),
        }
    }

    /// Whether what stands around a place allows it.
    fn allow(self, text: &[u8], start: usize, end: usize) -> bool {
        let before = text.get(..start).unwrap_or_default();
        let after = text.get(end..).unwrap_or_default();
        (!self.begin || !goes_before(before))
            && (!self.end || !goes_on(after))
            && (!self.port || !is_port(after))
    }
}

/// Whether a text without a scheme is a host's name, perhaps with a port.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "0"));
    let parts: Vec<_> = name.split('.').collect();
    let whole = |part: &&str| !part.is_empty() && part.chars().all(is_name);
    port.bytes().all(|b| b.is_ascii_digit())
        && parts.iter().all(whole)
        && (parts.len() > 1 || name == "localhost")
}

/// Whether a character is part of a name in a host or a path. Scripts that write without spaces are not, since
/// there a name stands right beside the text around it.
fn is_name(c: char) -> bool {
    matches!(c, '-' | '_') || (c.is_alphanumeric() && c < '\u{2E80}')
}

/// The first character, if there is a whole one; bytes in another encoding count as letters.
fn first_char(text: &[u8]) -> Option<char> {
    let most = text.get(..4).unwrap_or(text);
    let chunk = most.utf8_chunks().next()?;
    chunk.valid().chars().next().or(Some('x'))
}

fn last_char(text: &[u8]) -> Option<char> {
    let last = *text.last()?;
    if last.is_ascii() {
        return Some(char::from(last));
    }
    let whole =
        |len: usize| text.len().checked_sub(len).and_then(|at| std::str::from_utf8(text.get(at..)?).ok());
    (2..=4).find_map(whole).and_then(|text| text.chars().next()).or(Some('x'))
}

/// Whether a longer name of a host ends with what comes after this.
fn goes_before(text: &[u8]) -> bool {
    match last_char(text) {
        Some('.') => true,
        Some(c) => is_name(c) && !ends_in_escape(text),
        None => false,
    }
}

/// Whether a text ends with an escaped character that is no letter: `%2F`, `\n`, `\u003c`.
fn ends_in_escape(text: &[u8]) -> bool {
    let hex = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|d| u32::from_str_radix(d, 16).ok());
    let no_name = |code: Option<u32>| code.and_then(char::from_u32).is_some_and(|c| !is_name(c) && c != '.');
    if let Some([b'%', digits @ ..]) = text.last_chunk::<3>() {
        return no_name(hex(digits).filter(|code| *code < 0x80));
    }
    if let Some([b'\\', b'u', digits @ ..]) = text.last_chunk::<6>() {
        return no_name(hex(digits));
    }
    let backslashes = text.iter().rev().skip(1).take_while(|b| **b == b'\\').count();
    matches!(text.last(), Some(b'n' | b'r' | b't' | b'b' | b'f')) && backslashes % 2 == 1
}

/// Whether the name that comes before this goes on in it.
fn goes_on(text: &[u8]) -> bool {
    match text {
        // A full stop may end a sentence.
        [b'.', rest @ ..] => first_char(rest).is_some_and(is_name),
        _ => first_char(text).is_some_and(is_name),
    }
}

/// Whether a port comes first.
fn is_port(text: &[u8]) -> bool {
    let rest = [&b":"[..], b"%3A", b"%3a"].iter().find_map(|colon| text.strip_prefix(*colon));
    rest.and_then(|rest| rest.first()).is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(old: &str, new: &str, text: &str) -> String {
        let patterns = Patterns::new(&[(old.to_owned(), new.to_owned())]);
        String::from_utf8(replaced(text.as_bytes(), &patterns.find(text.as_bytes()).places)).unwrap()
    }

    #[test]
    fn an_address_is_found_as_a_whole_only() {
        for (old, text, found) in [
            ("http://old.example", "http://old.example/", true),
            ("http://old.example", "see http://old.example. Or", true),
            ("http://old.example", "“http://old.example”", true),
            ("http://old.example", "http://old.example.org", false),
            ("http://old.example", "http://old.example-shop.org", false),
            ("http://old.example", "http://old.example:8080/", false),
            ("old.example", "old.example:8080", false),
            ("http://old.example:8080", "http://old.example:8080/", true),
            ("http://old.example/", "http://old.example/x", true),
            ("http://old.example/a", "http://old.example/ab", false),
            ("old.example", "me@old.example", true),
            ("old.example", "www.old.example", false),
            ("old.example", "bold.example", false),
            ("old.example", "éold.example", false),
            ("old.example", "请看old.example网站", true),
            ("old.example", "http%3A%2F%2Fold.example%2F", true),
            ("old.example", "\\nold.example", true),
            ("old.example", "\\\\nold.example", false),
            ("old.example", "\\u003eold.example", true),
            ("//old.example", "https://old.example", true),
            ("/srv/old", "/srv/old2/x", false),
            ("/srv/old", "/srv/old/x", true),
            ("Old Ltd", "GOld Ltds", true),
            ("bücher.example", "http://bücher.example/", true),
        ] {
            assert_eq!(replace(old, "<>", text) != text, found, "{old} in {text}");
        }
    }

    #[test]
    fn of_several_texts_the_longest_is_meant_and_none_is_replaced_twice() {
        let pairs = [("a.example", "b.example"), ("b.example", "c.example"), ("a.example/x", "y")];
        let patterns = Patterns::new(&pairs.map(|(old, new)| (old.to_owned(), new.to_owned())));
        let text = b"a.example b.example a.example/x a.example/xz";
        assert_eq!(replaced(text, &patterns.find(text).places), b"b.example c.example y b.example/xz");
    }

    #[test]
    fn a_port_ends_a_host_that_another_host_takes_the_place_of() {
        assert_eq!(replace("old.example", "n.example", "http://old.example:8080/"), "http://n.example:8080/");
        for (old, new) in [
            ("old.example", "n.example:81"),
            ("http://old.example", "http://n.example"),
            ("old.example", "n.example/x"),
        ] {
            assert_eq!(replace(old, new, "http://old.example:8080/"), "http://old.example:8080/");
        }
    }

    #[test]
    fn what_is_part_of_a_longer_name_is_counted_once() {
        let pairs =
            [("http://old.example", "http://n.example"), ("old.example", "n.example"), ("Acme", "Zeta")];
        let patterns = Patterns::new(&pairs.map(|(old, new)| (old.to_owned(), new.to_owned())));
        let text = b"http://old.example.org http://www.old.example myold.example http://old.example:81 http://old.example AcmeCorp";
        let found = patterns.find(text);
        let expected = b"http://old.example.org http://www.old.example myold.example http://n.example:81 http://n.example ZetaCorp";
        assert_eq!(replaced(text, &found.places), expected);
        assert_eq!(found.longer, 3);
    }
}
