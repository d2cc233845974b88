//! The mirrors that this system's own package sources name.

use std::fs;
use std::path::Path;

/// All addresses in the system's sources.
pub fn of_system() -> Vec<String> {
    let apt = Path::new("/etc/apt");
    let parts = fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten();
    let mut files: Vec<_> = parts.map(|entry| entry.path()).collect();
    files.push(apt.join("sources.list"));
    files.iter().filter_map(|file| fs::read_to_string(file).ok()).flat_map(|text| addresses(&text)).collect()
}

/// The mirror of one of Debian's archives: its address ends in the archive's name.
pub fn find<'a>(mirrors: &'a [String], archive: &str) -> Option<&'a str> {
    let of_archive = |mirror: &&String| mirror.trim_end_matches('/').rsplit('/').next() == Some(archive);
    mirrors.iter().find(of_archive).map(String::as_str)
}

/// Those of both formats: `deb [options] ADDRESS …` and `URIs: ADDRESS …`.
fn addresses(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .filter(|word| word.contains("://"))
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let old = "# deb http://a/debian x main\ndeb [arch=amd64 signed-by=/k] http://b/debian x main\n";
        let new = "Types: deb\nURIs: http://c/debian-security/ http://d/debian\nSuites: x\n";
        let found = [addresses(old), addresses(new)].concat();
        assert_eq!(found, ["http://b/debian", "http://c/debian-security/", "http://d/debian"]);
        assert_eq!(find(&found, "debian"), Some("http://b/debian"));
        assert_eq!(find(&found, "debian-security"), Some("http://c/debian-security/"));
        assert_eq!(find(&found, "other"), None);
    }
}
