//! Places of programs on interfaces.

use aya::programs::tc::TcHandle;
use berth_common::abi::names;

/// Ours among the filters of a priority.
const HANDLE: TcHandle = TcHandle::new(0, 0xbe27);
/// That of translation: in its place at ingress, other versions of berth had something else.
const NAT_HANDLE: TcHandle = TcHandle::new(0, 0xbe28);

/// Programs of an interface that see packets one after the other.
const PAIRS: [[&str; 2]; 4] = [
    [names::NAT_INGRESS, names::UPLINK_INGRESS],
    [names::UPLINK_EGRESS, names::NAT_EGRESS],
    [names::INTERFACE_INGRESS, names::HAIRPIN_INGRESS],
    [names::HAIRPIN_EGRESS, names::INTERFACE_EGRESS],
];

/// Those of translation.
const TRANSLATION: [&str; 4] =
    [names::NAT_INGRESS, names::NAT_EGRESS, names::HAIRPIN_INGRESS, names::HAIRPIN_EGRESS];

/// Where a filter is among those of an interface: its priority, of which the lowest comes first, and its handle there.
pub type Slot = (u16, TcHandle);

/// Whether a filter with this handle is berth's.
pub fn is_ours(handle: u32) -> bool {
    [HANDLE, NAT_HANDLE].map(u32::from).contains(&handle)
}

/// Which packets of an interface a program sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Those it receives.
    In,
    /// Those it sends.
    Out,
}

/// A program on an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of the interface.
    pub ifindex: u32,
    /// Which packets.
    pub direction: Direction,
    /// The program.
    pub program: String,
}

impl Place {
    /// As in the pin directory.
    pub fn name(&self) -> String {
        let direction = match self.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        format!("{}-{direction}-{}", self.ifindex, self.program)
    }

    /// From such a name.
    pub fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(3, '-');
        Some(Self {
            ifindex: parts.next()?.parse().ok()?,
            direction: match parts.next()? {
                "in" => Direction::In,
                "out" => Direction::Out,
                _ => return None,
            },
            program: parts.next()?.to_owned(),
        })
    }

    /// The place of the other one of the pair that the program is in, and whether the program comes before it.
    pub fn neighbour(&self) -> Option<(Self, bool)> {
        PAIRS.iter().find_map(|[first, second]| {
            let is_first = self.program == *first;
            let other = if is_first { second } else { first };
            let program = (*other).to_owned();
            (is_first || self.program == *second).then(|| (Self { program, ..self.clone() }, is_first))
        })
    }

    /// Where its filter is: before those of others.
    pub fn slot(&self) -> Slot {
        let priority = if self.neighbour().is_some_and(|(_, is_first)| !is_first) { 2 } else { 1 };
        let translates = TRANSLATION.contains(&self.program.as_str());
        (priority, if translates { NAT_HANDLE } else { HANDLE })
    }

    /// Where it may be: there, or where versions of the layouts before 14, or 15, had it.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        let has_moved = [names::UPLINK_INGRESS, names::INTERFACE_EGRESS].contains(&self.program.as_str());
        let former = has_moved.then_some((1, HANDLE));
        std::iter::once(self.slot()).chain(former)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(direction: Direction, program: &str) -> Place {
        Place { ifindex: 12, direction, program: program.to_owned() }
    }

    /// All pairs, of which translation is nearer to the container's other end.
    const PLACES: [(Direction, &str, &str); 4] = [
        (Direction::In, names::NAT_INGRESS, names::UPLINK_INGRESS),
        (Direction::Out, names::UPLINK_EGRESS, names::NAT_EGRESS),
        (Direction::In, names::INTERFACE_INGRESS, names::HAIRPIN_INGRESS),
        (Direction::Out, names::HAIRPIN_EGRESS, names::INTERFACE_EGRESS),
    ];

    #[test]
    fn translation_is_outside_of_all_else() {
        for (direction, before, after) in PLACES {
            let (before, after) = (place(direction, before), place(direction, after));
            assert_eq!(before.neighbour(), Some((after.clone(), true)));
            assert_eq!(after.neighbour(), Some((before.clone(), false)));
            assert!(before.slot().0 < after.slot().0);
        }
        assert_eq!(place(Direction::Out, names::LOOPBACK_EGRESS).neighbour(), None);
        assert_eq!(place(Direction::In, names::INTERFACE_INGRESS).slots().count(), 1);
    }

    /// Of an interface all filters are different ones, the older berth's too.
    #[test]
    fn where_an_older_berth_had_a_filter_is_nobody_s_now() {
        let former = (1, u32::from(HANDLE));
        for name in [names::UPLINK_INGRESS, names::INTERFACE_EGRESS] {
            let (direction, before, after) =
                PLACES.into_iter().find(|(_, before, after)| [*before, *after].contains(&name)).unwrap();
            let now = [before, after].map(|program| place(direction, program).slot());
            assert!(!now.map(|(priority, handle)| (priority, u32::from(handle))).contains(&former), "{name}");
            let place = place(direction, name);
            let mut slots = place.slots().map(|(priority, handle)| (priority, u32::from(handle)));
            assert!(slots.any(|slot| slot == former));
        }
    }

    #[test]
    fn places_survive_their_names() {
        for (direction, name) in
            [(Direction::In, "12-in-berth_up_in"), (Direction::Out, "12-out-berth_up_in")]
        {
            let place = place(direction, "berth_up_in");
            assert_eq!(place.name(), name);
            assert_eq!(Place::parse(name), Some(place));
        }
        assert_eq!(Place::parse("12-qdisc"), None);
        assert_eq!(Place::parse("x-in-y"), None);
    }
}
