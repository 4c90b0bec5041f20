//! Words, what people said of them, and the pieces that a model sees.

use std::collections::BTreeMap;
use std::path::Path;

use downhill::prelude::*;
use ndarray::Array2;
use rand::seq::SliceRandom;

/// The answers, from −4 to 4.
pub(crate) const ANSWERS: usize = 9;

/// A word and how often each answer was given, as a distribution.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) judgement: [f32; ANSWERS],
}

/// Reads a table of words and counts.
pub(crate) fn read(path: &Path) -> Result<Vec<Word>, String> {
    let file = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate().skip(1) {
        let place = format!("{file}:{}", index + 1);
        let mut cells = line.split(',');
        let text = cells.next().unwrap_or_default().to_owned();
        let counts = cells.map(|cell| {
            let count: Result<u32, _> = cell.trim().parse();
            count.map_err(|_| format!("{place}: {cell:?} is not a count"))
        });
        let counts = counts.collect::<Result<Vec<u32>, String>>()?;
        let total: u32 = counts.iter().sum();
        if counts.len() != ANSWERS || total == 0 {
            return Err(format!("{place}: a word and {ANSWERS} counts are needed, not all 0"));
        }
        let mut judgement = [0.0; ANSWERS];
        for (share, count) in judgement.iter_mut().zip(counts) {
            *share = count as f32 / total as f32;
        }
        words.push(Word { text, judgement });
    }
    if words.len() < 10 {
        return Err(format!("{file}: {} words; at least 10 are needed", words.len()));
    }
    Ok(words)
}

/// Nine tenths of the words to train on, the rest to judge by. Words for which `key` is the same
/// stay on one side.
pub(crate) fn split<K: Ord>(
    words: &[Word],
    key: impl Fn(&Word) -> K,
    rng: &mut impl Rng,
) -> (Vec<Word>, Vec<Word>) {
    let mut groups: BTreeMap<K, Vec<Word>> = BTreeMap::new();
    for word in words {
        groups.entry(key(word)).or_default().push(word.clone());
    }
    let mut groups: Vec<Vec<Word>> = groups.into_values().collect();
    groups.shuffle(rng);
    let (mut train, mut held_out) = (Vec::new(), Vec::new());
    for group in groups {
        let part = if held_out.len() * 10 < words.len() { &mut held_out } else { &mut train };
        part.extend(group);
    }
    train.shuffle(rng);
    (train, held_out)
}

/// The pieces of one to five letters that the training words have, each with its number. Number 0
/// stands for no piece at all.
pub(crate) struct Pieces(BTreeMap<String, usize>);

impl Pieces {
    /// Those that stand in at least three of the words.
    pub(crate) fn of(words: &[Word]) -> Self {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for word in words {
            for piece in pieces(&word.text) {
                *counts.entry(piece).or_default() += 1;
            }
        }
        let kept = counts.into_iter().filter(|&(_, count)| count >= 3);
        Self(kept.zip(1..).map(|((piece, _), number)| (piece, number)).collect())
    }

    /// The number of pieces, and the one that is none.
    pub(crate) fn count(&self) -> usize {
        self.0.len() + 1
    }

    /// The numbers of the words' pieces, a row for each word, filled up with 0.
    pub(crate) fn numbers(&self, words: &[Word]) -> Array2<usize> {
        let known = |word: &Word| -> Vec<usize> {
            pieces(&word.text).filter_map(|piece| self.0.get(&piece).copied()).collect()
        };
        let rows: Vec<Vec<usize>> = words.iter().map(known).collect();
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut numbers = Array2::zeros((words.len(), longest));
        for (mut to, from) in numbers.rows_mut().into_iter().zip(&rows) {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
        }
        numbers
    }
}

/// Every run of one to five letters of `·word·`.
fn pieces(word: &str) -> impl Iterator<Item = String> {
    let letters: Vec<char> = format!("·{word}·").chars().collect();
    let runs = (1..=5).flat_map(|length| {
        letters.windows(length).map(|run| run.iter().collect()).collect::<Vec<String>>()
    });
    runs.collect::<Vec<_>>().into_iter()
}

/// What people said of the words, `[N, 9]`.
pub(crate) fn judgements(words: &[Word]) -> Tensor {
    let rows: Vec<f32> = words.iter().flat_map(|word| word.judgement).collect();
    Tensor::from_shape_vec(&[words.len(), ANSWERS], rows).expect("nine numbers a word")
}
