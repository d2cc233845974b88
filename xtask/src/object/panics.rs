//! What in the object can panic, and from where.
//!
//! A panic cannot be run in the kernel. Of one that is left, the verifier says no more than that the last
//! instruction is not an exit.

use anyhow::Result;
use object::{
    Object as _, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SectionKind, SymbolKind,
};

use super::inspect::Elf;

pub fn find(elf: &Elf<'_>) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for symbol in elf.symbols() {
        let name = symbol.name()?;
        if is_panic(name) {
            problems.push(format!("something can panic: symbol {name}"));
        }
    }
    problems.extend(callers(elf)?);
    Ok(problems)
}

fn is_panic(name: &str) -> bool {
    ["panic", "unwind"].iter().any(|word| name.contains(word))
}

/// The calls that reach a panic, as far as relocations tell: those within one section have none.
fn callers(elf: &Elf<'_>) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for section in elf.sections().filter(|section| section.kind() == SectionKind::Text) {
        let code = section.data()?;
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else {
                continue;
            };
            let symbol = elf.symbol_by_index(index)?;
            let Some(panic) = called(elf, &symbol, code, offset)?.filter(|name| is_panic(name)) else {
                continue;
            };
            let caller = function_at(elf, section.index(), offset)?.unwrap_or("?");
            problems.push(format!("{}+{offset:#x}, in {caller}, calls {panic}", section.name()?));
        }
    }
    Ok(problems)
}

/// The function that the relocated instruction calls. The symbol may be that of the function's section; the
/// instruction's operand then counts the way from there, in instructions, less one.
fn called<'data>(
    elf: &Elf<'data>,
    symbol: &impl ObjectSymbol<'data>,
    code: &[u8],
    offset: u64,
) -> Result<Option<&'data str>> {
    let operand = usize::try_from(offset)
        .ok()
        .and_then(|offset| code.get(offset + 4..offset + 8))
        .and_then(|bytes| bytes.try_into().ok())
        .map(i32::from_le_bytes);
    let (Some(operand), Some(section)) = (operand, symbol.section_index()) else {
        return Ok(None);
    };
    let address = i64::try_from(symbol.address())? + (i64::from(operand) + 1) * 8;
    match u64::try_from(address) {
        Ok(address) => function_at(elf, section, address),
        Err(_) => Ok(None),
    }
}

fn function_at<'data>(elf: &Elf<'data>, section: SectionIndex, address: u64) -> Result<Option<&'data str>> {
    let function = elf.symbols().find(|symbol| {
        symbol.kind() == SymbolKind::Text
            && symbol.section_index() == Some(section)
            && (symbol.address()..symbol.address() + symbol.size()).contains(&address)
    });
    Ok(function.map(|symbol| symbol.name()).transpose()?)
}
