//! What can be said of the object without loading it.

use anyhow::{Context as _, Result};
use object::elf::FileHeader64;
use object::read::elf::ElfFile;
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol, RelocationTarget, SectionKind};

use super::panics;
use super::programs::Program;

const LICENCE: &str = "Dual MIT/GPL";

pub type Elf<'data> = ElfFile<'data, FileHeader64<Endianness>>;

/// Everything that is wrong with the object, each as one line.
pub fn problems(object: &[u8], expected: &[Program]) -> Result<Vec<String>> {
    let elf = Elf::parse(object).context("not a 64-bit ELF file")?;
    Ok([
        wrong_programs(&elf, expected)?,
        panics::find(&elf)?,
        unresolved(&elf)?,
        wrong_licence(&elf),
        missing_btf(&elf),
    ]
    .concat())
}

/// The programs that are in an object.
pub fn found(object: &[u8]) -> Result<Vec<Program>> {
    programs(&Elf::parse(object).context("not a 64-bit ELF file")?)
}

fn wrong_programs(elf: &Elf<'_>, expected: &[Program]) -> Result<Vec<String>> {
    let found = programs(elf)?;
    let line = |program: &Program| format!("{} {}", program.section, program.name);
    let missing = expected
        .iter()
        .filter(|program| !found.contains(program))
        .map(|program| format!("in programs.txt, not in the object: {}", line(program)));
    // A program that nobody listed is one that nobody has verified.
    let unlisted = found
        .iter()
        .filter(|program| !expected.contains(program))
        .map(|program| format!("in the object, not in programs.txt: {}", line(program)));
    Ok(missing.chain(unlisted).collect())
}

/// The programs of the object: the global functions outside `.text` and its parts, which hold what they call.
fn programs(elf: &Elf<'_>) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for symbol in elf.symbols().filter(ObjectSymbol::is_definition) {
        let Some(index) = symbol.section_index() else {
            continue;
        };
        let section = elf.section_by_index(index)?;
        if section.kind() == SectionKind::Text && !section.name()?.starts_with(".text") && symbol.is_global()
        {
            programs.push(Program { section: section.name()?.to_owned(), name: symbol.name()?.to_owned() });
        }
    }
    programs.sort();
    Ok(programs)
}

/// What the object refers to and does not contain, with the places that do so.
fn unresolved(elf: &Elf<'_>) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    // The first symbol of every table is the null symbol.
    for symbol in elf.symbols().filter(|symbol| symbol.index().0 != 0) {
        if symbol.is_undefined() {
            problems.push(format!("undefined symbol: {}", symbol.name()?));
        }
    }
    for section in elf.sections() {
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let symbol = elf.symbol_by_index(index)?;
            if symbol.is_undefined() {
                let (section, name) = (section.name()?, symbol.name()?);
                problems.push(format!("{section}+{offset:#x} refers to undefined `{name}`"));
            }
        }
    }
    Ok(problems)
}

fn wrong_licence(elf: &Elf<'_>) -> Vec<String> {
    let licence = content(elf, "license");
    let text = licence.strip_suffix(b"\0").unwrap_or(licence);
    if text == LICENCE.as_bytes() {
        return Vec::new();
    }
    let found = String::from_utf8_lossy(text);
    vec![format!("the licence is {found:?}, not {LICENCE:?}")]
}

fn missing_btf(elf: &Elf<'_>) -> Vec<String> {
    [".BTF", ".BTF.ext"]
        .iter()
        .filter(|section| content(elf, section).is_empty())
        .map(|section| format!("no {section}"))
        .collect()
}

/// Of a section that is not there: nothing.
fn content<'data>(elf: &Elf<'data>, name: &str) -> &'data [u8] {
    elf.section_by_name(name).and_then(|section| section.data().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
