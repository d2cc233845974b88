//! Recognising containers of systemd-nspawn by their cgroups, which systemd names after them.

use super::{ContainersError, Hierarchy, Recognised, process::of_cgroups};

/// The running container that `machinectl list` has under this name.
pub(super) fn of_nspawn(name: &str) -> Result<Option<Recognised>, ContainersError> {
    of_cgroups(name, candidates(name))
}

/// The names of containers that may be running.
pub(super) fn names(hierarchy: &Hierarchy) -> Vec<String> {
    hierarchy.children("/machine.slice".as_ref()).iter().filter_map(|unit| named_by(unit)).collect()
}

/// The name of the container whose unit this is.
fn named_by(unit: &str) -> Option<String> {
    let service = unit.strip_prefix("systemd-nspawn@").and_then(|rest| rest.strip_suffix(".service"));
    let scope = || unit.strip_prefix("machine-").and_then(|rest| rest.strip_suffix(".scope"));
    service.map(str::to_owned).or_else(|| unescaped(scope()?))
}

/// As a service, started by `machinectl start` or at boot, or by hand. What runs in the container is below `payload`; beside that is
/// systemd-nspawn itself, which is the node's.
fn candidates(name: &str) -> [String; 2] {
    [format!("systemd-nspawn@{name}.service"), format!("machine-{}.scope", escaped(name))]
        .map(|unit| format!("/machine.slice/{unit}/payload"))
}

/// As it stands in a unit's name (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
fn escaped(name: &str) -> String {
    let stands = |place, byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_') || (byte == b'.' && place > 0)
    };
    let escape = |(place, byte)| {
        if stands(place, byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") }
    };
    name.bytes().enumerate().map(escape).collect()
}

/// The other way round; none if it is not so escaped.
fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroups_are_named_after_units() {
        let expected = [
            "/machine.slice/systemd-nspawn@my-web_1.org.service/payload",
            "/machine.slice/machine-my\\x2dweb_1.org.scope/payload",
        ];
        assert_eq!(candidates("my-web_1.org"), expected);
        assert_eq!(escaped(".x"), "\\x2ex");
    }

    #[test]
    fn units_are_named_after_containers() {
        for (unit, name) in [
            ("systemd-nspawn@my-web.service", Some("my-web")),
            ("machine-my\\x2dweb_1.org.scope", Some("my-web_1.org")),
            ("machine-qemu\\x2.scope", None),
            ("libpod-3f.scope", None),
        ] {
            assert_eq!(named_by(unit).as_deref(), name, "{unit}");
        }
        let odd = ".a\\b-é";
        assert_eq!(unescaped(&escaped(odd)).as_deref(), Some(odd));
    }
}
