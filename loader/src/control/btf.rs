//! Where the running kernel keeps what the programs read from its structures: a reader for as much of BTF (the kernel's
//! Documentation/bpf/btf.rst) as finds a member of a struct by name.

use std::fs;

use super::ControlError;

/// Places of members in the running kernel's structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// `struct sock_common.skc_net`, in bytes.
    pub sock_net: u32,
    /// `struct net.net_cookie`, in bytes.
    pub net_cookie: u32,
    /// `struct sock_common.skc_ipv6only`, in bits.
    pub ipv6only_bit: u32,
}

impl Offsets {
    /// The running kernel's.
    pub fn of_kernel() -> Result<Self, ControlError> {
        let blob =
            fs::read("/sys/kernel/btf/vmlinux").map_err(|error| ControlError::NoBtf(error.to_string()))?;
        Self::find(&blob)
    }

    fn find(blob: &[u8]) -> Result<Self, ControlError> {
        let btf = Btf::parse(blob).ok_or_else(|| ControlError::NoBtf("it cannot be read".to_owned()))?;
        let bit = |structure: &str, member: &str| {
            btf.member(structure, member)
                .ok_or_else(|| ControlError::NoBtf(format!("it lacks struct {structure}.{member}")))
        };
        Ok(Self {
            sock_net: bit("sock_common", "skc_net")? / 8,
            net_cookie: bit("net", "net_cookie")? / 8,
            ipv6only_bit: bit("sock_common", "skc_ipv6only")?,
        })
    }
}

struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Btf<'a> {
    fn parse(blob: &'a [u8]) -> Option<Self> {
        const MAGIC: u16 = 0xeb9f;

        // magic (u16), version, flags (u8), then six words, of which the first is the length of the header.
        if u16::from_ne_bytes(*blob.first_chunk()?) != MAGIC {
            return None;
        }
        let after_header = blob.get(word(blob, 4)? as usize..)?;
        let part = |offset: usize| {
            let start = word(blob, offset)? as usize;
            let length = word(blob, offset + 4)? as usize;
            after_header.get(start..start.checked_add(length)?)
        };
        Some(Self { types: part(8)?, strings: part(16)? })
    }

    /// Offset in bits of a member of a struct. Members of unnamed structs within it are not looked at.
    fn member(&self, structure: &str, member: &str) -> Option<u32> {
        let mut rest = self.types;
        while !rest.is_empty() {
            let header = Type::parse(rest)?;
            let (body, next) = rest.get(Type::SIZE..)?.split_at_checked(header.body_length()?)?;
            if header.kind == Type::STRUCT && self.string(header.name)? == structure.as_bytes() {
                let found = self.member_in(&header, body, member);
                if found.is_some() {
                    return found;
                }
            }
            rest = next;
        }
        None
    }

    fn member_in(&self, header: &Type, body: &[u8], member: &str) -> Option<u32> {
        // name, type, offset
        for entry in body.chunks_exact(12) {
            if self.string(word(entry, 0)?)? == member.as_bytes() {
                let offset = word(entry, 8)?;
                // With bit fields the upper byte is the width.
                return Some(if header.has_bit_fields { offset & 0x00ff_ffff } else { offset });
            }
        }
        None
    }

    fn string(&self, offset: u32) -> Option<&'a [u8]> {
        self.strings.get(offset as usize..)?.split(|byte| *byte == 0).next()
    }
}

struct Type {
    name: u32,
    kind: u32,
    count: usize,
    has_bit_fields: bool,
}

impl Type {
    /// name, info, size or type
    const SIZE: usize = 12;
    const STRUCT: u32 = 4;

    fn parse(bytes: &[u8]) -> Option<Self> {
        let info = word(bytes, 4)?;
        Some(Self {
            name: word(bytes, 0)?,
            kind: info >> 24 & 0x1f,
            count: (info & 0xffff) as usize,
            has_bit_fields: info >> 31 != 0,
        })
    }

    /// Length of what follows the common part; none for a kind that is not known.
    const fn body_length(&self) -> Option<usize> {
        Some(match self.kind {
            // pointer, forward, typedef, volatile, const, restrict, function, float, type tag
            2 | 7..=12 | 16 | 18 => 0,
            // integer, variable, declaration tag
            1 | 14 | 17 => 4,
            // array
            3 => 12,
            // struct, union, data section, 64-bit enumeration
            4 | 5 | 15 | 19 => 12 * self.count,
            // enumeration, function prototype
            6 | 13 => 8 * self.count,
            _ => return None,
        })
    }
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a blob by hand.
    #[derive(Default)]
    struct Builder {
        types: Vec<u8>,
        strings: Vec<u8>,
    }

    impl Builder {
        fn string(&mut self, text: &str) -> u32 {
            if self.strings.is_empty() {
                self.strings.push(0);
            }
            let offset = u32::try_from(self.strings.len()).unwrap();
            self.strings.extend(text.bytes().chain([0]));
            offset
        }

        fn words(&mut self, words: &[u32]) {
            self.types.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        }

        fn structure(&mut self, name: &str, bit_fields: bool, members: &[(&str, u32)]) {
            let name = self.string(name);
            let count = u32::try_from(members.len()).unwrap();
            self.words(&[name, u32::from(bit_fields) << 31 | 4 << 24 | count, 64]);
            for (member, offset) in members {
                let member = self.string(member);
                self.words(&[member, 1, *offset]);
            }
        }

        fn blob(&self) -> Vec<u8> {
            let types = u32::try_from(self.types.len()).unwrap();
            let strings = u32::try_from(self.strings.len()).unwrap();
            let mut blob = 0xeb9f_u16.to_ne_bytes().to_vec();
            blob.extend([1, 0]);
            for word in [24, 0, types, types, strings] {
                blob.extend(u32::to_ne_bytes(word));
            }
            blob.extend(&self.types);
            blob.extend(&self.strings);
            blob
        }
    }

    fn kernel_like() -> Builder {
        let mut builder = Builder::default();
        let int = builder.string("int");
        // An integer, an array, an enumeration of two, a prototype of one: all of other lengths.
        builder.words(&[int, 1 << 24, 4, 32]);
        builder.words(&[0, 3 << 24, 0, 1, 1, 8]);
        builder.words(&[0, 6 << 24 | 2, 4, int, 0, int, 1]);
        builder.words(&[0, 13 << 24 | 1, 1, 0, 1]);
        builder.structure("net", false, &[("passive", 0), ("net_cookie", 4160)]);
        // Another struct of the same name, as drivers have them.
        builder.structure("sock_common", false, &[("mine", 0)]);
        builder.structure(
            "sock_common",
            true,
            &[("skc_reuse", 4 << 24 | 0x98), ("skc_ipv6only", 1 << 24 | 0x9d), ("skc_net", 384)],
        );
        builder
    }

    #[test]
    fn members_are_found_bit_fields_too() {
        assert_eq!(
            Offsets::find(&kernel_like().blob()).unwrap(),
            Offsets { sock_net: 48, net_cookie: 520, ipv6only_bit: 157 }
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut builder = Builder::default();
        builder.structure("sock_common", true, &[("skc_net", 384)]);
        let error = Offsets::find(&builder.blob()).unwrap_err().to_string();
        assert!(error.contains("struct net.net_cookie"), "{error}");
    }

    #[test]
    fn no_cut_makes_it_panic() {
        let blob = kernel_like().blob();
        for length in 0..blob.len() {
            let _ = Offsets::find(&blob[..length]);
        }
        let mut unknown = Builder::default();
        unknown.words(&[0, 31 << 24, 0]);
        assert!(Offsets::find(&unknown.blob()).is_err());
    }

    #[test]
    fn the_running_kernel_is_understood() {
        if std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
            let offsets = Offsets::of_kernel().unwrap();
            assert!(offsets.sock_net > 0 && offsets.net_cookie > 0, "{offsets:?}");
        }
    }
}
