//! Rulesets in the kernel: lines on a shelf for each container that has rules.

use berth_common::abi::{
    counters::Traffic,
    guard::ObjectKey,
    rules::{
        Line, counters,
        header::{self, Header},
        shelf::Place,
    },
    units::ContainerId,
};

use super::{
    ControlError, Kernel,
    objects::{Keeps, Kept},
    plain::zero,
    shelves::Shelves,
};

/// A ruleset in the kernel.
#[derive(Clone, Copy)]
struct Ruleset {
    place: Place,
    header: Header,
}

impl Shelves {
    fn ruleset(&self, id: ContainerId) -> Result<Option<Ruleset>, ControlError> {
        let place = self.of_rules(id)?;
        if place == Place::NONE {
            return Ok(None);
        }
        let first = self.read(place, 0, 1)?;
        let header = first.first().and_then(Header::from_line).ok_or(ControlError::OtherRuleset(id))?;
        Ok(Some(Ruleset { place, header }))
    }

    /// Writes a ruleset that is in force for nobody yet.
    fn put_ruleset(&mut self, lines: &[Line]) -> Result<Ruleset, ControlError> {
        let header = lines.first().and_then(Header::from_line).ok_or(ControlError::NoRuleset)?;
        Ok(Ruleset { place: self.put(lines)?, header })
    }

    /// Lets counters begin with what others have counted.
    fn carry(&self, new: &Ruleset, old: &Ruleset, carried: &[(u32, u32)]) -> Result<(), ControlError> {
        let before = self.counters(old)?;
        let first = new.header.base;
        let mut base: Vec<Line> = vec![zero(); counters::lines(new.header.rules) as usize];
        for (counter, source) in carried {
            let (line, place) = new.header.base_place(*counter);
            let counted = before.get(*source as usize).copied().unwrap_or_default();
            if let Some(line) = base.get_mut((line - first) as usize) {
                counters::write(line, place, counted);
            }
        }
        self.write(new.place, first, &base)
    }

    fn counters(&self, ruleset: &Ruleset) -> Result<Vec<Traffic>, ControlError> {
        let Ruleset { place, header } = ruleset;
        let count = counters::policy(header.rules, 0) + berth_common::abi::rules::chain::SLOTS;
        let lines = counters::lines(header.rules) as usize;
        let base = self.read(*place, header.base, lines)?;
        let now = self.read(*place, header.counters, lines)?;
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
        let shelves = &mut self.maps.shelves;
        let before = shelves.of_rules(id)?;
        let old = match shelves.ruleset(id) {
            // These are what takes its place.
            Err(ControlError::OtherRuleset(_)) => None,
            other => other?,
        };
        let new = shelves.put_ruleset(lines)?;
        if let Some(old) = &old {
            shelves.carry(&new, old, carried)?;
        }
        self.publish_rules(id, before, new.place)?;
        if before != Place::NONE {
            self.take_leave(id, old.map(|old| (new, old)), carried);
        }
        Ok(())
    }

    /// Takes a container's rules out of force.
    pub fn remove_ruleset(&mut self, id: ContainerId) -> Result<(), ControlError> {
        self.maps.containers.check(id)?;
        let before = self.maps.shelves.of_rules(id)?;
        if before != Place::NONE {
            self.publish_rules(id, before, Place::NONE)?;
            self.take_leave(id, None, &[]);
        }
        self.set_connlimits(id, &[])?;
        self.keep_objects(id, &[])
    }

    /// A container's rules are in force no longer, whatever comes of this: what they have counted since others were made from them goes on in
    /// those, and a shelf that is empty goes. Otherwise it goes at the next change.
    fn take_leave(&mut self, id: ContainerId, replaced: Option<(Ruleset, Ruleset)>, carried: &[(u32, u32)]) {
        let shelves = &mut self.maps.shelves;
        let left = shelves.wait().and_then(|()| {
            // Nobody is at work in the old one any more: what it has counted now is all.
            let carried = replaced.map_or(Ok(()), |(new, old)| shelves.carry(&new, &old, carried));
            carried.and_then(|()| shelves.tidy(&self.pins))
        });
        if let Err(failure) = left {
            log::warn!("what the former rules of container {} have counted last is lost: {failure}", id.0);
        }
    }

    /// Generation of the rules of a container that are in force; nothing where there are none.
    pub fn ruleset_generation(&self, id: ContainerId) -> Result<Option<u64>, ControlError> {
        Ok(self.maps.shelves.ruleset(id)?.map(|ruleset| ruleset.header.generation))
    }

    /// What each counter of a container's rules has counted, those of policies last; nothing where there are none.
    pub fn rule_counters(&self, id: ContainerId) -> Result<Vec<Traffic>, ControlError> {
        let shelves = &self.maps.shelves;
        shelves.ruleset(id)?.map_or_else(|| Ok(Vec::new()), |ruleset| shelves.counters(&ruleset))
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
