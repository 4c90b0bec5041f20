//! How a batch is cut into parts, and in which order what comes of the parts is added.
//!
//! Both depend on the number of parts alone, not on how many processes share them:
//!
//! ```text
//! parts    0   1   2   3   4   5   6   7
//!           \ /     \ /     \ /     \ /
//!            +       +       +       +        process 0 of 3 has parts 0 and 1, process 1 has
//!             \     /         \     /         2, 3 and 4, process 2 has 5, 6 and 7
//!                +               +
//!                 \             /
//!                        +
//! ```
//!
//! A process adds what it has all parts of, here 0 + 1 or 6 + 7, and the rest is added where the
//! pieces meet.

use std::ops::Range;

/// Parts that follow one another, a node of the tree.
pub(crate) type Node = Range<usize>;

/// The children of a node of two parts or more.
pub(crate) fn children(node: &Node) -> [Node; 2] {
    let middle = node.start + node.len().next_power_of_two() / 2;
    [node.start..middle, middle..node.end]
}

/// Cuts `len` items into `parts` parts as equal as can be: the items of part `part`.
pub(crate) fn cut(len: usize, parts: usize, part: usize) -> Range<usize> {
    len * part / parts..len * (part + 1) / parts
}

/// The largest nodes of the tree of `parts` parts that lie in `range`, from left to right.
pub(crate) fn largest_nodes(parts: usize, range: &Range<usize>) -> Vec<Node> {
    fn collect(node: Node, range: &Range<usize>, found: &mut Vec<Node>) {
        if range.start <= node.start && node.end <= range.end {
            found.push(node);
        } else if node.start < range.end && range.start < node.end {
            children(&node).into_iter().for_each(|child| collect(child, range, found));
        }
    }
    let mut found = Vec::new();
    if !range.is_empty() {
        collect(0..parts, range, &mut found);
    }
    found
}

/// The sum over a node, given what `known` knows of nodes and, at the latest, of single parts.
/// Parts without a value (`None`) are left out.
pub(crate) fn sum<T>(
    node: Node,
    known: &mut impl FnMut(&Node) -> Option<Option<T>>,
    add: &impl Fn(T, T) -> T,
) -> Option<T> {
    if let Some(found) = known(&node) {
        return found;
    }
    assert!(node.len() > 1, "part {} of a batch is known to nobody", node.start);
    let [left, right] = children(&node);
    match (sum(left, known, add), sum(right, known, add)) {
        (Some(left), Some(right)) => Some(add(left, right)),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_out(
        parts: usize,
        known: &mut impl FnMut(&Node) -> Option<Option<String>>,
    ) -> String {
        sum(0..parts, known, &|a, b| format!("({a} {b})")).unwrap_or_default()
    }

    fn part(node: &Node) -> Option<Option<String>> {
        (node.len() == 1).then(|| Some(node.start.to_string()))
    }

    #[test]
    fn the_order_is_that_of_the_page() {
        assert_eq!(written_out(8, &mut part), "(((0 1) (2 3)) ((4 5) (6 7)))");
        assert_eq!(written_out(6, &mut part), "(((0 1) (2 3)) (4 5))");
        assert_eq!(written_out(1, &mut part), "0");
        let mut every_other = |node: &Node| match part(node) {
            Some(_) if node.start % 2 == 1 => Some(None),
            known => known,
        };
        assert_eq!(written_out(6, &mut every_other), "((0 2) 4)");
    }

    #[test]
    fn every_number_of_processes_adds_in_the_same_order() {
        for parts in 1..=20 {
            let expected = written_out(parts, &mut part);
            for processes in 1..=parts {
                let mut pieces = Vec::new();
                for process in 0..processes {
                    for node in largest_nodes(parts, &cut(parts, processes, process)) {
                        let sum = sum(node.clone(), &mut part, &|a, b| format!("({a} {b})"));
                        pieces.push((node, sum));
                    }
                }
                assert!(pieces.iter().map(|(node, _)| node.len()).sum::<usize>() == parts);
                let mut piece =
                    |node: &Node| Some(pieces.iter().find(|(of, _)| of == node)?.1.clone());
                assert_eq!(written_out(parts, &mut piece), expected, "{processes} of {parts}");
            }
        }
    }

    #[test]
    fn a_process_with_whole_branches_sends_few_pieces() {
        assert_eq!(largest_nodes(8, &(1..4)), [1..2, 2..4]);
        assert_eq!(largest_nodes(8, &(1..8)), [1..2, 2..4, 4..8]);
        assert!(largest_nodes(8, &(3..3)).is_empty());
    }

    #[test]
    fn parts_differ_by_one_item_at_most_and_cover_all() {
        for len in 0..40 {
            let parts: Vec<_> = (0..8).map(|part| cut(len, 8, part)).collect();
            assert!(parts.iter().all(|part| (len / 8..=len.div_ceil(8)).contains(&part.len())));
            assert_eq!(parts.into_iter().flatten().collect::<Vec<_>>(), Vec::from_iter(0..len));
        }
    }
}
