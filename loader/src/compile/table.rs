//! Making a table: the nodes of its dimensions, one below the other, down to the vectors.

use berth_common::abi::rules::Dimension;

use super::{
    blocks::Vector,
    hash::HashMap,
    node::{self, Node, Runs},
    values,
    vector::Vectors,
};

/// Makes the table of some dimensions.
pub(super) fn build(dimensions: &[Dimension], vectors: &mut Vectors<'_, '_>) -> Option<Node> {
    let all = vectors.space.all();
    Table { all: all.clone(), vectors, known: HashMap::default() }.below(dimensions, &all)
}

struct Table<'a, 'b, 'c> {
    /// All entries.
    all: Vector,
    vectors: &'a mut Vectors<'b, 'c>,
    /// What was made for so many remaining dimensions and what is left of the entries.
    known: HashMap<(usize, Vector), Node>,
}

impl Table<'_, '_, '_> {
    /// The node for the remaining dimensions of a packet that so far satisfies the entries in `left`.
    fn below(&mut self, dimensions: &[Dimension], left: &Vector) -> Option<Node> {
        let [dimension, others @ ..] = dimensions else {
            return Some(Node { reference: self.vectors.write(left), depth: 0 });
        };
        if let Some(node) = self.known.get(&(dimensions.len(), left.clone())) {
            return Some(*node);
        }
        let partition = self.vectors.space.partition(*dimension, left);
        let mut classes = Vec::with_capacity(partition.classes.len());
        for class in &partition.classes {
            classes.push(self.below(others, class)?);
        }
        let runs = partition.runs.iter().filter_map(|(last, class)| Some((*last, *classes.get(*class)?)));
        let node = self.value(*dimension, runs.collect(), *left == self.all)?;
        self.known.insert((dimensions.len(), left.clone()), node);
        Some(node)
    }

    /// The node for the value of a dimension.
    fn value(&mut self, dimension: Dimension, runs: Vec<(u128, Node)>, is_top: bool) -> Option<Node> {
        let bits = u128::BITS - values::top(dimension, self.vectors.space.family).leading_zeros();
        if bits > u32::BITS {
            return self.part(dimension.first_part(), bits, runs);
        }
        let runs = runs.into_iter().filter_map(|(last, node)| Some((u32::try_from(last).ok()?, node)));
        node::build(
            self.vectors.lines,
            dimension.first_part(),
            bits.next_multiple_of(4),
            runs.collect(),
            is_top,
        )
    }

    /// The node for one of several parts, of a value that has so many bits from this part on.
    fn part(&mut self, part: u32, bits: u32, runs: Vec<(u128, Node)>) -> Option<Node> {
        let shift = bits.saturating_sub(u32::BITS);
        let low = (1 << shift) - 1;
        let mut upper = Runs::new();
        // The runs within one value of the part that do not cover it.
        let mut inner: Vec<(u128, Node)> = Vec::new();
        let mut next = Some(0);
        for (last, node) in runs {
            while let Some(start) = next.filter(|start| *start <= last) {
                let value = start >> shift;
                let end = value << shift | low;
                if start & low == 0 && end <= last {
                    let covered = if last & low == low { last >> shift } else { (last >> shift) - 1 };
                    upper.push((u32::try_from(covered).ok()?, node));
                    next = (covered << shift | low).checked_add(1);
                } else {
                    let here = end.min(last);
                    inner.push((here & low, node));
                    next = here.checked_add(1);
                    if here == end {
                        let child = self.part(part + 1, shift, std::mem::take(&mut inner))?;
                        upper.push((u32::try_from(value).ok()?, child));
                    }
                }
            }
        }
        node::build(self.vectors.lines, part, bits.min(u32::BITS), upper, false)
    }
}
