//! Patterns of table names.

/// Patterns in which `*` stands for any text and `?` for any character.
#[derive(Debug, Clone, Default)]
pub(super) struct Globs(Vec<Vec<char>>);

impl Globs {
    /// Takes patterns.
    pub(super) fn new(patterns: &[String]) -> Self {
        Globs(patterns.iter().map(|pattern| pattern.chars().collect()).collect())
    }

    /// Whether one of them matches a name.
    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.0.iter().any(|pattern| matches(pattern, &name))
    }
}

fn matches(mut pattern: &[char], mut name: &[char]) -> bool {
    // Where to go on if what follows the last star does not fit: with one more character in the star.
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        match (pattern, name) {
            (['*', after @ ..], _) => {
                retry = Some((after, name));
                pattern = after;
            }
            ([], []) => return true,
            ([wanted, after @ ..], [found, rest @ ..]) if *wanted == '?' || wanted == found => {
                (pattern, name) = (after, rest);
            }
            _ => match retry {
                Some((after, [_, rest @ ..])) => {
                    retry = Some((after, rest));
                    (pattern, name) = (after, rest);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        let globs = Globs::new(&["cache_*".into(), "*_log".into(), "s?ssions".into(), "a*b*c".into()]);
        for name in ["cache_", "cache_menu", "wf_log", "_log", "sessions", "abc", "axxbbxcc", "a_bb_c"] {
            assert!(globs.matches(name), "{name}");
        }
        for name in ["cache", "xcache_menu", "wf_logs", "ssessions", "ab", "Cache_menu", ""] {
            assert!(!globs.matches(name), "{name}");
        }
    }
}
