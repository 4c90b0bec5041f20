//! Per-parameter state of an optimizer, indexed by visiting order.
//!
//! A map keyed by identity would have one entry for a parameter that a model holds twice, and step
//! it twice.

/// One `T` for each parameter, in the order in which the model's parameters are visited.
#[derive(Debug, Clone)]
pub(crate) struct Slots<T>(Vec<(u64, T)>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Slots<T> {
    /// What is kept for the parameter that is visited as number `index` and has identity `id`.
    ///
    /// It is at its index unless the model has changed since the last visit; then it is searched
    /// for and moved there.
    pub(crate) fn get(&mut self, index: usize, id: u64) -> Option<&mut T> {
        if self.0.get(index).is_none_or(|slot| slot.0 != id) {
            // What stands before `index` belongs to parameters visited before. A parameter that
            // a model holds twice has two slots, and so both of its holders step alike.
            let found = index + self.0.get(index..)?.iter().position(|slot| slot.0 == id)?;
            self.0.swap(index, found);
        }
        Some(&mut self.0[index].1)
    }

    /// As [`get`](Self::get), without moving anything.
    pub(crate) fn find(&self, index: usize, id: u64) -> Option<&T> {
        let expected = self.0.get(index).filter(|slot| slot.0 == id);
        let slot = expected.or_else(|| self.0.iter().find(|slot| slot.0 == id))?;
        Some(&slot.1)
    }

    /// Keeps `value` for a parameter that [`get`](Self::get) did not find.
    pub(crate) fn insert(&mut self, index: usize, id: u64, value: T) {
        self.0.insert(index, (id, value));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}
