//! Translation of addresses: what is published and masqueraded, and what flows look like from outside.

use std::{collections::HashMap, ops::RangeInclusive, path::Path};

use berth_common::{
    abi::{
        config::Config,
        flow::{End, Flow},
        nat::{NatAddresses, NatOwner, NatSource, Published, Translation},
        port::PortKey,
    },
    engine::nat::{
        own::{Layer, Side},
        stamp,
    },
};

use super::{ControlError, Kernel, cgroups, maps::NatMaps};

/// What is translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Ports of the node's that masqueraded flows come from.
    pub ports: RangeInclusive<u16>,
    /// Indices of the uplinks, and their addresses.
    pub uplinks: Vec<(u32, NatAddresses)>,
    /// Indices of containers' own interfaces, and what addresses they have inside.
    pub insides: Vec<(u32, NatAddresses)>,
    /// Where packets of containers come from that may be translated.
    pub sources: Vec<(NatSource, NatOwner)>,
    /// What is published, and where it goes.
    pub published: Vec<(PortKey, Published)>,
}

impl Kernel {
    /// Makes this what is translated. What stays is there all the time; flows that are there stay as they are.
    pub fn set_translation(&mut self, nat: &Nat) -> Result<(), ControlError> {
        let is_on = !nat.sources.is_empty();
        if !is_on {
            // From one packet to the next, rather than table by table.
            self.change_config(|config| config.nat &= !Config::NAT_ON)?;
        }
        let NatMaps { published, sources, addresses, .. } = &mut self.maps.nat;
        // What is let in can be answered: it is the last to come and the first to go.
        published.retain(nat.published.iter().map(|(key, _)| *key))?;
        let interfaces = || nat.uplinks.iter().chain(&nat.insides);
        addresses.put(interfaces().copied())?;
        sources.put(nat.sources.iter().copied())?;
        published.put(nat.published.iter().copied())?;
        sources.retain(nat.sources.iter().map(|(key, _)| *key))?;
        addresses.retain(interfaces().map(|(key, _)| *key))?;
        self.change_config(|config| {
            config.nat_ports = [*nat.ports.start(), *nat.ports.end()];
            config.nat = config.nat & !Config::NAT_ON | if is_on { Config::NAT_ON } else { 0 };
        })
    }

    /// Has sockets of the node's own network reach published ports, too, if the root of the hierarchy of cgroups is given, and else not.
    /// Where that fails they do not.
    pub fn serve_node(&mut self, root: Option<&Path>) -> Result<(), ControlError> {
        let Some(root) = root else { return cgroups::detach(&self.pins, cgroups::ROOT) };
        let attached = cgroups::attach(&self.pins, self.programs.for_root(), root, cgroups::ROOT);
        if attached.is_err() {
            // Not half of them: that one is to be reported.
            let _ = cgroups::detach(&self.pins, cgroups::ROOT);
        }
        attached
    }

    /// How flows are translated.
    pub fn translations(&self) -> Result<Translations, ControlError> {
        Ok(self.maps.nat.flows.entries()?.into_iter().collect())
    }
}

/// How flows are translated, by the numbers of their names.
#[derive(Clone, Debug, Default)]
pub struct Translations(HashMap<u32, Translation>);

impl Translations {
    /// The end of the flow in a slot that is another as seen from outside: from other hosts, or else from outside of the container. Nothing if
    /// there is none.
    pub fn of(&self, slot: u32, flow: &Flow) -> Option<End> {
        let outside = Side::Outside.zone(flow.key.zone());
        let own = [Layer::Destination, Layer::Source].map(|layer| layer.number(slot));
        let held = [slot].into_iter().chain(own).filter_map(|number| Some((number, self.0.get(&number)?)));
        let mut named = held.filter(|(number, translation)| {
            translation.stamp == stamp(&flow.key, flow.created)
                && (*number == slot || translation.outer.zone() == outside)
        });
        let ends = [(flow.key.low, flow.key.low_port), (flow.key.high, flow.key.high_port)];
        let is_another = |end: &End| !ends.contains(&(end.address, end.port));
        named.find_map(|(_, translation)| Some(translation.outer_end()).filter(is_another))
    }
}

impl FromIterator<(u32, Translation)> for Translations {
    fn from_iter<I: IntoIterator<Item = (u32, Translation)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use berth_common::abi::{
        address::Address,
        flow::FlowKey,
        units::{Port, Ticks},
    };

    use super::*;
    use crate::control::plain::zero;

    #[test]
    fn a_translation_is_of_one_flow_of_those_that_the_slot_has_had() {
        let flow = Flow { created: Ticks(7), ..zero() };
        let mut outer = flow.key;
        (outer.high, outer.high_port) = (Address::v4(9), Port(61_000));
        let translation = Translation { stamp: stamp(&flow.key, flow.created), outer, is_low: 0, padding: 0 };
        let translations = Translations::from_iter([(3, translation)]);
        let end = End { address: Address::v4(9), port: Port(61_000) };
        assert_eq!(translations.of(3, &flow), Some(end));
        assert_eq!(translations.of(4, &flow), None);
        let next = Flow { created: Ticks(8), ..flow };
        assert_eq!(translations.of(3, &next), None);
    }

    #[test]
    fn of_a_container_s_own_names_those_outside_are_shown() {
        let flow: Flow = zero();
        let stamp = stamp(&flow.key, flow.created);
        let named = |side: Side, address: Address| {
            let mut outer = flow.key;
            (outer.high, outer.high_port) = (address, Port(9));
            outer.zone_protocol |= side.zone(flow.key.zone()).0 << 8;
            Translation { stamp, outer, is_low: 0, padding: 0 }
        };
        let (layer, there) = (Layer::Source.number(3), Address::v4(9));
        let seen = |side, address| Translations::from_iter([(layer, named(side, address))]).of(3, &flow);
        assert_eq!(seen(Side::Outside, there), Some(End { address: there, port: Port(9) }));
        assert_eq!(seen(Side::Inside, there), None);
        // One that was decided to stay as it is.
        let own = Translation {
            outer: FlowKey { zone_protocol: Side::Outside.zone(flow.key.zone()).0 << 8, ..flow.key },
            ..named(Side::Outside, there)
        };
        assert_eq!(Translations::from_iter([(layer, own)]).of(3, &flow), None);
        // Other hosts see another.
        let both = [(layer, named(Side::Outside, there)), (3, named(Side::Outside, Address::v4(7)))];
        assert_eq!(Translations::from_iter(both).of(3, &flow).map(|end| end.address), Some(Address::v4(7)));
    }
}
