//! The loop over the weights of a parameter, which a rule's formula is inlined into.

use downhill_kernels::lanes::LANES;
use downhill_kernels::{split_in_halves, vectorize};
use downhill_tensor::Element;

/// From this many weights on, several threads share them: to hand half of them to one that is awake
/// takes a microsecond or two, to update that many takes several.
pub(crate) const WORTH_THREADS: usize = 1 << 15;

/// Replaces each weight and what is remembered of it by what `formula` makes of them and of the
/// gradient. The weights are those of `old`, if there is one.
#[inline(never)]
pub(crate) fn replace_each<E: Element, const N: usize>(
    old: Option<&[E]>,
    weight: &mut [E],
    gradient: &[E],
    state: [&mut [E]; N],
    formula: &(impl Fn(E, E, [E; N]) -> (E, [E; N]) + Sync),
) {
    let slices = ((old, weight), (gradient, state));
    split_in_halves(gradient.len(), WORTH_THREADS, slices, |((old, weight), (gradient, state))| {
        replace_in_lanes(old, weight, gradient, state, formula);
    });
}

fn replace_in_lanes<E: Element, const N: usize>(
    old: Option<&[E]>,
    weight: &mut [E],
    gradient: &[E],
    mut state: [&mut [E]; N],
    formula: &impl Fn(E, E, [E; N]) -> (E, [E; N]),
) {
    // A closure as large as this is compiled for the vector instructions only if it is inlined.
    vectorize(
        #[inline(always)]
        || {
            let count = weight.len();
            let gradient = &gradient[..count];
            let old = old.map(|old| &old[..count]);
            let mut state = state.each_mut().map(|values| &mut values[..count]);
            let mut start = 0;
            while start + LANES <= count {
                replace_lanes::<E, N, LANES>(start, old, weight, gradient, &mut state, formula);
                start += LANES;
            }
            for start in start..count {
                replace_lanes::<E, N, 1>(start, old, weight, gradient, &mut state, formula);
            }
        },
    );
}

/// Replaces values `start..start + LANES`. They are all read before any is written: the compiler
/// could not prove that the arrays do not overlap, and would do one after the other. The copies are
/// plain loops because `std::array::from_fn` is not inlined when its closure is large.
#[inline(always)]
fn replace_lanes<E: Element, const N: usize, const LANES: usize>(
    start: usize,
    old: Option<&[E]>,
    weight: &mut [E],
    gradient: &[E],
    state: &mut [&mut [E]; N],
    formula: &impl Fn(E, E, [E; N]) -> (E, [E; N]),
) {
    let lanes = start..start + LANES;
    let mut weights = [E::zero(); LANES];
    let mut gradients = [E::zero(); LANES];
    let mut states = [[E::zero(); LANES]; N];
    weights.copy_from_slice(&old.unwrap_or(weight)[lanes.clone()]);
    gradients.copy_from_slice(&gradient[lanes.clone()]);
    for which in 0..N {
        states[which].copy_from_slice(&state[which][lanes.clone()]);
    }
    for lane in 0..LANES {
        let mut old = [E::zero(); N];
        for which in 0..N {
            old[which] = states[which][lane];
        }
        let (new_weight, new) = formula(weights[lane], gradients[lane], old);
        weights[lane] = new_weight;
        for which in 0..N {
            states[which][lane] = new[which];
        }
    }
    weight[lanes.clone()].copy_from_slice(&weights);
    for which in 0..N {
        state[which][lanes.clone()].copy_from_slice(&states[which]);
    }
}
