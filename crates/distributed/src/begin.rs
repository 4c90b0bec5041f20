//! How processes make sure, before the first step, that they are of one kind and in one state.

use std::hash::{DefaultHasher, Hasher};

use downhill_train::State;

use crate::error::Error;
use crate::gradients::odd_ones;
use crate::group::{Group, Number};

/// What must be the same on all processes, each under what it is called in an error.
struct Identity(Vec<(&'static str, String)>);

impl Identity {
    fn of<E: Number>(group: &Group, state: &State<'_, E>) -> Self {
        let tensors: Vec<String> =
            state.shapes().iter().map(|(name, shape)| format!("{name} {shape:?}")).collect();
        let dtype = if size_of::<E>() == 4 { "f32" } else { "f64" };
        let mode = match group.is_fast {
            true => "fast".to_owned(),
            false => format!("{} parts", group.parts),
        };
        Self(vec![
            ("the version of downhill", env!("CARGO_PKG_VERSION").to_owned()),
            ("the program", program()),
            ("the type of numbers", dtype.to_owned()),
            ("the model", tensors.join("; ")),
            ("how batches are cut", mode),
            ("the processor", processor()),
        ])
    }
}

/// The name of the program, and a checksum of its file.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_deref().and_then(|path| path.file_name()).unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    match path.and_then(|path| std::fs::read(path).ok()) {
        Some(bytes) => format!("{name} ({:08x})", crc32fast::hash(&bytes)),
        None => name,
    }
}

/// What kernels choose their instructions by.
fn processor() -> String {
    let mut known = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    {
        let features = [
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
        ];
        known.extend(features.iter().filter(|(_, has)| *has).map(|(name, _)| *name));
    }
    known.join(" ")
}

impl Group {
    /// Makes sure that all processes run the same program on the same kind of model, and gives them
    /// the state of the process of rank 0: weights, what optimizers remember, random generators,
    /// the position in the data. To be called before the first step and, where a run goes on from a
    /// checkpoint, after the process of rank 0 has taken it back.
    ///
    /// # Errors
    ///
    /// [`Error::Stranger`] if a process runs another version or program, has other numbers, another
    /// model or another kind of processor; [`Error::TooFewParts`] if there are more processes than
    /// parts; [`Error::State`] if the state is not finite or does not fit.
    pub fn begin<E: Number>(&self, mut state: State<'_, E>) -> Result<(), Error> {
        const WHAT: &str = "the beginning of the run";
        self.check_parts()?;
        let identity = Identity::of(self, &state);
        let hashes: Vec<u64> = identity.0.iter().map(|(_, text)| hash(text.as_bytes())).collect();
        let all = self.gather(WHAT, &hashes);
        for (index, (what, text)) in identity.0.into_iter().enumerate() {
            let of = |rank: usize| all[rank * hashes.len() + index];
            let ranks: Vec<usize> = (0..self.ranks()).filter(|&rank| of(rank) != of(0)).collect();
            if let Some(&one) = ranks.first() {
                let [mut first, mut theirs] = [text.clone().into_bytes(), text.into_bytes()];
                self.broadcast(WHAT, 0, &mut first);
                self.broadcast(WHAT, one, &mut theirs);
                let (theirs, first) =
                    difference(&String::from_utf8_lossy(&theirs), &String::from_utf8_lossy(&first));
                return Err(Error::Stranger { ranks, what, theirs, first });
            }
        }
        let mut bytes = if self.is_first() { state.to_bytes()? } else { Vec::new() };
        self.broadcast(WHAT, 0, &mut bytes);
        let sent = hash(&bytes);
        if !self.is_first() {
            state.set_bytes("what rank 0 has sent", bytes)?;
        }
        let taken_over = self.gather(WHAT, &[hash(&state.to_bytes()?)]);
        let ranks = odd_ones(&taken_over);
        if self.is_first() && taken_over[0] != sent || !ranks.is_empty() {
            return Err(Error::Drift { ranks, what: "its state", step: 0 });
        }
        Ok(())
    }
}

/// The first items, of lists separated by semicolons, that differ.
fn difference(one: &str, other: &str) -> (String, String) {
    let (mut ones, mut others) = (one.split("; "), other.split("; "));
    loop {
        match (ones.next(), others.next()) {
            (Some(one), Some(other)) if one == other => {}
            (one, other) => {
                let told = |item: Option<&str>| item.unwrap_or("nothing more").to_owned();
                return (told(one), told(other));
            }
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart_by_the_first_tensor_that_differs() {
        let one = "model.0.weight [64, 32]; model.0.bias [32]";
        let told = |other| difference(one, other);
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(
            told("model.0.weight [64, 16]; model.0.bias [16]"),
            pair("model.0.weight [64, 32]", "model.0.weight [64, 16]")
        );
        assert_eq!(told("model.0.weight [64, 32]"), pair("model.0.bias [32]", "nothing more"));
        assert_eq!(difference("f32", "f64"), pair("f32", "f64"));
    }
}
