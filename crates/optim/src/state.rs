//! Reading back what an optimizer has remembered.

use std::collections::BTreeMap;

use downhill_kernels::all_finite;
use downhill_tensor::{Element, Tensor};

use crate::error::Error;

/// What a digit of a count is less than: `f32` holds whole numbers up to here.
const DIGIT: f64 = (1 << 24) as f64;

/// A count as two digits, `[2]`, so that it is exact in `f32`, too.
pub(crate) fn count<E: Element>(count: u64) -> Tensor<E> {
    let (high, low) = (count >> 24, count & ((1 << 24) - 1));
    Tensor::from_shape_vec(&[2], [high, low].map(|digit| E::from_f64(digit as f64)).to_vec())
        .expect("there are two digits")
}

/// The state of an optimizer by name; each part is taken once.
pub(crate) struct SavedState<'a, E: Element> {
    left: BTreeMap<&'a str, &'a Tensor<E>>,
}

impl<'a, E: Element> SavedState<'a, E> {
    pub(crate) fn new(state: &'a [(String, Tensor<E>)]) -> Self {
        Self { left: state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect() }
    }

    /// The shape of what is saved under `name`.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.left.get(name).map(|tensor| tensor.shape())
    }

    /// The values saved under `name`, which must be finite and have this shape.
    pub(crate) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<E>, Error> {
        let refuse = |problem: String| Error::State { name: name.to_owned(), problem };
        let tensor = self.left.remove(name).ok_or_else(|| refuse("is missing".to_owned()))?;
        if tensor.shape() != shape {
            let found = tensor.shape();
            return Err(refuse(format!("has shape {found:?}, but {shape:?} is needed")));
        }
        let values = tensor.to_vec();
        match all_finite(&values) {
            true => Ok(values),
            false => Err(refuse("holds NaN or an infinity".to_owned())),
        }
    }

    /// The count saved under `name`, if there is one.
    pub(crate) fn take_count(&mut self, name: &str) -> Result<Option<u64>, Error> {
        if !self.left.contains_key(name) {
            return Ok(None);
        }
        let digits = self.take(name, &[2])?;
        let [high, low] = [digits[0].as_f64(), digits[1].as_f64()];
        let is_digit = |digit: f64| digit.fract() == 0.0 && (0.0..DIGIT).contains(&digit);
        if !is_digit(high) || !is_digit(low) || high + low < 1.0 {
            let problem = format!("is {high}, {low}; it must be the digits of a count from 1");
            return Err(Error::State { name: name.to_owned(), problem });
        }
        Ok(Some((high * DIGIT + low) as u64))
    }

    /// Checks that everything has been taken.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.left.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::State {
                name: name.to_owned(),
                problem: "is nothing that this optimizer remembers of this model".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_beyond_what_f32_can_count_to() {
        for steps in [1, 1 << 24, (1 << 24) + 1, 1_000_000_007, 1 << 40, (1 << 48) - 1] {
            let state = [("step".to_owned(), count::<f32>(steps))];
            assert_eq!(SavedState::new(&state).take_count("step").unwrap(), Some(steps));
        }
    }
}
