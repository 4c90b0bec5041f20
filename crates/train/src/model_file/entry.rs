//! One tensor of a file.

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use downhill_kernels::{all_finite, each_chunk, zeros};
use downhill_nn as nn;
use downhill_tensor::{Element, Tensor};
use safetensors::Dtype;

use super::checksum::Checksum;
use super::numbers::{PART, convert, in_file_order};
use super::source::Source;
use crate::error::Error;

/// One entry of a file.
#[derive(Clone)]
pub(crate) struct FileEntry<'a> {
    pub(super) path: &'a Path,
    pub(super) source: &'a Source,
    /// What is to be compared with the data, once all of it has been read, and where that is.
    pub(super) checksum: Option<(&'a Checksum, &'a Range<u64>)>,
    pub(super) name: &'a str,
    pub(super) dtype: Dtype,
    pub(super) shape: &'a [usize],
    pub(super) range: Range<u64>,
}

impl FileEntry<'_> {
    /// An error about this entry.
    pub(crate) fn refuse(&self, problem: String) -> Error {
        Error::Entry { path: self.path.to_owned(), entry: self.name.to_owned(), problem }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.shape
    }

    /// Checks that the entry holds floating-point numbers.
    pub(crate) fn check_type(&self) -> Result<(), Error> {
        match self.dtype {
            Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64 => Ok(()),
            other => Err(self.refuse(format!("is of type {other}, not of floating-point numbers"))),
        }
    }

    /// The entry as a tensor of finite numbers for a parameter, and otherwise of numbers or the
    /// infinities that the file has.
    pub(crate) fn tensor<E: Element>(&self, is_parameter: bool) -> Result<Tensor<E>, Error> {
        self.check_type()?;
        let count = self.shape.iter().product();
        let mut values: Vec<E> = zeros(count);
        // The first part that cannot be read or holds what is no number.
        let fault: Mutex<Option<(usize, Error)>> = Mutex::new(None);
        let fault_of = || fault.lock().unwrap_or_else(PoisonError::into_inner);
        each_chunk(&mut values, PART, count > PART, Vec::new, |buffer, part, values| {
            let first = part * PART;
            let read = self.read_values(first, values, buffer).and_then(|()| {
                if all_finite(values) {
                    return Ok(());
                }
                let spoils = |&place: &usize| {
                    let value = values[place];
                    value.is_nan()
                        || value.is_infinite() && (is_parameter || self.is_wider(buffer, place))
                };
                (0..values.len()).find(spoils).map_or(Ok(()), |place| {
                    let index = position(first + place, self.shape);
                    Err(self.refuse(format!("holds {} at {index:?}", values[place])))
                })
            });
            if let Err(error) = read {
                let mut fault = fault_of();
                if fault.as_ref().is_none_or(|(earlier, _)| part < *earlier) {
                    *fault = Some((part, error));
                }
            }
        });
        if let Some((checksum, data)) = self.checksum
            && checksum.length() == data.end - data.start
            && !checksum.agrees()
        {
            return Err(Error::damaged(self.path));
        }
        match fault_of().take() {
            None => Tensor::from_shape_vec(self.shape, values)
                .map_err(|error| self.refuse(format!("is of no use: {error}"))),
            Some((_, error)) => Err(error),
        }
    }

    /// Reads values from number `first` on: straight to their place, where they stand in the file as
    /// in memory.
    fn read_values<E: Element>(
        &self,
        first: usize,
        values: &mut [E],
        buffer: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let own = if size_of::<E>() == 4 { Dtype::F32 } else { Dtype::F64 };
        let start = first * self.dtype.bitsize() / 8;
        if self.dtype == own {
            let bytes = bytemuck::cast_slice_mut(values);
            self.read(start, bytes)?;
            in_file_order::<E>(bytes);
        } else {
            buffer.resize(values.len() * self.dtype.bitsize() / 8, 0);
            self.read(start, buffer)?;
            convert(self.dtype, buffer, values);
        }
        Ok(())
    }

    /// Whether a number, one of those that were last read through the buffer, is finite in the file:
    /// too large for the model's type, if it is not there.
    fn is_wider(&self, buffer: &[u8], place: usize) -> bool {
        let (numbers, _) = buffer.as_chunks();
        self.dtype == Dtype::F64
            && numbers.get(place).is_some_and(|&bytes| f64::from_le_bytes(bytes).is_finite())
    }

    /// The entry as one number, if it was written as one.
    pub(crate) fn number(&self) -> Result<Option<f64>, Error> {
        if self.dtype != Dtype::U64 || !self.shape.is_empty() {
            return Ok(None);
        }
        let mut bytes = [0; 8];
        self.read(0, &mut bytes)?;
        Ok(Some(f64::from_bits(u64::from_le_bytes(bytes))))
    }

    pub(crate) fn holds_bytes(&self) -> bool {
        self.dtype == Dtype::U8
    }

    /// The entry as it is.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, Error> {
        if !self.holds_bytes() {
            return Err(self.refuse(format!("is of type {}, not of bytes", self.dtype)));
        }
        let mut bytes = vec![0; (self.range.end - self.range.start) as usize];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads from a place of the entry, in bytes.
    fn read(&self, start: usize, bytes: &mut [u8]) -> Result<(), Error> {
        let start = self.range.start + start as u64;
        self.source.read_at(start, bytes).map_err(|error| Error::read(self.path, &error))?;
        if let Some((checksum, _)) = self.checksum {
            checksum.add(start, bytes);
        }
        Ok(())
    }
}

/// Why an entry has not become a tensor of a model.
pub(crate) enum Misfit {
    Entry(Error),
    Model(nn::Error),
}

impl From<nn::Error> for Misfit {
    fn from(error: nn::Error) -> Self {
        Self::Model(error)
    }
}

impl Misfit {
    /// The error about the file at `path`.
    pub(crate) fn of(self, path: &Path) -> Error {
        match self {
            Self::Entry(error) => error,
            Self::Model(source) => Error::Model { path: path.to_owned(), source },
        }
    }
}

impl<E: Element> nn::Entry<E> for FileEntry<'_> {
    type Error = Misfit;

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn into_tensor(self, is_parameter: bool) -> Result<Tensor<E>, Misfit> {
        self.tensor(is_parameter).map_err(Misfit::Entry)
    }
}

/// The coordinates of a value.
fn position(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut coordinates: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let coordinate = index % length.max(1);
            index /= length.max(1);
            coordinate
        })
        .collect();
    coordinates.reverse();
    coordinates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_its_coordinates() {
        assert_eq!(position(0, &[2, 3]), [0, 0]);
        assert_eq!(position(5, &[2, 3]), [1, 2]);
        assert_eq!(position(0, &[]), [] as [usize; 0]);
    }
}
