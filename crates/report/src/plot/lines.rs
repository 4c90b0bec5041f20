//! Making long and far lines fit for drawing.

/// The most points of a line that are drawn: about three for each unit of a picture's width.
const POINTS: usize = 1200;

/// A line with fewer points that looks the same: of those in each of equal parts, the first, the
/// last, the lowest and the highest.
pub(super) fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let parts = POINTS / 4;
    let mut thinned = Vec::with_capacity(POINTS);
    for part in 0..parts {
        let start = part * points.len() / parts;
        let part = &points[start..(part + 1) * points.len() / parts];
        let by_height = |a: &usize, b: &usize| part[*a].1.total_cmp(&part[*b].1);
        // NaN sorts above all numbers, so that the gap it makes is kept.
        let lowest = (0..part.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..part.len()).max_by(by_height).unwrap_or(0);
        let mut kept = [0, lowest, highest, part.len() - 1];
        kept.sort_unstable();
        let mut previous = None;
        for index in kept {
            if previous != Some(index) {
                thinned.push(part[index]);
            }
            previous = Some(index);
        }
    }
    thinned
}

/// The parts of a line that lie within the unit square. A point that is not finite interrupts it.
pub(super) fn clipped(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let mut parts: Vec<Vec<(f64, f64)>> = Vec::new();
    for pair in points.windows(2) {
        let Some((start, end)) = clipped_segment(pair[0], pair[1]) else { continue };
        match parts.last_mut() {
            Some(part) if part.last() == Some(&start) => part.push(end),
            _ => parts.push(vec![start, end]),
        }
    }
    parts
}

/// The part of a closed line's area that lies within the unit square, after Sutherland & Hodgman,
/// "Reentrant polygon clipping" (1974): cut off beyond each edge in turn.
pub(super) fn clipped_ring(mut ring: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let edges: [fn((f64, f64)) -> f64; 4] = [|p| p.0, |p| 1.0 - p.0, |p| p.1, |p| 1.0 - p.1];
    for inside in edges {
        let mut cut = Vec::with_capacity(ring.len() + 4);
        for (index, &end) in ring.iter().enumerate() {
            let start = ring[(index + ring.len() - 1) % ring.len()];
            let (from, to) = (inside(start), inside(end));
            if (from < 0.0) != (to < 0.0) {
                let share = from / (from - to);
                let between = |a: f64, b: f64| a + share * (b - a);
                cut.push((between(start.0, end.0), between(start.1, end.1)));
            }
            if to >= 0.0 {
                cut.push(end);
            }
        }
        ring = cut;
    }
    ring
}

/// The part of a segment within the unit square, after Liang & Barsky, "A new concept and method
/// for line clipping" (1984).
fn clipped_segment(a: (f64, f64), b: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    if ![a.0, a.1, b.0, b.1].iter().all(|x| x.is_finite()) {
        return None;
    }
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for (start, step) in [(a.0, b.0 - a.0), (a.1, b.1 - a.1)] {
        if step == 0.0 {
            if !(0.0..=1.0).contains(&start) {
                return None;
            }
        } else {
            let (at_0, at_1) = (-start / step, (1.0 - start) / step);
            enter = enter.max(at_0.min(at_1));
            leave = leave.min(at_0.max(at_1));
        }
    }
    let at = |t: f64| match t {
        0.0 => a,
        1.0 => b,
        _ => (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)),
    };
    (enter <= leave).then(|| (at(enter), at(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_inside_are_kept_whole() {
        let line = [(0.0, 0.0), (0.5, 1.0), (1.0, 0.5)];
        assert_eq!(clipped(&line), [line.to_vec()]);
    }

    #[test]
    fn lines_are_cut_where_they_leave_and_come_back() {
        let line = [(0.5, 0.5), (0.5, 2.5), (1.0, 0.5), (0.0, 0.5)];
        let parts = clipped(&line);
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0], [(0.5, 0.5), (0.5, 1.0)]);
        assert_eq!(parts[1], [(0.875, 1.0), (1.0, 0.5), (0.0, 0.5)]);
    }

    #[test]
    fn a_line_through_the_square_from_outside_to_outside_is_drawn() {
        assert_eq!(clipped(&[(-1.0, 0.5), (2.0, 0.5)]), [[(0.0, 0.5), (1.0, 0.5)]]);
        assert!(clipped(&[(-1.0, 1.5), (2.0, 1.5)]).is_empty());
        assert!(clipped(&[(2.0, -1.0), (2.0, 2.0)]).is_empty());
    }

    #[test]
    fn areas_are_cut_off_at_the_edges() {
        let area = |ring: &[(f64, f64)]| -> f64 {
            let next = |index: usize| ring[(index + 1) % ring.len()];
            let parts = (0..ring.len()).map(|i| ring[i].0 * next(i).1 - next(i).0 * ring[i].1);
            (parts.sum::<f64>() / 2.0).abs()
        };
        let diamond = vec![(0.5, -0.5), (1.5, 0.5), (0.5, 1.5), (-0.5, 0.5)];
        assert_eq!(area(&clipped_ring(diamond)), 1.0);
        let corner = vec![(0.5, 0.5), (3.0, 0.5), (3.0, 3.0), (0.5, 3.0)];
        assert_eq!(area(&clipped_ring(corner)), 0.25);
        assert!(clipped_ring(vec![(2.0, 2.0), (3.0, 2.0), (2.0, 3.0)]).is_empty());
        assert!(clipped_ring(Vec::new()).is_empty());
    }

    #[test]
    fn points_that_are_not_finite_interrupt_a_line() {
        let line = [(0.0, 0.1), (0.1, 0.1), (0.2, f64::NAN), (0.3, 0.1), (0.4, 0.1)];
        assert_eq!(clipped(&line).len(), 2);
        assert!(clipped(&[(0.0, f64::INFINITY), (1.0, 0.5)]).is_empty());
    }

    #[test]
    fn a_thinned_line_keeps_its_ends_and_its_extremes() {
        let mut points: Vec<_> = (0..100_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        points[54_321].1 = 100.0;
        points[12_345].1 = -100.0;
        let thinned = thinned(&points);
        assert!(thinned.len() <= POINTS);
        assert_eq!((thinned[0], thinned[thinned.len() - 1]), (points[0], points[99_999]));
        assert!(thinned.contains(&points[54_321]) && thinned.contains(&points[12_345]));
        assert!(thinned.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_gap_survives_thinning() {
        let mut points: Vec<_> = (0..50_000).map(|i| (f64::from(i), 0.0)).collect();
        points[777].1 = f64::NAN;
        assert!(thinned(&points).iter().any(|point| point.1.is_nan()));
    }
}
