//! Where the nodes of a graph stand: in rows, each below all that it is made of.
//!
//! The steps are those of Sugiyama, Tagawa & Toda, "Methods for visual understanding of hierarchical
//! system structures" (1981): rows, the order within each row, places.

/// The rounds in which nodes are put into another order, and moved.
const ROUNDS: usize = 24;
/// How much more it weighs that an edge is straight where both of its ends are not leaves: so what
/// an operation continues stands straight above it, and long graphs do not drift sideways.
const STRAIGHT: f64 = 16.0;
/// The same of an edge from a leaf that passes through rows, where one to the next row weighs 1.
const PASSING: f64 = 4.0;

/// A node of the graph, or what stands for an edge in a row that it passes through.
struct Item {
    /// The width with the space beside it.
    width: f64,
    /// The items in the row above and in the one below that it is joined to, with their weights.
    above: Vec<(usize, f64)>,
    below: Vec<(usize, f64)>,
    x: f64,
}

/// A place for everything in a graph.
pub(super) struct Rows {
    /// The row of each node, from the top.
    pub(super) row_of: Vec<usize>,
    /// The middle of each node.
    pub(super) x: Vec<f64>,
    /// For each edge, where it passes through the rows between those of its ends.
    pub(super) passes: Vec<Vec<f64>>,
}

/// Arranges nodes with these widths, which include the space between them. The edges lead from a
/// node to one that is made of it, and are no circle.
pub(super) fn arrange(widths: &[f64], edges: &[(usize, usize)], gap: f64) -> Rows {
    let row_of = rows(widths.len(), edges);
    let is_leaf = |node: usize| edges.iter().all(|(_, to)| *to != node);
    let item = |width: f64| Item { width, above: Vec::new(), below: Vec::new(), x: 0.0 };
    let mut items: Vec<Item> = widths.iter().map(|&width| item(width)).collect();
    let mut rows = vec![Vec::new(); row_of.iter().max().map_or(0, |last| last + 1)];
    row_of.iter().enumerate().for_each(|(node, &row)| rows[row].push(node));
    let mut passing = Vec::with_capacity(edges.len());
    for &(from, to) in edges {
        // An edge that passes through rows is straight if that costs nothing else.
        let weight = match is_leaf(from) {
            true if row_of[to] - row_of[from] > 1 => PASSING,
            true => 1.0,
            false => STRAIGHT,
        };
        let mut passed = Vec::new();
        for row in &mut rows[row_of[from] + 1..row_of[to]] {
            items.push(item(gap));
            row.push(items.len() - 1);
            passed.push(items.len() - 1);
        }
        let mut last = from;
        for next in passed.iter().copied().chain([to]) {
            items[last].below.push((next, weight));
            items[next].above.push((last, weight));
            last = next;
        }
        passing.push(passed);
    }
    order(&items, &mut rows);
    place(&mut items, &rows);
    let start = items.iter().map(|item| item.x - item.width / 2.0).fold(f64::INFINITY, f64::min);
    let x = |item: usize| items[item].x - start;
    Rows {
        x: (0..widths.len()).map(x).collect(),
        passes: passing.iter().map(|passed| passed.iter().map(|&item| x(item)).collect()).collect(),
        row_of,
    }
}

/// The row of each node: the last has what nothing is made of, and each other stands right above
/// the first that is made of it.
fn rows(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut above_end = vec![0; count];
    // Each round is right for the nodes one edge farther from the end.
    for _ in 0..count {
        let mut changed = false;
        for &(from, to) in edges {
            if above_end[from] < above_end[to] + 1 {
                above_end[from] = above_end[to] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    let top = above_end.iter().copied().max().unwrap_or(0);
    above_end.iter().map(|distance| top - distance).collect()
}

/// Puts each row into an order in which few edges cross: by the mean position of what its items are
/// joined to, in the row below and above by turns, and the best of all rounds.
fn order(items: &[Item], rows: &mut [Vec<usize>]) {
    let mut best = (crossings(items, rows), rows.to_vec());
    for round in 0..ROUNDS {
        let upwards = round % 2 == 0;
        let count = rows.len();
        for step in 1..count {
            let row = if upwards { count - 1 - step } else { step };
            let fixed = if upwards { row + 1 } else { row - 1 };
            let mut position = vec![0.0; items.len()];
            rows[fixed].iter().enumerate().for_each(|(at, &item)| position[item] = at as f64);
            let mut means: Vec<(f64, usize)> = rows[row]
                .iter()
                .enumerate()
                .map(|(at, &item)| {
                    let joined = if upwards { &items[item].below } else { &items[item].above };
                    let sum: f64 = joined.iter().map(|(other, _)| position[*other]).sum();
                    // What is joined to nothing there stays.
                    let stays = at as f64 * rows[fixed].len() as f64 / rows[row].len() as f64;
                    (if joined.is_empty() { stays } else { sum / joined.len() as f64 }, item)
                })
                .collect();
            means.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[row] = means.into_iter().map(|(_, item)| item).collect();
        }
        let count = crossings(items, rows);
        if count < best.0 {
            best = (count, rows.to_vec());
        }
    }
    rows.clone_from_slice(&best.1);
}

/// How many pairs of edges cross.
fn crossings(items: &[Item], rows: &[Vec<usize>]) -> usize {
    let mut position = vec![0; items.len()];
    for row in rows {
        row.iter().enumerate().for_each(|(at, &item)| position[item] = at);
    }
    let mut count = 0;
    for row in rows {
        let edges: Vec<(usize, usize)> = row
            .iter()
            .flat_map(|&item| items[item].below.iter().map(move |(other, _)| (item, *other)))
            .map(|(from, to)| (position[from], position[to]))
            .collect();
        for (index, a) in edges.iter().enumerate() {
            count += edges[index + 1..].iter().filter(|b| a.0 < b.0 && a.1 > b.1).count();
            count += edges[index + 1..].iter().filter(|b| a.0 > b.0 && a.1 < b.1).count();
        }
    }
    count
}

/// Moves the items of each row towards what they are joined to, without changing their order.
fn place(items: &mut [Item], rows: &[Vec<usize>]) {
    for row in rows {
        let mut x = 0.0;
        for &item in row {
            items[item].x = x + items[item].width / 2.0;
            x += items[item].width;
        }
    }
    for round in 0..2 * ROUNDS {
        for step in 0..rows.len() {
            let row = if round % 2 == 0 { rows.len() - 1 - step } else { step };
            let wanted = |&item: &usize| {
                let joined = items[item].above.iter().chain(&items[item].below);
                let (sum, weights) = joined.fold((0.0, 0.0), |(sum, weights), (other, weight)| {
                    (sum + weight * items[*other].x, weights + weight)
                });
                if weights > 0.0 { (sum / weights, weights) } else { (items[item].x, 0.1) }
            };
            let wanted: Vec<(f64, f64)> = rows[row].iter().map(wanted).collect();
            let widths: Vec<f64> = rows[row].iter().map(|&item| items[item].width).collect();
            for (&item, x) in rows[row].iter().zip(apart(&wanted, &widths)) {
                items[item].x = x;
            }
        }
    }
}

/// The places nearest to the wanted ones (place and weight), by least squares, at which neighbours
/// do not overlap: an isotonic regression, by pooling what would overlap.
fn apart(wanted: &[(f64, f64)], widths: &[f64]) -> Vec<f64> {
    // Less the distances that there must be, places only have to be in order.
    let mut offsets = vec![0.0; widths.len()];
    for index in 1..widths.len() {
        offsets[index] = offsets[index - 1] + (widths[index - 1] + widths[index]) / 2.0;
    }
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (&(place, weight), offset) in wanted.iter().zip(&offsets) {
        let mut pool = (place - offset, weight, 1);
        while let Some(&(mean, weights, count)) = pools.last().filter(|last| last.0 > pool.0) {
            let sum = mean * weights + pool.0 * pool.1;
            pool = (sum / (weights + pool.1), weights + pool.1, count + pool.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let places = pools.iter().flat_map(|&(mean, _, count)| std::iter::repeat_n(mean, count));
    places.zip(&offsets).map(|(place, offset)| place + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stands_right_above_the_first_that_is_made_of_it() {
        // 0 → 1 → 3 → 4, 2 → 4, 0 → 4
        let edges = [(0, 1), (1, 3), (3, 4), (2, 4), (0, 4)];
        let rows = arrange(&[10.0; 5], &edges, 4.0);
        assert_eq!(rows.row_of, [0, 1, 2, 2, 3]);
        assert_eq!(rows.passes.iter().map(Vec::len).collect::<Vec<_>>(), [0, 0, 0, 0, 2]);
        assert!((rows.x[2] - rows.x[3]).abs() >= 10.0 - 1e-9);
    }

    #[test]
    fn edges_that_need_not_cross_do_not() {
        // Each of four is made of its own two.
        let edges: Vec<(usize, usize)> = (0..8).map(|leaf| (leaf, 8 + leaf * 5 % 4)).collect();
        let rows = arrange(&[10.0; 12], &edges, 4.0);
        for (index, &(a, x)) in edges.iter().enumerate() {
            for &(b, y) in &edges[index + 1..] {
                let crossed = (rows.x[a] - rows.x[b]) * (rows.x[x] - rows.x[y]) < -1e-9;
                assert!(!crossed, "{a} → {x} and {b} → {y}");
            }
        }
    }

    #[test]
    fn a_chain_with_an_input_each_is_straight() {
        // 0 → 1 → 2 …, and a leaf for each.
        let mut edges: Vec<(usize, usize)> = (0..20).map(|i| (i, i + 1)).collect();
        edges.extend((0..20).map(|i| (21 + i, i + 1)));
        let rows = arrange(&[30.0; 41], &edges, 4.0);
        for pair in rows.x[1..21].windows(2) {
            assert!((pair[0] - pair[1]).abs() < 4.0, "{:?}", &rows.x[..21]);
        }
    }

    #[test]
    fn what_would_overlap_is_moved_apart_as_little_as_possible() {
        assert_eq!(apart(&[(0.0, 1.0), (100.0, 1.0)], &[10.0, 10.0]), [0.0, 100.0]);
        assert_eq!(apart(&[(5.0, 1.0), (5.0, 1.0)], &[10.0, 10.0]), [0.0, 10.0]);
        assert_eq!(apart(&[(5.0, 3.0), (5.0, 1.0)], &[10.0, 10.0]), [2.5, 12.5]);
        assert!(apart(&[], &[]).is_empty());
    }
}
