//! Where in the source instructions come from, by the object's line information (.BTF.ext of the kernel's
//! Documentation/bpf/btf.rst).

use std::collections::BTreeSet;

use super::{Place, log::Annotation};

/// Directories of what is compiled into the programs, from the root of the project.
const OURS: [&str; 2] = ["ebpf/src/", "common/src/"];

/// The lines of berth's own source that have become instructions.
#[derive(Debug, Default)]
pub struct Sources {
    lines: BTreeSet<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    /// Path from the root of the project.
    file: String,
    number: u32,
    text: String,
    /// The function that it is part of in the object: a program, or what it calls.
    function: String,
}

impl Sources {
    /// Those of an object. None are known of one that cannot be read, or was built without.
    pub fn of(object: &[u8]) -> Self {
        /// The lower bits are the column (linux/bpf.h, `BPF_LINE_INFO_LINE_NUM`).
        const COLUMN_BITS: u32 = 10;

        let Ok(object) = aya_obj::Object::parse(object) else {
            return Self::default();
        };
        let types = object.btf.as_ref().map(aya_obj::btf::Btf::to_bytes).unwrap_or_default();
        let strings = strings(&types).unwrap_or_default();
        let records = object.functions.values().flat_map(|function| {
            function.line_info.line_info.iter().map(move |record| (&function.name, record))
        });
        let lines = records.filter_map(|(function, record)| {
            let file = relative(string(strings, record.file_name_off)?)?.to_owned();
            let text = string(strings, record.line_off)?.trim().to_owned();
            let number = record.line_col >> COLUMN_BITS;
            Some(Line { file, number, text, function: function.clone() })
        });
        Self { lines: lines.collect() }
    }

    /// Of (function, file, number, text).
    #[cfg(test)]
    pub fn from_lines(lines: &[(&str, &str, u32, &str)]) -> Self {
        let line = |&(function, file, number, text): &(&str, &str, u32, &str)| Line {
            file: file.to_owned(),
            number,
            text: text.to_owned(),
            function: function.to_owned(),
        };
        Self { lines: lines.iter().map(line).collect() }
    }

    /// Where an annotation of the verifier's log on a program points to, if that is in here.
    pub fn place(&self, annotation: &Annotation<'_>, program: &str) -> Option<Place> {
        let candidates: Vec<&Line> = self.lines.iter().filter(|line| line.is(annotation)).collect();
        let own = candidates.iter().filter(|line| line.function == program).copied();
        // The same words on several lines: which of them, only the kernel could have said.
        one(candidates.iter().copied())
            .or_else(|| one(own))
            .or_else(|| (!candidates.is_empty()).then(|| Place::Text(annotation.text.to_owned())))
    }
}

/// The place that all the lines are.
fn one<'a>(mut lines: impl Iterator<Item = &'a Line>) -> Option<Place> {
    let first = lines.next()?;
    let same = lines.all(|line| (&line.file, line.number) == (&first.file, first.number));
    same.then(|| Place::Line { file: first.file.clone(), line: first.number })
}

impl Line {
    fn is(&self, annotation: &Annotation<'_>) -> bool {
        let name = self.file.rsplit('/').next();
        let placed = annotation.place.is_none_or(|(file, line)| name == Some(file) && line == self.number);
        // Without any words, there must be a number.
        placed && self.text == annotation.text && (annotation.place.is_some() || !self.text.is_empty())
    }
}

/// The path from the root of the project of a file of its own.
fn relative(path: &str) -> Option<&str> {
    OURS.iter().find_map(|directory| {
        let start = path.rfind(directory)?;
        let before = path.get(..start)?;
        if before.is_empty() || before.ends_with('/') { path.get(start..) } else { None }
    })
}

/// The strings in type information.
fn strings(types: &[u8]) -> Option<&[u8]> {
    // After magic, version and flags, words: length of the header, then offset and length of types and of strings.
    let word = |offset: usize| types.get(offset..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
    let start = word(4)?.checked_add(word(16)?)? as usize;
    types.get(start..start.checked_add(word(20)? as usize)?)
}

fn string(strings: &[u8], offset: u32) -> Option<&str> {
    let bytes = strings.get(offset as usize..)?.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Object;

    #[test]
    fn a_line_is_found_by_name_and_number_or_by_its_words() {
        let sources = Sources::from_lines(&[
            ("berth_send", "ebpf/src/hooks/tc.rs", 7, "let x = 1;"),
            ("berth_send", "ebpf/src/tables.rs", 7, "let x = 1;"),
            ("berth_send", "ebpf/src/tables.rs", 8, "let y = 1;"),
            ("seam_parse", "ebpf/src/tables.rs", 8, "let y = 1;"),
        ]);
        let place = |text, place| sources.place(&Annotation { text, place }, "berth_send");
        let tables = |line| Some(Place::Line { file: "ebpf/src/tables.rs".to_owned(), line });
        assert_eq!(place("let x = 1;", Some(("tables.rs", 7))), tables(7));
        assert_eq!(place("let y = 1;", None), tables(8));
        assert_eq!(place("let x = 1;", None), Some(Place::Text("let x = 1;".to_owned())));
        assert_eq!(place("let x = 1;", Some(("tables.rs", 9))), None);
        assert_eq!(place("", None), None);
    }

    #[test]
    fn of_lines_with_the_same_words_that_of_the_program_is_meant() {
        let sources = Sources::from_lines(&[
            ("berth_up_in", "ebpf/src/hooks/tc.rs", 34, "#[classifier]"),
            ("berth_up_out", "ebpf/src/hooks/tc.rs", 40, "#[classifier]"),
        ]);
        let annotation = Annotation { text: "#[classifier]", place: None };
        let line = |line| Some(Place::Line { file: "ebpf/src/hooks/tc.rs".to_owned(), line });
        assert_eq!(sources.place(&annotation, "berth_up_out"), line(40));
        let words = Some(Place::Text("#[classifier]".to_owned()));
        assert_eq!(sources.place(&annotation, "berth_send"), words);
    }

    #[test]
    fn only_the_project_s_own_files_have_a_path() {
        assert_eq!(relative("/a/b/ebpf/src/hooks/tc.rs"), Some("ebpf/src/hooks/tc.rs"));
        assert_eq!(relative("common/src/wire/mod.rs"), Some("common/src/wire/mod.rs"));
        assert_eq!(relative("/a/aya-ebpf/src/lib.rs"), None);
        assert_eq!(relative("/a/library/core/src/num/mod.rs"), None);
    }

    #[test]
    fn the_embedded_object_says_where_it_comes_from() {
        let sources = Object::embedded().sources();
        // It may have been built without the programs.
        if !Object::embedded().is_empty() {
            let in_hooks = |line: &&Line| line.file.starts_with("ebpf/src/hooks/") && !line.text.is_empty();
            assert!(sources.lines.iter().filter(in_hooks).count() > 100, "{:?}", sources.lines.first());
            assert!(sources.lines.iter().any(|line| line.file.starts_with("common/src/engine/")));
        }
    }

    #[test]
    fn nothing_is_known_of_what_is_no_object() {
        assert!(Sources::of(b"").lines.is_empty());
        assert!(Sources::of(b"\x7fELF and no more").lines.is_empty());
    }
}
