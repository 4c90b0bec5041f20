//! Reading back what an optimizer has remembered.

use std::collections::BTreeMap;

use downhill_kernels::all_finite;
use downhill_tensor::{Element, Tensor};

use crate::error::Error;

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
        let count = self.take(name, &[])?[0].as_f64();
        if count < 1.0 || count.fract() != 0.0 {
            let problem = format!("is {count}; it must be a whole number from 1");
            return Err(Error::State { name: name.to_owned(), problem });
        }
        Ok(Some(count as u64))
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
