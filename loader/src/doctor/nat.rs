//! Whether what is translated gets anywhere.

use std::net::IpAddr;

use crate::{api::masquerade::Masquerade, node::Forwarding, state::State};

/// What keeps published ports and masqueraded containers from being reached, each in one line.
pub fn unrouted(state: &State, forwarding: &Forwarding) -> Vec<String> {
    let closed = forwarding.closed(translated(state)).into_iter();
    closed
        .map(|name| {
            format!(
                "ports are published, or containers masqueraded, and {name} is 0: nothing is routed to them"
            )
        })
        .collect()
}

/// The addresses of containers that are translated.
fn translated(state: &State) -> Vec<IpAddr> {
    let published = state.reservations.iter().filter_map(|one| Some(one.to?.ip()));
    let settings = state.containers.iter().filter_map(|record| Some(&record.definition.as_ref()?.settings));
    let masqueraded = settings.filter(|settings| settings.masquerade.unwrap_or_default() != Masquerade::No);
    published.chain(masqueraded.flat_map(|settings| settings.addresses.iter().flatten().copied())).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::state::Reservation;

    #[test]
    fn a_node_that_does_not_route_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("ipv4")).unwrap();
        fs::write(directory.path().join("ipv4/ip_forward"), "0\n").unwrap();
        let forwarding = Forwarding::at(directory.path());
        let mut state = State::new();
        assert!(unrouted(&state, &forwarding).is_empty());
        state.reservations.push(Reservation {
            id: 1,
            service: "tcp/80".parse().unwrap(),
            address: "0.0.0.0".parse().unwrap(),
            raw: false,
            to: Some("10.0.3.10:80".parse().unwrap()),
        });
        let lines = unrouted(&state, &forwarding);
        assert!(lines.len() == 1 && lines[0].contains("net.ipv4.ip_forward is 0"), "{lines:?}");
    }
}
