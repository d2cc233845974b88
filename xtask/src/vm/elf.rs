//! What a program says it needs of other files, where `ldd` cannot run it.

use anyhow::{Context as _, Result};
use object::elf::DT_NEEDED;
use object::read::elf::ProgramHeader as _;

use crate::object::inspect::Elf;

/// What has to be there for a program or a library to be loaded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The path of what loads it.
    pub loader: Option<String>,
    /// The names of its libraries.
    pub libraries: Vec<String>,
}

/// Of a 64-bit ELF file.
pub fn needs(file: &[u8]) -> Result<Needs> {
    let elf = Elf::parse(file).context("not a 64-bit ELF file")?;
    let endian = elf.endian();
    let mut needs = Needs::default();
    for header in elf.elf_program_headers() {
        if let Some(loader) = header.interpreter(endian, file)? {
            needs.loader = Some(String::from_utf8_lossy(loader).into_owned());
        }
    }
    let dynamic = elf.elf_section_table().dynamic_table(endian, file)?;
    for entry in dynamic.iter().filter(|entry| entry.tag == DT_NEEDED) {
        needs.libraries.push(String::from_utf8_lossy(dynamic.string(entry)?).into_owned());
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn this_program_needs_a_loader_and_libc() {
        let needs = needs(&fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
        assert!(needs.loader.unwrap().starts_with('/'));
        assert!(needs.libraries.iter().any(|name| name.starts_with("libc.so")), "{:?}", needs.libraries);
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(needs(b"#!/bin/sh\n").is_err());
    }
}
