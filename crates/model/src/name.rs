//! Names of sites and environments.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text can't be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A site's or an environment's name holds something else than it may.
    #[error(
        "\"{0}\" can't be a name: use 1 to 63 lower-case letters, digits and hyphens, beginning with a letter or digit"
    )]
    BadName(String),
    /// The text is not of the form `site.env`.
    #[error("The environment argument must be given as <site_name>.<environment>")]
    NotSiteEnv(String),
}

fn check(text: &str) -> Result<(), NameError> {
    let fits = (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-');
    if fits { Ok(()) } else { Err(NameError::BadName(text.to_owned())) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                check(text).map(|()| $name(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                check(&text).map(|()| $name(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// A site's name, such as `shop`: 1 to 63 lower-case letters, digits and hyphens.
    SiteName
}

name! {
    /// An environment's name, such as `live`: 1 to 63 lower-case letters, digits and hyphens.
    EnvName
}

impl SiteName {
    /// The nearest name to any text: what a folder or a host is called, made to fit.
    pub fn suggest(text: &str) -> Option<SiteName> {
        let mut name = String::new();
        for c in text.chars().flat_map(char::to_lowercase) {
            match c {
                'a'..='z' | '0'..='9' => name.push(c),
                _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
                _ => {}
            }
        }
        name.truncate(63);
        SiteName::from_str(name.trim_end_matches('-')).ok()
    }
}

/// One environment of one site, written `shop.live`. The site is named or given by its UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SiteEnv {
    /// The site's name, or its UUID as text.
    pub site: String,
    /// The environment.
    pub env: EnvName,
}

impl FromStr for SiteEnv {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not = || NameError::NotSiteEnv(text.to_owned());
        let (site, env) = text.split_once('.').ok_or_else(not)?;
        if site.is_empty() || env.is_empty() || env.contains('.') {
            return Err(not());
        }
        Ok(SiteEnv { site: site.to_owned(), env: env.parse()? })
    }
}

impl fmt::Display for SiteEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.site, self.env)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_dot_no_underscore_and_no_capital() {
        for bad in ["", "a.b", "a_b", "Shop", "-a", "a/b", &"x".repeat(64)] {
            assert!(bad.parse::<SiteName>().is_err(), "{bad}");
        }
        assert_eq!("my-shop2".parse::<SiteName>().unwrap().as_str(), "my-shop2");
    }

    #[test]
    fn site_and_environment_are_split_at_the_dot() {
        let both: SiteEnv = "shop.live".parse().unwrap();
        assert_eq!((both.site.as_str(), both.env.as_str()), ("shop", "live"));
        for bad in ["shop", "shop.", ".live", "shop.live.x"] {
            assert_eq!(bad.parse::<SiteEnv>(), Err(NameError::NotSiteEnv(bad.to_owned())));
        }
    }

    #[test]
    fn a_name_is_suggested_from_any_text() {
        assert_eq!(SiteName::suggest("My Shop.example.com").unwrap().as_str(), "my-shop-example-com");
        assert_eq!(SiteName::suggest("--"), None);
    }
}
