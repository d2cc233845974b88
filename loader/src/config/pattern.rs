//! Which containers are meant that nobody has named.

use std::{fmt, path::PathBuf, str::FromStr};

use glob::MatchOptions;

use crate::api::runtime::Runtime;

/// What a file's `match` may say, for messages.
const FORMS: &str = "a pattern is lxc:NAMES, docker:NAMES, podman:NAMES, nspawn:NAMES, libvirt:NAMES, docker:label=KEY[=VALUE], \
                     podman:annotation=KEY[=VALUE], or the path of cgroups; in NAMES and paths * and ? stand for others";

/// Some of the containers that come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// By their names in a runtime.
    Named(Runtime, Glob),
    /// By what a runtime was told to attach to them: Docker's labels, Podman's annotations.
    Attribute {
        /// The runtime.
        runtime: Runtime,
        /// The attribute's name.
        key: String,
        /// What it is; any without.
        value: Option<String>,
    },
    /// By their cgroups' paths from the root of the hierarchy, without the first slash.
    Cgroup(Glob),
}

/// A text in which `*`, `?` and `[…]` stand for others, as in a shell: for no slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(glob::Pattern);

impl Glob {
    /// Whether all of `text` is meant.
    pub fn is_match(&self, text: &str) -> bool {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        self.0.matches_with(text, options)
    }

    /// Its parts between slashes, each of which stands for one name.
    pub fn parts(&self) -> impl Iterator<Item = Self> + '_ {
        self.0.as_str().split('/').filter_map(|part| glob::Pattern::new(part).ok().map(Self))
    }

    /// The text, if it stands for itself alone.
    pub fn literal(&self) -> Option<&str> {
        let text = self.0.as_str();
        (!text.contains(['*', '?', '['])).then_some(text)
    }
}

impl Pattern {
    /// Whether it means a container by the name that a runtime has for it.
    pub fn is_named(&self, runtime: Runtime, name: &str) -> bool {
        matches!(self, Self::Named(wanted, glob) if *wanted == runtime && glob.is_match(name))
    }

    /// Whether it means a container by what is attached to it.
    pub fn has_attribute(&self, wanted: Runtime, key: &str, value: &str) -> bool {
        match self {
            Self::Attribute { runtime, key: own_key, value: own_value } => {
                *runtime == wanted && own_key == key && own_value.as_deref().is_none_or(|own| own == value)
            }
            _ => false,
        }
    }

    /// The runtime that starts what it means, if one does.
    pub const fn runtime(&self) -> Option<Runtime> {
        match self {
            Self::Named(runtime, _) | Self::Attribute { runtime, .. } => Some(*runtime),
            Self::Cgroup(_) => None,
        }
    }

    /// The path from the root of the hierarchy of the cgroup below which those it means come and go.
    pub fn cgroup_parent(&self) -> Option<PathBuf> {
        let Self::Cgroup(glob) = self else { return None };
        let mut parent = PathBuf::from("/");
        let parts: Vec<_> = glob.parts().collect();
        let above = parts.split_last().map_or(&[][..], |(_, above)| above);
        parent.extend(above.iter().map_while(Glob::literal));
        Some(parent)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = |why: &str| format!("{text:?} {why}; {FORMS}");
        let glob = |part: &str| match glob::Pattern::new(part) {
            // Each part between slashes has to be one of its own.
            Ok(_) if part.split('/').any(|part| glob::Pattern::new(part).is_err()) => {
                Err(refused("has a slash between brackets"))
            }
            Ok(_) if part.is_empty() => Err(refused("means nothing")),
            Ok(_) if part.contains("**") => Err(refused("has ** in it")),
            Ok(pattern) => Ok(Glob(pattern)),
            Err(error) => Err(refused(&format!("is no pattern ({})", error.msg))),
        };
        let Some((prefix, rest)) = text.split_once(':').filter(|(prefix, _)| !prefix.contains('/')) else {
            let path = text.trim_matches('/');
            if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(refused("is no path"));
            }
            return Ok(Self::Cgroup(glob(path)?));
        };
        let runtime = match prefix {
            "lxc" => Runtime::Lxc,
            "docker" => Runtime::Docker,
            "podman" => Runtime::Podman,
            "nspawn" => Runtime::Nspawn,
            "libvirt" => Runtime::Libvirt,
            _ => return Err(refused("begins with no runtime")),
        };
        let Some((kind, attribute)) = rest.split_once('=') else {
            return Ok(Self::Named(runtime, glob(rest)?));
        };
        match (runtime, kind) {
            (Runtime::Docker, "label") | (Runtime::Podman, "annotation") => {}
            (Runtime::Podman, "label") => {
                return Err(refused("asks for what Podman keeps in a database of its own"));
            }
            _ => return Err(refused("asks for what that runtime does not attach to containers")),
        }
        let (key, value) = match attribute.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (attribute, None),
        };
        if key.is_empty() {
            return Err(refused("has no key"));
        }
        Ok(Self::Attribute { runtime, key: key.to_owned(), value })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(runtime, glob) => write!(f, "{runtime}:{}", glob.0),
            Self::Cgroup(glob) => write!(f, "/{}", glob.0),
            Self::Attribute { runtime, key, value } => {
                let kind = if *runtime == Runtime::Docker { "label" } else { "annotation" };
                write!(f, "{runtime}:{kind}={key}")?;
                value.iter().try_for_each(|value| write!(f, "={value}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_meant_as_in_a_shell() {
        let web = pattern("lxc:web-*");
        assert!(web.is_named(Runtime::Lxc, "web-1") && web.is_named(Runtime::Lxc, "web-"));
        assert!(!web.is_named(Runtime::Lxc, "a-web-1") && !web.is_named(Runtime::Docker, "web-1"));
        assert!(pattern("docker:[ab]?").is_named(Runtime::Docker, "b2"));
        assert!(!pattern("podman:*").is_named(Runtime::Podman, "a/b"));
    }

    #[test]
    fn attributes_are_meant_with_a_value_or_with_any() {
        let any = pattern("docker:label=berth");
        assert!(
            any.has_attribute(Runtime::Docker, "berth", "")
                && any.has_attribute(Runtime::Docker, "berth", "x")
        );
        assert!(
            !any.has_attribute(Runtime::Docker, "berths", "")
                && !any.has_attribute(Runtime::Podman, "berth", "")
        );
        let one = pattern("podman:annotation=tier=front=end");
        assert!(one.has_attribute(Runtime::Podman, "tier", "front=end"));
        assert!(!one.has_attribute(Runtime::Podman, "tier", "front"));
    }

    #[test]
    fn cgroups_are_watched_from_where_they_are_certain() {
        for (text, parent) in [
            ("lxc.payload.*", "/"),
            ("/machine.slice/*.scope", "/machine.slice"),
            ("/a/b*/c", "/a"),
            ("/a/b/c", "/a/b"),
        ] {
            assert_eq!(pattern(text).cgroup_parent(), Some(parent.into()), "{text}");
        }
        assert_eq!(pattern("lxc:*").cgroup_parent(), None);
        let Pattern::Cgroup(glob) = pattern("/a/b*") else { panic!("no cgroup") };
        assert!(glob.is_match("a/bc") && !glob.is_match("a/bc/d"));
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for text in [
            "lxc:web-*",
            "nspawn:?",
            "/machine.slice/*.scope",
            "docker:label=a",
            "docker:label=a=b",
            "podman:annotation=a=b=c",
        ] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (text, told) in [
            ("", "is no path"),
            ("/", "is no path"),
            ("/a/../b", "is no path"),
            ("lxc:", "means nothing"),
            ("lxc:[a", "is no pattern"),
            ("/a/**/b", "has ** in it"),
            ("/ci/[a/b]", "has a slash between brackets"),
            ("lxd:a", "begins with no runtime"),
            ("podman:label=a", "podman:annotation=KEY"),
            ("lxc:label=a", "does not attach"),
            ("docker:label=", "has no key"),
        ] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert!(error.contains(told) && !error.contains('\n'), "{error}");
        }
    }
}
