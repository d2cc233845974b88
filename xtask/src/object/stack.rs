//! How deep each program's stack gets: along its longest chain of calls, counted as kernels up to 6.12 do, which round
//! each frame up to 32 bytes (`check_max_stack_depth` in kernel/bpf/verifier.c) and allow 512 in all.
//!
//! The kernel tells nobody, except in a log that loaders throw away when all is well, so it is read off the code. It is
//! the same for all kernels, but for what they find to be dead.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionIndex, SymbolKind,
};

use super::inspect::Elf;
use super::programs::Program;

/// What a program may use (`MAX_BPF_STACK`).
pub const LIMIT: u64 = 512;

const FRAME: u64 = 32;
const INSTRUCTION: usize = 8;
/// The register that points to the end of the frame.
const FRAME_POINTER: u8 = 10;

// Instructions, from linux/bpf.h.
const CLASS: u8 = 0x07;
const CLASS_LD: u8 = 0x00;
const CLASS_LDX: u8 = 0x01;
const CLASS_ST: u8 = 0x02;
const CLASS_STX: u8 = 0x03;
const CLASS_ALU: u8 = 0x04;
const CLASS_ALU64: u8 = 0x07;
const MOVE: u8 = 0xbf;
const ADD_IMMEDIATE: u8 = 0x07;
const CALL: u8 = 0x85;
/// In the source register of a call: of another function of the object.
const PSEUDO_CALL: u8 = 1;
const LOAD_64: u8 = 0x18;

/// Where a function begins: the number of its section, and how far into it.
type Place = (usize, u64);

/// The longest chain of calls that a program makes.
pub struct Chain {
    /// Bytes of stack.
    pub depth: u64,
    /// Its functions and their frames, the program first.
    pub frames: Vec<(String, u64)>,
}

struct Function {
    own: u64,
    calls: Vec<Place>,
}

/// Bytes of stack, by program.
pub fn depths(object: &[u8], programs: &[Program]) -> Result<BTreeMap<String, u64>> {
    Ok(chains(object, programs)?.into_iter().map(|(name, chain)| (name, chain.depth)).collect())
}

/// The longest chain of calls, by program.
pub fn chains(object: &[u8], programs: &[Program]) -> Result<BTreeMap<String, Chain>> {
    let elf = Elf::parse(object).context("not a 64-bit ELF file")?;
    let mut functions = BTreeMap::new();
    let mut names = BTreeMap::new();
    for symbol in elf.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
        let Some(section) = symbol.section_index() else { continue };
        let place = (section.0, symbol.address());
        functions.insert(place, function(&elf, section, symbol.address(), symbol.size())?);
        names.insert(symbol.name()?, place);
    }
    programs
        .iter()
        .map(|program| {
            let place = names.get(program.name.as_str()).context("a program without code")?;
            let mut frames = Vec::new();
            let depth = depth(&functions, *place, &mut frames)?;
            let name = |place| names.iter().find(|(_, other)| **other == place).map_or("?", |(name, _)| name);
            let frames = frames.into_iter().map(|(place, own)| (name(place).to_owned(), own)).collect();
            Ok((program.name.clone(), Chain { depth, frames }))
        })
        .collect()
}

/// Adds the functions of the longest chain from `place` on to `chain`, and returns the bytes that they need.
fn depth(functions: &BTreeMap<Place, Function>, place: Place, chain: &mut Vec<(Place, u64)>) -> Result<u64> {
    let function =
        functions.get(&place).with_context(|| format!("a call to {place:?}, where nothing begins"))?;
    // The kernel's limit, which a recursion would exceed.
    if chain.len() > 8 {
        bail!("calls are more than 8 deep");
    }
    let own = function.own.max(1).next_multiple_of(FRAME);
    chain.push((place, own));
    let (mut deepest, mut longest) = (0, chain.clone());
    for callee in &function.calls {
        let mut other = chain.clone();
        let depth = depth(functions, *callee, &mut other)?;
        if depth > deepest {
            (deepest, longest) = (depth, other);
        }
    }
    *chain = longest;
    Ok(own + deepest)
}

fn function(elf: &Elf<'_>, section: SectionIndex, start: u64, size: u64) -> Result<Function> {
    let section = elf.section_by_index(section)?;
    let (from, to) = (usize::try_from(start)?, usize::try_from(start + size)?);
    let code = section.data()?.get(from..to).context("a function beyond its section")?;
    let mut calls = Vec::new();
    let relocations: BTreeMap<u64, _> = section.relocations().collect();
    for (index, instruction) in code.chunks_exact(INSTRUCTION).enumerate() {
        let offset = start + u64::try_from(index * INSTRUCTION)?;
        let Instruction { code, source, immediate, .. } = Instruction::read(instruction);
        let own_call = code == CALL && source == PSEUDO_CALL;
        let target = relocations.get(&offset).map(object::Relocation::target);
        match target {
            Some(RelocationTarget::Symbol(symbol)) if own_call || code == LOAD_64 => {
                let symbol = elf.symbol_by_index(symbol)?;
                let Some(index) = symbol.section_index() else { continue };
                if elf.section_by_index(index)?.kind() != object::SectionKind::Text {
                    continue;
                }
                // A call counts instructions, less one; the address of a callback counts bytes.
                let way = if own_call { (i64::from(immediate) + 1) * 8 } else { i64::from(immediate) };
                calls.push((index.0, symbol.address().wrapping_add_signed(way)));
            }
            None if own_call => {
                let way = (i64::from(immediate) + 1) * 8;
                calls.push((section.index().0, offset.wrapping_add_signed(way)));
            }
            _ => {}
        }
    }
    calls.sort_unstable();
    calls.dedup();
    Ok(Function { own: frame(code), calls })
}

/// The lowest byte that a function touches below its frame pointer, or points to.
fn frame(code: &[u8]) -> u64 {
    let mut pointers = [None; 16];
    pointers[usize::from(FRAME_POINTER)] = Some(0_i64);
    let mut lowest = 0;
    for instruction in code.chunks_exact(INSTRUCTION) {
        let Instruction { code, target, source, offset, immediate } = Instruction::read(instruction);
        let (to, from) = (usize::from(target), usize::from(source));
        match code & CLASS {
            CLASS_ST | CLASS_STX => {
                if let Some(base) = pointers[to] {
                    lowest = lowest.min(base + i64::from(offset));
                }
            }
            CLASS_LDX => {
                if let Some(base) = pointers[from] {
                    lowest = lowest.min(base + i64::from(offset));
                }
                pointers[to] = None;
            }
            CLASS_ALU | CLASS_ALU64 => {
                pointers[to] = match code {
                    MOVE => pointers[from],
                    ADD_IMMEDIATE => pointers[to].map(|base| base + i64::from(immediate)),
                    _ => None,
                };
                lowest = lowest.min(pointers[to].unwrap_or(0));
            }
            CLASS_LD => pointers[to] = None,
            _ if code == CALL => pointers[..6].fill(None),
            _ => {}
        }
    }
    lowest.unsigned_abs()
}

struct Instruction {
    code: u8,
    target: u8,
    source: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    /// Of a little-endian machine.
    fn read(bytes: &[u8]) -> Self {
        let mut whole = [0; INSTRUCTION];
        whole.copy_from_slice(bytes);
        let [code, registers, low, high, immediate @ ..] = whole;
        Self {
            code,
            target: registers & 0xf,
            source: registers >> 4,
            offset: i16::from_le_bytes([low, high]),
            immediate: i32::from_le_bytes(immediate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(instructions: &[[u8; 8]]) -> Vec<u8> {
        instructions.concat()
    }

    #[test]
    fn stores_and_pointers_make_the_frame() {
        // *(u64 *)(r10 - 24) = r1
        let store = [0x7b, 0x1a, 0xe8, 0xff, 0, 0, 0, 0];
        assert_eq!(frame(&code(&[store])), 24);
        // r2 = r10; r2 += -64
        let pointer = [[0xbf, 0xa2, 0, 0, 0, 0, 0, 0], [0x07, 0x02, 0, 0, 0xc0, 0xff, 0xff, 0xff]];
        assert_eq!(frame(&code(&pointer)), 64);
        // r3 = r1; r3 += -64 has nothing to do with it.
        let other = [[0xbf, 0x13, 0, 0, 0, 0, 0, 0], [0x07, 0x03, 0, 0, 0xc0, 0xff, 0xff, 0xff]];
        assert_eq!(frame(&code(&other)), 0);
    }

    #[test]
    fn frames_add_up_along_the_longest_chain() {
        let place = |address| (1, address);
        let function =
            |own, calls: &[u64]| Function { own, calls: calls.iter().map(|at| place(*at)).collect() };
        let functions: BTreeMap<Place, Function> = [
            (place(0), function(40, &[8, 16])),
            (place(8), function(0, &[])),
            (place(16), function(32, &[24])),
            (place(24), function(100, &[])),
            (place(32), function(1, &[32])),
        ]
        .into();
        let mut chain = Vec::new();
        assert_eq!(depth(&functions, place(0), &mut chain).unwrap(), 64 + 32 + 128);
        assert_eq!(chain.iter().map(|(_, own)| *own).collect::<Vec<_>>(), [64, 32, 128]);
        assert!(depth(&functions, place(32), &mut Vec::new()).is_err());
        assert!(depth(&functions, place(40), &mut Vec::new()).is_err());
    }
}
