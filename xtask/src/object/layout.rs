//! Whether the object lays out what it shares with user space as the loader does: its type information (BTF) against
//! the sizes and offsets that the loader was built with.

use std::collections::BTreeMap;
use std::fmt::Display;

use anyhow::{Context as _, Result, bail};
use berth_common::abi::{self, Layout};
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

/// A struct of the object.
struct Found {
    size: u32,
    /// Name and offset in bytes of each member. Rust's tuples call theirs `__0` and so on.
    members: Vec<(String, u32)>,
}

/// Every type that differs or is missing, as one line.
pub fn problems(object: &[u8]) -> Result<Vec<String>> {
    let elf = ElfFile64::<object::Endianness>::parse(object).context("not a 64-bit ELF file")?;
    let btf = elf.section_by_name(".BTF").context("no .BTF")?;
    Ok(differences(&structs(btf.data()?)?, abi::LAYOUTS))
}

fn differences(found: &BTreeMap<String, Found>, wanted: &[Layout]) -> Vec<String> {
    wanted.iter().filter_map(|layout| difference(found, layout)).collect()
}

fn difference(found: &BTreeMap<String, Found>, layout: &Layout) -> Option<String> {
    let path = layout.name;
    let name = path.rsplit("::").next().unwrap_or(path);
    let Some(found) = found.get(name) else {
        return Some(format!("{path} is not in the object's type information"));
    };
    if usize::try_from(found.size) != Ok(layout.size) {
        return Some(format!("{path} has {} bytes in the object, {} here", found.size, layout.size));
    }
    let there = list(found.members.iter().map(|(name, offset)| (name.trim_start_matches('_'), *offset)));
    let here = list(layout.fields.iter().copied());
    (there != here).then(|| format!("{path} has {there} in the object, {here} here"))
}

fn list<'a, O: Display>(fields: impl Iterator<Item = (&'a str, O)>) -> String {
    let fields: Vec<String> = fields.map(|(name, offset)| format!("{name} at {offset}")).collect();
    fields.join(", ")
}

/// All structs, by name.
fn structs(btf: &[u8]) -> Result<BTreeMap<String, Found>> {
    let magic = btf.get(..2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    if magic != Some(MAGIC) {
        bail!("no BTF of a little-endian machine");
    }
    let header = usize::try_from(word(btf, 4)?)?;
    let (types, length) = (header + usize::try_from(word(btf, 8)?)?, usize::try_from(word(btf, 12)?)?);
    let strings = header + usize::try_from(word(btf, 16)?)?;
    let name = |offset: u32| string(btf, strings + usize::try_from(offset)?);
    let mut structs = BTreeMap::new();
    let mut at = types;
    while at < types + length {
        let (own_name, info, size) = (word(btf, at)?, word(btf, at + 4)?, word(btf, at + 8)?);
        let (kind, count) = (info >> 24 & 0x1f, usize::try_from(info & 0xffff)?);
        at += 12;
        if kind == STRUCT {
            let member = |index| {
                let at = at + 12 * index;
                // In bits.
                anyhow::Ok((name(word(btf, at)?)?, word(btf, at + 8)? / 8))
            };
            let members = (0..count).map(member).collect::<Result<_>>()?;
            structs.insert(name(own_name)?, Found { size, members });
        }
        at += trailer(kind, count);
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
        let strings = b"\0u32\0Flow\0a\0__0\0";
        let types: Vec<u32> =
            [vec![1, INT << 24, 4, 32], vec![5, STRUCT << 24 | 2, size], vec![10, 1, 0], vec![12, 1, 32]]
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
    fn sizes_and_offsets_are_compared() {
        let found = structs(&btf(8)).unwrap();
        let layout = |name, size| Layout { name, size, fields: &[("a", 0), ("0", 4)] };
        let other = Layout { fields: &[("a", 0), ("c", 4)], ..layout("flow::Flow", 8) };
        assert!(differences(&found, &[layout("flow::Flow", 8)]).is_empty());
        assert_eq!(
            differences(&found, &[layout("flow::Flow", 16), layout("flow::Key", 4), other]),
            [
                "flow::Flow has 8 bytes in the object, 16 here",
                "flow::Key is not in the object's type information",
                "flow::Flow has a at 0, 0 at 4 in the object, a at 0, c at 4 here",
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
