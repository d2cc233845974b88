//! Recognising containers of systemd-nspawn by their cgroups, which systemd names after them.

use super::{ContainersError, Recognised, process::of_cgroups};

/// The running container that `machinectl list` has under this name.
pub(super) fn of_nspawn(name: &str) -> Result<Option<Recognised>, ContainersError> {
    of_cgroups(name, candidates(name))
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
}
