//! Containers for people.

use std::collections::BTreeMap;

use crate::{
    api::{container::Container, error::ApiError, plane::Plane, quota::Quota},
    cli::{number, output::Output},
};

/// A table of containers.
pub fn all(containers: &[Container], output: &Output) -> Result<(), ApiError> {
    let columns = ["ID", "NAME", "MODE", "STATE", "RECOGNISED BY", "IN", "OUT", "DROPS", "FLOWS", "PORTS"];
    let row = |one: &Container| {
        vec![
            one.id.to_string(),
            one.name.to_string(),
            one.mode.to_string(),
            one.state.to_string(),
            one.recognised_by.join(" "),
            number::traffic(one.plane.inward),
            number::traffic(one.plane.outward),
            one.plane.drops.values().sum::<u64>().to_string(),
            held(one.flows),
            held(one.ports),
        ]
    };
    output.table(&columns, containers.iter().map(row).collect())
}

/// All about one container.
pub fn one(container: &Container, output: &Output) -> Result<(), ApiError> {
    output.heading(&format!("{} (id {})", container.name, container.id))?;
    let listed = |texts: Vec<String>| or_dash(texts.join(" "));
    let addresses = container.addresses.iter().map(ToString::to_string).collect();
    let lines = [
        ("mode", container.mode.to_string()),
        ("state", container.state.to_string()),
        ("recognised by", listed(container.recognised_by.clone())),
        ("taken in by", or_dash(container.template.as_ref().map_or_else(String::new, ToString::to_string))),
        ("own addresses", listed(addresses)),
        ("own MACs", listed(container.macs.iter().map(ToString::to_string).collect())),
        ("routes", if container.routes { "yes" } else { "no" }.to_owned()),
        ("spoofing", container.spoofing.to_string()),
        ("masquerade", container.masquerade.to_string()),
        ("ports it may bind", container.allowed_ports.to_string()),
        ("packet sockets", container.packet_sockets.to_string()),
        ("new flows", rate(container.max_flow_rate)),
        ("events of flows", container.flow_events.to_string()),
        ("timeouts", or_dash(container.timeouts.to_string())),
        ("flows guaranteed", container.flows_guaranteed.to_string()),
        ("flows evicted", container.flows_evicted.to_string()),
    ];
    let quotas = [
        ("flows", container.flows),
        ("ports", container.ports),
        ("entries of sets", container.set_entries),
        ("guards", container.guards),
    ];
    let lines = lines.into_iter().chain(plane(&container.plane)).chain(quotas.map(|(name, quota)| {
        let Quota { maxheld, failcnt, .. } = quota;
        (name, format!("{} (most ever {maxheld}, refused {failcnt})", held(quota)))
    }));
    lines.into_iter().try_for_each(|(name, text)| output.line(&format!("  {name:<18} {text}")))
}

fn plane(plane: &Plane) -> Vec<(&'static str, String)> {
    vec![
        ("in", number::traffic(plane.inward)),
        ("out", number::traffic(plane.outward)),
        ("in, local", number::traffic(plane.local.inward)),
        ("out, local", number::traffic(plane.local.outward)),
        ("drops", drops(&plane.drops)),
    ]
}

/// Drops by reason.
pub fn drops(drops: &BTreeMap<String, u64>) -> String {
    if drops.is_empty() {
        return "0".to_owned();
    }
    let each: Vec<_> = drops.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    each.join(", ")
}

fn rate(flows: u32) -> String {
    if flows == 0 { "any number".to_owned() } else { format!("{flows} a second") }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

fn held(quota: Quota) -> String {
    format!("{}/{}", quota.held, quota.limit)
}
