//! Maps of the compiler. It looks up hundreds of thousands of lines and vectors, mostly short ones: the standard hash took
//! much of its time. This one is seeded anew for each map, too.

use std::collections;

use foldhash::fast::RandomState;

/// A map.
pub(super) type HashMap<K, V> = collections::HashMap<K, V, RandomState>;

/// A set.
pub(super) type HashSet<T> = collections::HashSet<T, RandomState>;
