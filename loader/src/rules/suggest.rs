//! The name that was probably meant.

/// The name of `names` that is nearest to `text`, unless none is near.
///
/// Near is a distance of at most a third of the longer one's length (at least one): enough for a slip of the fingers,
/// too little for another word.
pub(super) fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let typed: Vec<char> = text.chars().map(|c| c.to_ascii_lowercase()).take(LONGEST).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let known: Vec<char> = name.chars().map(|c| c.to_ascii_lowercase()).collect();
            let most = (typed.len().max(known.len()) / 3).max(1);
            let distance = distance(&typed, &known);
            // A word of one or two letters is near to every other.
            (distance <= most && distance < known.len()).then_some((distance, name))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours that turn one into the other.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row, &l) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut previous_right = None;
        for (column, &r) in right.iter().enumerate() {
            let cell = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (cell(&last, column + 1) + 1)
                .min(cell(&current, column) + 1)
                .min(cell(&last, column) + usize::from(l != r));
            if previous == Some(r) && previous_right == Some(l) {
                best = best.min(cell(&before, column.wrapping_sub(1)) + 1);
            }
            current.push(best);
            previous_right = Some(r);
        }
        previous = Some(l);
        before = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_slips() {
        for (left, right, expected) in
            [("", "", 0), ("abc", "abc", 0), ("dprot", "dport", 1), ("abc", "", 3), ("kitten", "sitting", 3)]
        {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(distance(&chars(left), &chars(right)), expected, "{left} {right}");
            assert_eq!(distance(&chars(right), &chars(left)), expected, "{right} {left}");
        }
    }

    #[test]
    fn offers_what_is_near() {
        let names = ["--dport", "--sport", "--state", "-s"];
        assert_eq!(nearest("--dprot", names), Some("--dport"));
        assert_eq!(nearest("--stat", names), Some("--state"));
        assert_eq!(nearest("--unlike-all-of-them", names), None);
        assert_eq!(nearest("-x", names), Some("-s"));
        assert_eq!(nearest("", names), None);
    }
}
