//! Which dimensions share a table, and in which order the tables come.
//!
//! Every table costs a look-up, and then two or three lines for each word of matches. So dimensions share one where
//! that makes it little larger: the nodes of the second dimension hang below those of the first, for what is left of
//! the entries there. That is little where the first dimension leaves few entries, as addresses do if every rule names
//! one. Rules that name a port name a protocol, so these two together have hardly more vectors than ports alone; state
//! and interfaces have few values. But if half of the rules name a source and the others a destination, all of the
//! latter would be repeated for every source: these dimensions keep tables of their own.
//!
//! What varies within a flow never shares a table with what does not, for the sake of
//! [`Outcome::constant`](berth_common::engine::classify::Outcome::constant).

use std::{cmp::Reverse, rc::Rc};

use berth_common::abi::rules::{Dimension, Family, root::MAX_TABLES};

use super::{
    blocks::{Bits, Vector},
    flatten::Entry,
    hash::HashSet,
    partition::Space,
    vector::SMALL,
};

/// A table that is to be made.
pub(super) struct Plan {
    /// What it looks at, in order. Nothing at all, if no entry looks at anything that is constant, and there are other tables, or many entries.
    pub(super) dimensions: Vec<Dimension>,
    /// Whether it looks at what is constant within a flow.
    pub(super) constant: bool,
    /// Entries of which it is the pivot.
    pub(super) pivots: Bits,
}

/// Combinations that dimensions may always have that share a table: so many lead to vectors of one word, or to larger
/// ones.
const COMBINATIONS: (usize, usize) = (64, 256);

/// Vectors that a table may have for each entry, for the sake of fewer tables. A table of one dimension has about two.
const JOINED: usize = 4;

/// The tables, constant ones first, and of either kind the most selective one first.
pub(super) fn plan(space: &mut Space<'_>) -> Vec<Plan> {
    let mut allowed = if space.entries.len() <= SMALL { COMBINATIONS.0 } else { COMBINATIONS.1 };
    let mut groups = Groups::new(space);
    groups.join_small(allowed);
    groups.join_into_large(allowed);
    while groups.all.len() > MAX_TABLES as usize {
        allowed = allowed.saturating_mul(2);
        groups.join_small(allowed);
    }
    let mut groups = groups.all;
    // Few entries, none of which looks at anything, all match until a check of theirs says otherwise.
    let all_match = groups.is_empty() && space.entries.len() <= SMALL;
    if !all_match && !groups.iter().any(|group| group.constant) {
        groups.push(Group { dimensions: Vec::new(), constant: true, classes: Vec::new() });
    }
    let (family, entries) = (space.family, space.entries);
    groups.sort_by_cached_key(|group| {
        let weight =
            entries.iter().map(|entry| u64::from(weight(entry, &group.dimensions, family))).sum::<u64>();
        (!group.constant, Reverse(weight))
    });
    let pivots = pivots(&groups, family, entries);
    let plan = |(group, pivots): (Group, Bits)| Plan {
        dimensions: group.dimensions,
        constant: group.constant,
        pivots,
    };
    groups.into_iter().zip(pivots).map(plan).collect()
}

/// Dimensions that share a table.
struct Group {
    dimensions: Vec<Dimension>,
    constant: bool,
    /// The vectors of the combinations.
    classes: Vec<Vector>,
}

struct Groups<'a, 'b> {
    space: &'a mut Space<'b>,
    all: Vec<Group>,
}

impl<'a, 'b> Groups<'a, 'b> {
    /// Every dimension that an entry looks at, by itself, those with the fewest classes first.
    fn new(space: &'a mut Space<'b>) -> Self {
        let everything = space.all();
        let mut all = Vec::new();
        for dimension in Dimension::ALL {
            if space.looking_at(&[*dimension]).count() > 0 {
                all.push(Group {
                    dimensions: vec![*dimension],
                    constant: dimension.shape().constant,
                    classes: space.partition(*dimension, &everything).classes.clone(),
                });
            }
        }
        all.sort_by_key(|group| group.classes.len());
        Self { space, all }
    }

    /// Joins groups as long as there are no more than `allowed` combinations.
    fn join_small(&mut self, allowed: usize) {
        let mut joined: Vec<Group> = Vec::new();
        for group in std::mem::take(&mut self.all) {
            let fits = |other: &&mut Group| {
                other.constant == group.constant
                    && other.classes.len().saturating_mul(group.classes.len()) <= allowed
            };
            match joined.iter_mut().find(fits) {
                Some(other) => {
                    if let Some(classes) = refine(self.space, &other.classes, &group.dimensions, allowed) {
                        other.classes = classes;
                    }
                    other.dimensions.extend(group.dimensions);
                }
                None => joined.push(group),
            }
        }
        self.all = joined;
    }

    /// Joins groups with larger ones where what is below has not much more to tell apart than by itself.
    fn join_into_large(&mut self, allowed: usize) {
        self.all.sort_by_key(|group| group.classes.len());
        let mut place = 0;
        while place < self.all.len() {
            match self.best_below(place, allowed) {
                Some(best) if self.put_below(place, best, allowed).is_some() => {}
                Some(_) | None => place += 1,
            }
        }
    }

    /// Joins the group at `place` with a later one, unless the two tell apart more than is worth it.
    fn put_below(&mut self, place: usize, below: usize, allowed: usize) -> Option<()> {
        let limit = JOINED * self.space.entries.len() + allowed;
        let (upper, lower) = (self.all.get(place)?, self.all.get(below)?);
        let classes = refine(self.space, &upper.classes, &lower.dimensions, limit)?;
        let upper = self.all.remove(place);
        let lower = self.all.get_mut(below - 1)?;
        lower.classes = classes;
        lower.dimensions.splice(0..0, upper.dimensions);
        Some(())
    }

    /// The later group that is best put below the one at `place`: that repeats fewest entries there.
    fn best_below(&self, place: usize, allowed: usize) -> Option<usize> {
        let upper = self.all.get(place)?;
        let mut best = None;
        for (number, lower) in self.all.iter().enumerate().skip(place + 1) {
            if upper.constant != lower.constant {
                continue;
            }
            let limit = 2 * lower.classes.len() + allowed;
            let looking = self.space.looking_at(&lower.dimensions);
            let mut repeated = 0;
            for class in &upper.classes {
                let words = self.space.blocks.words(class).zip(looking.words());
                repeated +=
                    words.map(|(class, looking)| (class & looking).count_ones() as usize).sum::<usize>();
                if repeated > limit {
                    break;
                }
            }
            let spare = limit.saturating_sub(repeated);
            if repeated <= limit && best.is_none_or(|(_, most)| spare > most) {
                best = Some((number, spare));
            }
        }
        best.map(|(number, _)| number)
    }
}

/// The vectors of all combinations of these and the classes of some dimensions, each once; nothing if there are more
/// than `limit`.
fn refine(
    space: &mut Space<'_>,
    vectors: &[Vector],
    dimensions: &[Dimension],
    limit: usize,
) -> Option<Vec<Vector>> {
    let mut vectors = vectors.to_vec();
    for dimension in dimensions {
        let mut known = HashSet::default();
        let mut finer = Vec::new();
        for vector in &vectors {
            for class in &space.partition(*dimension, vector).classes {
                if known.insert(Rc::clone(class)) {
                    finer.push(Rc::clone(class));
                }
            }
            if finer.len() > limit {
                return None;
            }
        }
        vectors = finer;
    }
    Some(vectors)
}

/// For each group the entries of which it is the pivot: the constant one that narrows them down most. Entries that none
/// narrows down are those of the first.
fn pivots(groups: &[Group], family: Family, entries: &[Entry]) -> Vec<Bits> {
    let mut pivots = vec![Bits::none(entries.len()); groups.len()];
    for (number, entry) in entries.iter().enumerate() {
        let best = groups
            .iter()
            .enumerate()
            .filter(|(_, group)| group.constant)
            .max_by_key(|(place, group)| (weight(entry, &group.dimensions, family), Reverse(*place)));
        if let Some(pivots) = best.and_then(|(place, _)| pivots.get_mut(place)) {
            pivots.toggle(number);
        }
    }
    pivots
}

/// By how many bits these dimensions are expected to narrow down the packets that an entry is for.
fn weight(entry: &Entry, dimensions: &[Dimension], family: Family) -> u32 {
    entry
        .region
        .fields()
        .filter(|(dimension, _)| dimensions.contains(dimension))
        .map(|(dimension, values)| values.information(dimension, family).min(dimension.shape().weight))
        .sum()
}
