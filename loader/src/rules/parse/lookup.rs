//! Which option a word means.

use super::{
    modules::{self, Loaded},
    options::{self, Row},
};
use crate::rules::{
    error::RuleError, family::Family, option::Shape, piece::Piece, problem::Problem, suggest::nearest,
    unsupported, values::protocol::Protocol,
};

/// Options that protocols with ports have in iptables.
const PORTS: [&str; 4] = ["--sport", "--dport", "--source-port", "--destination-port"];

/// What a word means.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// An option that is no match's and no target's.
    Core(&'static Row),
    /// An option of a loaded module: the module's place, and the option's within it.
    Module(usize, usize),
}

/// What a word means: the option of that name, else the only one that begins so. Of two modules that have it, the one
/// loaded last counts, as for iptables.
pub(super) fn find(name: &str, loaded: &[Loaded<'_>]) -> Result<Option<Meaning>, Problem> {
    if let Some(row) = options::named(name) {
        return Ok(Some(Meaning::Core(row)));
    }
    let latest = || loaded.iter().enumerate().rev();
    let exact = latest().find_map(|(module, loaded)| {
        let mut shapes = loaded.shapes().iter();
        let place = shapes.position(|shape| shape.names().any(|known| known == name))?;
        Some(Meaning::Module(module, place))
    });
    if exact.is_some() || !name.starts_with("--") || name.len() < 3 {
        return Ok(exact);
    }
    let mut found: Vec<(&str, Meaning)> = Vec::new();
    for row in options::ROWS {
        if let Some(known) = row.names.iter().find(|known| known.starts_with(name)) {
            found.push((known, Meaning::Core(row)));
        }
    }
    for (module, loaded) in latest() {
        for (place, shape) in loaded.shapes().iter().enumerate() {
            let begins = shape.names().any(|known| known.starts_with(name));
            if begins && found.iter().all(|(known, _)| *known != shape.name) {
                found.push((shape.name, Meaning::Module(module, place)));
            }
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [(_, meaning)] => Ok(Some(*meaning)),
        several => {
            let options = several.iter().map(|&(known, _)| known).collect::<Vec<_>>().join(" or ");
            Err(Problem::Ambiguous { options })
        }
    }
}

/// The long option that a word with other dashes means: `-dport`, or a dash that a text processor put in.
pub(super) fn dashed(text: &str, family: Family) -> Option<&'static str> {
    let bare = text.trim_start_matches(['-', '–', '—']);
    if text.starts_with("--") || text.len() - bare.len() == 0 || bare.len() < 2 {
        return None;
    }
    let core = options::ROWS.iter().flat_map(|row| row.names.iter().copied());
    core.chain(modules::all_options(family)).find(|name| name.strip_prefix("--") == Some(bare))
}

/// The error that a word is no option, with what comes nearest: first among what may stand here, then among everything.
pub(super) fn unknown(
    piece: Piece<'_>,
    loaded: &[Loaded<'_>],
    protocol: Option<Protocol>,
    family: Family,
) -> RuleError {
    let without_module = [Protocol::UDPLITE, Protocol::SCTP, Protocol::DCCP];
    if PORTS.contains(&piece.text) && protocol.is_some_and(|protocol| without_module.contains(&protocol)) {
        return piece.wrong(Problem::Unsupported { instead: unsupported::PORTS });
    }
    let owners = modules::owners(piece.text, family);
    if !owners.is_empty() {
        return piece.wrong(Problem::NotLoaded { owners: owners.join(" or ") });
    }
    let supported = |shape: &&&'static Shape| shape.refused.is_none();
    let of_protocol = protocol.and_then(|protocol| modules::of_protocol(protocol, family));
    let of_protocol = of_protocol.map(|module| (module.shapes)()).unwrap_or_default();
    let own = loaded.iter().flat_map(Loaded::shapes).chain(&of_protocol).filter(supported);
    let core = options::ROWS.iter().flat_map(|row| row.names.iter().copied());
    let near = nearest(piece.text, core.chain(own.flat_map(|shape| shape.names())));
    piece.wrong(Problem::UnknownOption).or(near.or_else(|| nearest(piece.text, modules::all_options(family))))
}
