//! A line of a set's table, and the places for entries in it. See [`berth_common::abi::set`].

use std::ops::Range;

use berth_common::abi::{
    rules::{Line, half, pair},
    set::{ENTRY_WORDS, Entry, GONE, HALF, OVERFLOW},
};

use super::Form;

/// The places there are.
pub fn places(form: Form) -> Range<usize> {
    0..form.kind.places(form.family)
}

/// What is in a place.
pub fn entry(line: &Line, place: usize, form: Form) -> Option<Entry> {
    let words = words(form);
    if words == HALF {
        let (word, number) = half_at(place);
        let address = half(line[word], number);
        return (address != 0).then(|| Entry::of_address(address));
    }
    let mut entry = [0; ENTRY_WORDS];
    entry[..words].copy_from_slice(&line[place * words..][..words]);
    entry[0] &= !OVERFLOW;
    (entry[0] != 0 && entry[0] != GONE).then_some(Entry(entry))
}

/// Whether something can be put there.
pub fn is_free(line: &Line, place: usize, form: Form) -> bool {
    match words(form) {
        HALF => entry(line, place, form).is_none(),
        words => line[place * words] & !OVERFLOW == 0,
    }
}

/// Puts all of an entry but its first word into a place that is free; tells whether there is more than that.
pub fn put_rest(line: &mut Line, place: usize, form: Form, entry: &Entry) -> bool {
    let words = words(form);
    if words < 2 {
        return false;
    }
    line[place * words + 1..][..words - 1].copy_from_slice(&entry.0[1..words]);
    true
}

/// Puts the first word of an entry there.
pub fn put_first(line: &mut Line, place: usize, form: Form, entry: &Entry) {
    match words(form) {
        HALF => put_half(line, place, entry.address()),
        words => line[place * words] |= entry.0[0],
    }
}

/// Takes out what is in a place; tells whether the place is not to be used again.
pub fn clear(line: &mut Line, place: usize, form: Form) -> bool {
    let words = words(form);
    if words == HALF {
        put_half(line, place, 0);
        return false;
    }
    // Whoever reads the first word of an entry reads the others later: they must not be another's by then.
    let gone = if words == 1 { 0 } else { GONE };
    let kept = if place == 0 { OVERFLOW } else { 0 };
    let first = &mut line[place * words];
    *first = *first & kept | gone;
    gone != 0
}

fn words(form: Form) -> usize {
    form.kind.words(form.family)
}

fn put_half(line: &mut Line, place: usize, address: u32) {
    let (word, number) = half_at(place);
    let other = half(line[word], number ^ 1);
    line[word] = if number == 0 { pair(address, other) } else { pair(other, address) };
}

/// The word, and the half of it, of a place for half a word. The upper half of the first word is not one: it has [`OVERFLOW`].
fn half_at(place: usize) -> (usize, u32) {
    let half = if place == 0 { 0 } else { place + 1 };
    (half / 2, u32::from(half % 2 == 1))
}

#[cfg(test)]
mod tests {
    use berth_common::abi::{
        rules::Family,
        set::{HALVES, Kind},
    };

    use super::*;

    /// Every place keeps what is put there, whatever comes and goes beside it.
    #[test]
    fn fifteen_addresses_and_a_mark() {
        let form = Form::of(Kind::HashIp, Family::Ipv4);
        let address = |place: usize| {
            let number = u32::try_from(place).unwrap();
            if place.is_multiple_of(2) { u32::MAX - number } else { number }
        };
        let mut line: Line = [0; 8];
        for place in places(form) {
            assert!(is_free(&line, place, form));
            assert!(!put_rest(&mut line, place, form, &Entry::of_address(address(place))));
            put_first(&mut line, place, form, &Entry::of_address(address(place)));
            line[0] |= OVERFLOW;
        }
        assert_eq!(places(form).len(), HALVES);
        for gone in places(form) {
            let mut line = line;
            assert!(!clear(&mut line, gone, form));
            let left: Vec<_> = places(form).filter_map(|place| entry(&line, place, form)).collect();
            let expected = places(form).filter(|place| *place != gone);
            assert_eq!(left, expected.map(|place| Entry::of_address(address(place))).collect::<Vec<_>>());
            assert!(is_free(&line, gone, form) && line[0] & OVERFLOW != 0);
        }
    }
}
