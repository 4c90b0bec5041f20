//! Where in its data a run is.

use serde::{Deserialize, Serialize};

/// The number of the epoch and of the batch, and the random generator as it was when the epoch
/// began: from it the order of the epoch's batches is drawn again when a run goes on in the middle.
///
/// ```
/// use downhill_train::Position;
/// use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let mut position = Position::new();
/// let draw = |rng: &mut Xoshiro256PlusPlus| rng.random::<[u8; 4]>().into_iter();
///
/// let whole: Vec<u8> = position.begin_epoch(&mut rng, draw).collect();
/// position.next_batch();
/// // … the run is stopped here, and goes on with what is left …
/// let rest: Vec<u8> = position.begin_epoch(&mut rng, draw).skip(position.batch()).collect();
/// assert_eq!(rest, whole[1..]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position<R> {
    epoch: usize,
    batch: usize,
    start: Option<R>,
}

impl<R> Default for Position<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> Position<R> {
    /// The beginning of the first epoch.
    pub fn new() -> Self {
        Self { epoch: 0, batch: 0, start: None }
    }

    /// The number of epochs that have ended.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// The number of batches of this epoch that have been gone over.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// What `draw` makes of the generator at the beginning of the epoch: the order of all its
    /// batches. The first [`batch`](Self::batch) of them are to be skipped.
    pub fn begin_epoch<T>(&mut self, rng: &mut R, draw: impl FnOnce(&mut R) -> T) -> T
    where
        R: Clone,
    {
        match &self.start {
            Some(start) => draw(&mut start.clone()),
            None => {
                self.start = Some(rng.clone());
                draw(rng)
            }
        }
    }

    /// Goes on to the next batch.
    pub fn next_batch(&mut self) {
        self.batch += 1;
    }

    /// Goes on to the beginning of the next epoch.
    pub fn next_epoch(&mut self) {
        *self = Self { epoch: self.epoch + 1, batch: 0, start: None };
    }
}
