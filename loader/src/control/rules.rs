//! Rulesets in the kernel: one map of lines for each container that has rules, in a map of maps.

use std::os::fd::{AsFd as _, BorrowedFd};

use aya::maps::{Array, ArrayOfMaps, IterableMap, Map, MapData, MapError};
use aya_obj::generated::BPF_F_INNER_MAP;
use berth_common::abi::{
    counters::Traffic,
    guard::ObjectKey,
    rules::{
        Line, counters,
        header::{self, Header},
    },
    units::ContainerId,
};

use super::{
    ControlError, Kernel,
    error::Context as _,
    maps,
    objects::{Keeps, Kept},
    pins::Pins,
    plain::{Plain, zero},
    sys,
};

const RULESETS: &str = "RULESETS";

/// The lines of one ruleset.
type Lines = Array<MapData, Plain<Line>>;

/// The rulesets of all containers.
pub struct Rulesets(ArrayOfMaps<MapData, Lines>);

/// A ruleset that is in force.
pub struct Ruleset {
    lines: Lines,
    header: Header,
}

impl Rulesets {
    /// What is pinned.
    pub(super) fn open(pins: &Pins) -> Result<Self, ControlError> {
        let map =
            Map::from_map_data(maps::open(pins, RULESETS)?).map_err(ControlError::map(RULESETS, "open"))?;
        map.try_into().map(Self).map_err(ControlError::map(RULESETS, "open"))
    }

    fn get(&self, id: ContainerId) -> Result<Option<Ruleset>, ControlError> {
        let lines = match self.0.get(&id.0, 0) {
            Ok(lines) => lines,
            Err(MapError::KeyNotFound) => return Ok(None),
            Err(error) => return Err(ControlError::map(RULESETS, "read")(error)),
        };
        let Plain(first) = lines.get(&0, 0).map_err(ControlError::map(RULESETS, "read a ruleset of"))?;
        let header = Header::from_line(&first).ok_or(ControlError::OtherRuleset(id))?;
        Ok(Some(Ruleset { lines, header }))
    }
}

impl Kernel {
    /// Puts a compiled ruleset in force, in place of the one that is there: every packet meets the one or the other, as a
    /// whole. Counters go on where `carried` says so: pairs of a counter's number in the new ruleset, and in the old. What
    /// it keeps something for are `objects`; what was kept for others is forgotten.
    pub fn set_ruleset(
        &mut self,
        id: ContainerId,
        lines: &[Line],
        carried: &[(u32, u32)],
        objects: &[Kept],
    ) -> Result<(), ControlError> {
        self.maps.containers.check(id)?;
        let objects = keys(id, lines, objects);
        let added = self.add_objects(&objects)?;
        if let Err(failure) = self.put_ruleset(id, lines, carried) {
            // The first error is the one to report.
            if let Err(second) = self.remove_objects(&added) {
                log::warn!("what container {} was to have remembered is not all gone: {second}", id.0);
            }
            return Err(failure);
        }
        self.settle_objects(id, &objects);
        Ok(())
    }

    /// Sees to it that what a container's rules keep is what this ruleset, which is in force, keeps something for.
    pub fn refresh_objects(
        &mut self,
        id: ContainerId,
        lines: &[Line],
        objects: &[Kept],
    ) -> Result<(), ControlError> {
        let objects = keys(id, lines, objects);
        self.add_objects(&objects)?;
        self.settle_objects(id, &objects);
        Ok(())
    }

    /// The rules are in force, whatever comes of this: what stays is forgotten at the next change.
    fn settle_objects(&mut self, id: ContainerId, objects: &[(ObjectKey, Keeps)]) {
        let settled = self.set_connlimits(id, objects).and_then(|()| self.keep_objects(id, objects));
        if let Err(failure) = settled {
            log::warn!("what the rules of container {} no longer remember is not all gone: {failure}", id.0);
        }
    }

    fn put_ruleset(
        &mut self,
        id: ContainerId,
        lines: &[Line],
        carried: &[(u32, u32)],
    ) -> Result<(), ControlError> {
        let old = self.maps.rulesets.get(id)?;
        let mut new = Ruleset::make(lines)?;
        if let Some(old) = &old {
            new.carry(old, carried)?;
        }
        let outer = &mut self.maps.rulesets.0;
        outer.set(id.0, &new.lines, 0).map_err(ControlError::map(RULESETS, "write to"))?;
        // The kernel has waited for all programs that were at work in the old one: what it has counted now is all.
        match old {
            Some(old) => new.carry(&old, carried),
            None => Ok(()),
        }
    }

    /// Takes a container's rules out of force.
    pub fn remove_ruleset(&mut self, id: ContainerId) -> Result<(), ControlError> {
        self.maps.containers.check(id)?;
        let outer = maps::open(&self.pins, RULESETS)?;
        sys::delete(outer.fd().as_fd(), &id.0)
            .context(|| format!("take the rules of container {} out of force", id.0))?;
        self.set_connlimits(id, &[])?;
        self.keep_objects(id, &[])
    }

    /// Generation of the rules of a container that are in force; nothing where there are none.
    pub fn ruleset_generation(&self, id: ContainerId) -> Result<Option<u64>, ControlError> {
        Ok(self.maps.rulesets.get(id)?.map(|ruleset| ruleset.header.generation))
    }

    /// What each counter of a container's rules has counted, those of policies last; nothing where there are none.
    pub fn rule_counters(&self, id: ContainerId) -> Result<Vec<Traffic>, ControlError> {
        self.maps.rulesets.get(id)?.map_or_else(|| Ok(Vec::new()), |ruleset| ruleset.counters())
    }
}

/// The keys of what a ruleset keeps something for.
fn keys(container: ContainerId, lines: &[Line], objects: &[Kept]) -> Vec<(ObjectKey, Keeps)> {
    objects.iter().map(|one| (object(container, lines, one.number), one.what)).collect()
}

/// The key of what a ruleset keeps something for. The stamp's upper half is the container's generation, which comes into
/// force after its rules.
fn object(container: ContainerId, lines: &[Line], number: u32) -> ObjectKey {
    let stamp = lines.first().map_or(0, header::generation);
    ObjectKey { container, generation: u32::try_from(stamp >> 32).unwrap_or(0), number }
}

impl Ruleset {
    fn make(lines: &[Line]) -> Result<Self, ControlError> {
        let header = lines.first().and_then(Header::from_line).ok_or(ControlError::NoRuleset)?;
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let map = Lines::create(count, BPF_F_INNER_MAP)
            .map_err(ControlError::map(RULESETS, "make a ruleset for"))?;
        let mut made = Self { lines: map, header };
        made.write(0, lines)?;
        Ok(made)
    }

    /// Lets counters begin with what others have counted.
    fn carry(&mut self, old: &Self, carried: &[(u32, u32)]) -> Result<(), ControlError> {
        let before = old.counters()?;
        let first = self.header.base;
        let mut base: Vec<Line> = vec![zero(); counters::lines(self.header.rules) as usize];
        for (new, old) in carried {
            let (line, place) = self.header.base_place(*new);
            let counted = before.get(*old as usize).copied().unwrap_or_default();
            if let Some(line) = base.get_mut((line - first) as usize) {
                counters::write(line, place, counted);
            }
        }
        self.write(first, &base)
    }

    fn counters(&self) -> Result<Vec<Traffic>, ControlError> {
        let count = counters::policy(self.header.rules, 0) + berth_common::abi::rules::chain::SLOTS;
        let base = self.read(self.header.base)?;
        let now = self.read(self.header.counters)?;
        let sum = |counter: u32| {
            let (line, place) = (
                (counter / counters::COUNTERS_A_LINE) as usize,
                (counter % counters::COUNTERS_A_LINE) as usize,
            );
            let of = |lines: &[Line]| {
                lines.get(line).and_then(|line| counters::read(line, place)).unwrap_or_default()
            };
            let (before, now) = (of(&base), of(&now));
            Traffic { packets: before.packets + now.packets, bytes: before.bytes + now.bytes }
        };
        Ok((0..count).map(sum).collect())
    }

    /// All lines of counters from `first` on.
    fn read(&self, first: u32) -> Result<Vec<Line>, ControlError> {
        let count = counters::lines(self.header.rules) as usize;
        sys::read_array(self.descriptor(), first, count).context(|| "read the counters of rules".to_owned())
    }

    /// Writes lines from `first` on: thousands of them, so not one by one.
    fn write(&mut self, first: u32, lines: &[Line]) -> Result<(), ControlError> {
        sys::write_array(self.descriptor(), first, lines)
            .context(|| "write a ruleset to the kernel".to_owned())
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        IterableMap::map(&self.lines).fd().as_fd()
    }
}
