//! Names as sequences of numbers.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use ndarray::Array2;
use rand::Rng;
use rand::seq::SliceRandom;

/// The symbol before the first character of a name, and after its last. Characters are numbered
/// from 1.
pub(crate) const END: usize = 0;

/// The target at places behind the end of a name, which the loss leaves out.
pub(crate) const PADDING: usize = usize::MAX;

/// The longest name that is accepted: one line that is no name should not slow down all others.
const LONGEST: usize = 64;

/// The characters of a file of names, in the order of their code points.
pub(crate) struct Alphabet(Vec<char>);

/// A name in the numbers of its characters, without [`END`].
pub(crate) type Name = Vec<usize>;

/// Several names, each in its own row.
///
/// ```text
/// inputs    · j o ·        targets   j o · –
///           · a d a                  a d a ·        · is END, – is PADDING
/// ```
///
/// Each target is what follows the inputs up to and including the one at its place.
pub(crate) struct Batch {
    pub(crate) inputs: Array2<usize>,
    pub(crate) targets: Array2<usize>,
}

/// The different names in a file of one name a line, in their order. Blank lines are passed over.
pub(crate) fn read(path: &Path) -> Result<(Alphabet, Vec<Name>), String> {
    let file = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {file}: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count() + 1;
        format!("{file}:{line}: not UTF-8")
    })?;

    // Of two equal names one could be held out and the other learned.
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let (name, line) = (line.trim(), index + 1);
        let length = name.chars().count();
        if length > LONGEST {
            return Err(format!(
                "{file}:{line}: a name of {length} characters; {LONGEST} are the most a name may have"
            ));
        }
        if let Some(character) = name.chars().find(|character| character.is_control()) {
            return Err(format!("{file}:{line}: the control character {character:?} in a name"));
        }
        if !name.is_empty() && seen.insert(name) {
            names.push(name);
        }
    }
    if names.len() < 2 {
        return Err(format!(
            "{file}: {} different names; at least 2 are needed, one a line",
            names.len()
        ));
    }

    let characters: BTreeSet<char> = names.iter().flat_map(|name| name.chars()).collect();
    let alphabet = Alphabet(characters.into_iter().collect());
    let numbers: HashMap<char, usize> = alphabet.0.iter().copied().zip(END + 1..).collect();
    let encode = |name: &&str| name.chars().map(|character| numbers[&character]).collect();
    let names = names.iter().map(encode).collect();
    Ok((alphabet, names))
}

impl Alphabet {
    /// The number of symbols: the characters and [`END`].
    pub(crate) fn symbols(&self) -> usize {
        self.0.len() + 1
    }

    /// What to call each symbol: its character, or · for [`END`].
    pub(crate) fn names(&self) -> Vec<char> {
        std::iter::once('·').chain(self.0.iter().copied()).collect()
    }

    pub(crate) fn decode(&self, name: &[usize]) -> String {
        name.iter().map(|&symbol| self.0[symbol - 1]).collect()
    }
}

/// The names in two parts, to train on and to validate with; neither is empty.
pub(crate) fn split(
    mut names: Vec<Name>,
    validation_fraction: f64,
    rng: &mut impl Rng,
) -> (Vec<Name>, Vec<Name>) {
    names.shuffle(rng);
    let wanted = (names.len() as f64 * validation_fraction).round() as usize;
    let train = names.split_off(wanted.clamp(1, names.len() - 1));
    (train, names)
}

/// The number of predictions to be made for these names: of each character and of each end.
pub(crate) fn prediction_count(names: &[Name]) -> usize {
    names.iter().map(|name| name.len() + 1).sum()
}

/// The names in an order drawn anew.
pub(crate) fn shuffled(names: &[Name], rng: &mut impl Rng) -> Vec<Name> {
    let mut names = names.to_vec();
    names.shuffle(rng);
    names
}

/// The names in batches, in order.
pub(crate) fn batches(names: &[Name], batch_size: usize) -> impl Iterator<Item = Batch> {
    names.chunks(batch_size).map(Batch::new)
}

impl Batch {
    pub(crate) fn new(names: &[Name]) -> Self {
        let longest = names.iter().map(Vec::len).max().unwrap_or(0);
        let mut inputs = Array2::from_elem((names.len(), longest + 1), END);
        let mut targets = Array2::from_elem((names.len(), longest + 1), PADDING);
        for (row, name) in names.iter().enumerate() {
            for (place, &symbol) in name.iter().enumerate() {
                inputs[[row, place + 1]] = symbol;
                targets[[row, place]] = symbol;
            }
            targets[[row, name.len()]] = END;
        }
        Self { inputs, targets }
    }

    pub(crate) fn prediction_count(&self) -> usize {
        self.targets.iter().filter(|&&target| target != PADDING).count()
    }
}
