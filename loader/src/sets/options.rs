//! The words behind `create` and `add`.

use berth_common::abi::{rules::Family, set::Kind};

use super::{
    Fault, Form,
    form::{kind, name},
};

/// How many entries a set may hold unless `maxelem` says otherwise, as with ipset.
pub const MAX: u32 = 65_536;

/// Reads type and options of `create`.
pub fn create<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(Form, u32), Fault> {
    let mut words = words.into_iter();
    let wanted = "a name and a type";
    let kind = kind(words.next().ok_or(Fault::Missing { command: "create", wanted })?)?;
    let (mut family, mut max, mut ports) = (None, None, None);
    while let Some(word) = words.next() {
        match word {
            "family" => family = Some(read_family(words.next())?),
            "-6" => family = Some(Family::Ipv6),
            "-4" => family = Some(Family::Ipv4),
            "maxelem" => max = Some(number("maxelem", words.next())?),
            "range" | "-range" => ports = Some(read_ports(words.next())?),
            // How the kernel's own sets are laid out, which says nothing about what is in them.
            "hashsize" => drop(number("hashsize", words.next())?),
            "bucketsize" => drop(number("bucketsize", words.next())?),
            "initval" => drop(words.next()),
            other => return Err(Fault::Option(other.to_owned())),
        }
    }
    if kind == Kind::BitmapPort {
        let senseless = |option| Fault::Senseless { option, kind: name(kind) };
        if family.is_some() {
            return Err(senseless("family"));
        }
        let ports =
            ports.ok_or(Fault::Value { option: "range", wanted: "FIRST-LAST, the ports it may hold" })?;
        return Ok((Form { ports, ..Form::of(kind, Family::Ipv4) }, max.unwrap_or(MAX)));
    }
    if ports.is_some() {
        return Err(Fault::Senseless { option: "range", kind: name(kind) });
    }
    Ok((Form::of(kind, family.unwrap_or(Family::Ipv4)), max.unwrap_or(MAX)))
}

/// Reads what stands behind the entry of `add`: whether it is an exception.
pub fn add<'a>(kind: Kind, words: impl IntoIterator<Item = &'a str>) -> Result<bool, Fault> {
    let mut nomatch = false;
    for word in words {
        match word {
            "nomatch" if kind.has_networks() => nomatch = true,
            "nomatch" => return Err(Fault::Senseless { option: "nomatch", kind: name(kind) }),
            other => return Err(Fault::Option(other.to_owned())),
        }
    }
    Ok(nomatch)
}

fn read_family(word: Option<&str>) -> Result<Family, Fault> {
    match word {
        Some("inet" | "ipv4" | "-4") => Ok(Family::Ipv4),
        Some("inet6" | "ipv6" | "-6") => Ok(Family::Ipv6),
        _ => Err(Fault::Value { option: "family", wanted: "inet or inet6" }),
    }
}

fn read_ports(word: Option<&str>) -> Result<(u16, u16), Fault> {
    let range = word.and_then(|word| {
        let (first, last) = word.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    let wanted = "FIRST-LAST, the ports it may hold";
    range.filter(|(first, last)| first <= last).ok_or(Fault::Value { option: "range", wanted })
}

fn number(option: &'static str, word: Option<&str>) -> Result<u32, Fault> {
    let number = word.and_then(|word| word.parse().ok()).filter(|number| *number > 0);
    number.ok_or(Fault::Value { option, wanted: "a number above 0" })
}
