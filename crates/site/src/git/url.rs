//! URLs of repositories, and the credentials in them.

use undercroft_model::Secret;

use super::error::GitError;

/// How a repository is named.
#[derive(Debug)]
pub(super) enum Address {
    /// A path on this machine.
    Path(String),
    /// Somewhere else.
    Url(Url),
}

/// A URL, parted from its credentials.
#[derive(Debug)]
pub(super) struct Url {
    /// The URL without them: what may be shown, and what git is given.
    pub shown: String,
    /// `https://host:port`, for which the credentials are.
    pub host: String,
    /// User and password.
    pub credentials: Option<(Secret, Secret)>,
}

impl Address {
    /// Tells a URL from a path, as git does.
    pub fn parse(text: &str) -> Result<Self, GitError> {
        let shown = || String::from_utf8_lossy(&without_credentials(text.as_bytes())).into_owned();
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "file" => Ok(Address::Path(decoded(rest).reveal().to_owned())),
                "http" | "https" => {
                    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
                    let (user, password) = user.split_once(':').unwrap_or((user, ""));
                    let credentials = (!user.is_empty() || !password.is_empty())
                        .then(|| (decoded(user), decoded(password)));
                    let host = format!("{scheme}://{host}");
                    Ok(Address::Url(Url { shown: shown(), host, credentials }))
                }
                "ssh" | "git" => {
                    Ok(Address::Url(Url { shown: shown(), host: String::new(), credentials: None }))
                }
                _ => Err(GitError::BadUrl(shown())),
            };
        }
        let Some((before, after)) = text.split_once(':').filter(|(before, _)| !before.contains('/')) else {
            return Ok(Address::Path(text.to_owned()));
        };
        if after.starts_with(':') || before.is_empty() || before.starts_with('-') {
            return Err(GitError::BadUrl(shown()));
        }
        // `git@host:path`, as ssh and scp have it.
        Ok(Address::Url(Url { shown: text.to_owned(), host: String::new(), credentials: None }))
    }
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Secret {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Secret::new(String::from_utf8_lossy(&bytes))
}

/// A URL as it may be shown and kept: with neither user nor password nor query, but for ssh, where the user is
/// part of the address.
pub(super) fn without_credentials(url: &[u8]) -> Vec<u8> {
    let Some(at) = url.windows(3).position(|part| part == b"://") else { return url.to_vec() };
    let (scheme, rest) = url.split_at(at + 3);
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host_at = authority.iter().rposition(|b| *b == b'@').map_or(0, |at| at + 1);
    let (user, host) = authority.split_at(host_at);
    let mut shown = scheme.to_vec();
    let is_ssh = [&b"ssh://"[..], b"git+ssh://", b"ssh+git://"].iter().any(|s| scheme.ends_with(s));
    if is_ssh && !user.is_empty() {
        shown.extend(user.split(|b| matches!(b, b':' | b'@')).next().unwrap_or_default());
        shown.push(b'@');
    }
    shown.extend(host);
    let query = path.iter().position(|b| matches!(b, b'?' | b'#')).filter(|_| !scheme.ends_with(b"file://"));
    shown.extend(path.get(..query.unwrap_or(path.len())).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        for (url, shown) in [
            ("https://u:p@h:8443/r.git", "https://h:8443/r.git"),
            ("https://token@h/r?private_token=x", "https://h/r"),
            ("https://u:p@ss@h/r", "https://h/r"),
            ("ssh://git:p@h/r", "ssh://git@h/r"),
            ("ssh://h/r", "ssh://h/r"),
            ("git@h:r.git", "git@h:r.git"),
            ("/srv/r", "/srv/r"),
            ("file:///srv/a?b", "file:///srv/a?b"),
        ] {
            assert_eq!(String::from_utf8(without_credentials(url.as_bytes())).unwrap(), shown);
        }
    }

    #[test]
    fn a_file_url_is_a_path() {
        let Ok(Address::Path(path)) = Address::parse("file:///srv/my%20site") else { panic!() };
        assert_eq!(path, "/srv/my site");
    }

    #[test]
    fn a_url_is_told_from_a_path() {
        let Ok(Address::Url(url)) = Address::parse("https://u%40x:p%2Fw@h:1/r") else { panic!() };
        assert_eq!((url.shown.as_str(), url.host.as_str()), ("https://h:1/r", "https://h:1"));
        let (user, password) = url.credentials.unwrap();
        assert_eq!((user.reveal(), password.reveal()), ("u@x", "p/w"));
        for path in ["/srv/r", "./a:b", "r", "file:///srv/r"] {
            assert!(matches!(Address::parse(path), Ok(Address::Path(_))), "{path}");
        }
        for url in ["git@h:r", "h:r", "git://h/r", "ssh://git@h/r"] {
            assert!(matches!(Address::parse(url), Ok(Address::Url(_))), "{url}");
        }
        for bad in ["ext::sh -c x", "ext://x", "-oProxy=x:y", "ftp://h/r"] {
            assert!(matches!(Address::parse(bad), Err(GitError::BadUrl(_))), "{bad}");
        }
    }
}
