//! Boxes in the space of all dimensions.

use std::rc::Rc;

use berth_common::abi::rules::{Dimension, Family};

use super::values::Values;

/// A set of packets: those that have one of the given values in every dimension that is named. Dimensions ascend;
/// one that every packet satisfies is not named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Region(Vec<(Dimension, Rc<Values>)>);

impl Region {
    /// All packets.
    pub(super) const ALL: Self = Self(Vec::new());

    /// Packets with these values; nothing if there can be none.
    pub(super) fn field(dimension: Dimension, values: &Values, family: Family) -> Option<Self> {
        if values.is_empty() {
            None
        } else if values.cover(dimension, family) {
            Some(Self::ALL)
        } else {
            Some(Self(vec![(dimension, Rc::new(values.clone()))]))
        }
    }

    /// Packets that are in both; nothing if there can be none.
    pub(super) fn intersection(&self, other: &Self) -> Option<Self> {
        let mut both = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0 == b.0 => {
                    both.push((a.0, shared(&a.1, &b.1)?));
                    left.next();
                    right.next();
                }
                (Some(a), Some(b)) if a.0 < b.0 => both.extend(left.next().cloned()),
                (Some(_), None) => both.extend(left.next().cloned()),
                (_, Some(_)) => both.extend(right.next().cloned()),
                (None, None) => return Some(Self(both)),
            }
        }
    }

    /// Packets that are in this one and not in `other`, as regions without common packets.
    pub(super) fn without(&self, other: &Self, family: Family) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut rest = self.clone();
        for (dimension, values) in &other.0 {
            // Whoever lacks the dimension satisfies no values but those that say so, and so is outside of `values`.
            let mut outside = values.except(*dimension, family);
            if dimension.shape().optional
                && !values.contains(berth_common::abi::rules::dimension::ABSENT.into())
            {
                outside = outside.union(&Values::absent());
            }
            pieces.extend(
                Self::field(*dimension, &outside, family).and_then(|outside| rest.intersection(&outside)),
            );
            let inside = Self(vec![(*dimension, Rc::clone(values))]);
            match rest.intersection(&inside) {
                Some(inside) => rest = inside,
                None => break,
            }
        }
        pieces
    }

    /// The same for packets that have zero in some dimensions, which nothing looks at any more; nothing if there are none
    /// among them.
    pub(super) fn without_dimensions(&self, unknown: &[Dimension]) -> Option<Self> {
        let (known, rest): (Vec<_>, Vec<_>) =
            self.0.iter().cloned().partition(|(dimension, _)| !unknown.contains(dimension));
        rest.iter().all(|(_, values)| values.contains(0)).then_some(Self(known))
    }

    /// The dimensions that are looked at, and the values.
    pub(super) fn fields(&self) -> impl Iterator<Item = (Dimension, &Values)> {
        self.0.iter().map(|(dimension, values)| (*dimension, values.as_ref()))
    }

    /// The values of one dimension, if it is looked at.
    pub(super) fn values(&self, dimension: Dimension) -> Option<&Values> {
        self.0.iter().find(|field| field.0 == dimension).map(|field| field.1.as_ref())
    }

    /// Whether it looks at anything that may differ between packets of one flow.
    pub(super) fn varies(&self) -> bool {
        self.0.iter().any(|(dimension, _)| !dimension.shape().constant)
    }
}

/// The common values, without a copy where they are the same set.
fn shared(a: &Rc<Values>, b: &Rc<Values>) -> Option<Rc<Values>> {
    if Rc::ptr_eq(a, b) {
        return Some(Rc::clone(a));
    }
    let both = a.intersection(b);
    if both.is_empty() {
        None
    } else if both == **a {
        Some(Rc::clone(a))
    } else {
        Some(Rc::new(both))
    }
}
