use object::write::{Object, Relocation, SectionId, StandardSection, Symbol, SymbolId, SymbolSection};
use object::{Architecture, BinaryFormat, RelocationFlags, SymbolFlags, SymbolKind, SymbolScope, elf};

use super::*;

#[test]
fn a_good_object_has_no_problems() {
    assert_eq!(check(&good()), Vec::<String>::new());
}

#[test]
fn functions_that_programs_call_are_not_programs() {
    let mut object = good();
    let text = object.section_id(StandardSection::Text);
    define(&mut object, text, "helper");
    assert_eq!(check(&object), Vec::<String>::new());
}

#[test]
fn the_list_and_the_object_have_to_agree() {
    let mut object = good();
    let section = object.add_section(vec![], b"xdp".to_vec(), SectionKind::Text);
    define(&mut object, section, "stray");
    let expected = [listed("classifier", "ingress"), listed("classifier", "egress")];
    assert_eq!(
        problems(&object.write().unwrap(), &expected).unwrap(),
        [
            "in programs.txt, not in the object: classifier egress",
            "in the object, not in programs.txt: xdp stray",
        ]
    );
}

#[test]
fn calls_into_nowhere_are_found() {
    let mut object = good();
    let text = object.section_id(StandardSection::Text);
    define(&mut object, text, "helper");
    let memcpy = object.add_symbol(symbol("memcpy", SymbolSection::Undefined));
    refer(&mut object, text, 8, memcpy);
    assert_eq!(check(&object), ["undefined symbol: memcpy", ".text+0x8 refers to undefined `memcpy`"]);
}

#[test]
fn panics_are_found_with_their_callers() {
    let mut object = good();
    let unlikely = object.add_section(vec![], b".text.unlikely.".to_vec(), SectionKind::Text);
    define(&mut object, unlikely, "cold");
    define(&mut object, unlikely, "_RNvNtCs_4core9panicking5panic");
    let programs = object.add_section(vec![], b"xdp".to_vec(), SectionKind::Text);
    let id = object.add_symbol(symbol("frame", SymbolSection::Undefined));
    // `frame` is 16 bytes: its second instruction calls what is two instructions into the section.
    let code = [[0; 8], [0x85, 0x10, 0, 0, 1, 0, 0, 0]].concat();
    object.add_symbol_data(id, programs, &code, 8);
    let section_symbol = object.section_symbol(unlikely);
    refer(&mut object, programs, 8, section_symbol);
    let expected = [listed("classifier", "ingress"), listed("xdp", "frame")];
    assert_eq!(
        problems(&object.write().unwrap(), &expected).unwrap(),
        [
            "something can panic: symbol _RNvNtCs_4core9panicking5panic",
            "xdp+0x8, in frame, calls _RNvNtCs_4core9panicking5panic",
        ]
    );
}

#[test]
fn licence_and_type_information_are_asked_for() {
    let mut object = empty();
    let section = object.add_section(vec![], b"license".to_vec(), SectionKind::Data);
    object.append_section_data(section, b"GPL\0", 1);
    assert_eq!(
        problems(&object.write().unwrap(), &[]).unwrap(),
        ["the licence is \"GPL\", not \"Dual MIT/GPL\"", "no .BTF", "no .BTF.ext",]
    );
}

#[test]
fn what_is_no_object_is_an_error() {
    assert!(problems(b"not an object", &[]).is_err());
}

fn check(object: &Object<'_>) -> Vec<String> {
    problems(&object.write().unwrap(), &[listed("classifier", "ingress")]).unwrap()
}

fn listed(section: &str, name: &str) -> Program {
    Program { section: section.to_owned(), name: name.to_owned() }
}

fn empty() -> Object<'static> {
    Object::new(BinaryFormat::Elf, Architecture::Bpf, object::Endianness::Little)
}

fn good() -> Object<'static> {
    let mut object = empty();
    for (name, content) in [("license", b"Dual MIT/GPL\0".as_slice()), (".BTF", b"btf"), (".BTF.ext", b"ext")]
    {
        let section = object.add_section(vec![], name.into(), SectionKind::Data);
        object.append_section_data(section, content, 1);
    }
    let section = object.add_section(vec![], b"classifier".to_vec(), SectionKind::Text);
    define(&mut object, section, "ingress");
    object
}

fn define(object: &mut Object<'_>, section: SectionId, name: &str) -> SymbolId {
    let id = object.add_symbol(symbol(name, SymbolSection::Undefined));
    object.add_symbol_data(id, section, &[0; 16], 8);
    id
}

fn symbol(name: &str, section: SymbolSection) -> Symbol {
    Symbol {
        name: name.into(),
        value: 0,
        size: 0,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section,
        flags: SymbolFlags::None,
    }
}

fn refer(object: &mut Object<'_>, section: SectionId, offset: u64, symbol: SymbolId) {
    let flags = RelocationFlags::Elf { r_type: elf::R_BPF_64_32 };
    object.add_relocation(section, Relocation { offset, symbol, addend: 0, flags }).unwrap();
}
