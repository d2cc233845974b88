//! Whether the object lays out what it shares with user space as the loader does: its type information (BTF) against
//! the sizes that the loader was built with. All these structs are `repr(C)` without gaps, so sizes tell.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use berth_common::abi;
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _};

const MAGIC: u16 = 0xeb9f;

const INT: u32 = 1;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const DECL_TAG: u32 = 17;
const ENUM64: u32 = 19;

/// Every type that differs or is missing, as one line.
pub fn problems(object: &[u8]) -> Result<Vec<String>> {
    let elf = ElfFile64::<object::Endianness>::parse(object).context("not a 64-bit ELF file")?;
    let btf = elf.section_by_name(".BTF").context("no .BTF")?;
    Ok(differences(&structs(btf.data()?)?, abi::SIZES))
}

fn differences(found: &BTreeMap<String, u32>, wanted: &[(&str, usize)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, size) in wanted {
        let name = path.rsplit("::").next().unwrap_or(path);
        match found.get(name) {
            Some(found) if usize::try_from(*found) == Ok(*size) => {}
            Some(found) => problems.push(format!("{path} has {found} bytes in the object, {size} here")),
            None => problems.push(format!("{path} is not in the object's type information")),
        }
    }
    problems
}

/// Names and sizes of all structs.
fn structs(btf: &[u8]) -> Result<BTreeMap<String, u32>> {
    let magic = btf.get(..2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    if magic != Some(MAGIC) {
        bail!("no BTF of a little-endian machine");
    }
    let header = usize::try_from(word(btf, 4)?)?;
    let (types, length) = (header + usize::try_from(word(btf, 8)?)?, usize::try_from(word(btf, 12)?)?);
    let strings = header + usize::try_from(word(btf, 16)?)?;
    let mut structs = BTreeMap::new();
    let mut at = types;
    while at < types + length {
        let (name, info, size) = (word(btf, at)?, word(btf, at + 4)?, word(btf, at + 8)?);
        let (kind, count) = (info >> 24 & 0x1f, usize::try_from(info & 0xffff)?);
        if kind == STRUCT {
            structs.insert(string(btf, strings + usize::try_from(name)?)?, size);
        }
        at += 12 + trailer(kind, count);
    }
    Ok(structs)
}

/// How many bytes follow a type's first twelve.
fn trailer(kind: u32, count: usize) -> usize {
    match kind {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION | DATASEC | ENUM64 => 12 * count,
        ENUM | FUNC_PROTO => 8 * count,
        _ => 0,
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    word.map(u32::from_le_bytes).context("the type information is cut off")
}

fn string(bytes: &[u8], at: usize) -> Result<String> {
    let rest = bytes.get(at..).context("the type information is cut off")?;
    let end = rest.iter().position(|byte| *byte == 0).context("a name without an end")?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type information with one integer and one struct of two members.
    fn btf(size: u32) -> Vec<u8> {
        let strings = b"\0u32\0Flow\0";
        let member = [0, 1, 0];
        let types: Vec<u32> =
            [vec![1, INT << 24, 4, 32], vec![5, STRUCT << 24 | 2, size], member.to_vec(), member.to_vec()]
                .concat();
        let length = u32::try_from(types.len() * 4).unwrap();
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, length, length, u32::try_from(strings.len()).unwrap()].into_iter().chain(types) {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn sizes_are_compared() {
        let found = structs(&btf(8)).unwrap();
        assert!(differences(&found, &[("flow::Flow", 8)]).is_empty());
        assert_eq!(
            differences(&found, &[("flow::Flow", 16), ("flow::Key", 4)]),
            [
                "flow::Flow has 8 bytes in the object, 16 here",
                "flow::Key is not in the object's type information",
            ]
        );
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let bytes = btf(8);
        assert!(structs(&bytes[..40]).is_err());
        assert!(structs(b"no").is_err());
    }
}
