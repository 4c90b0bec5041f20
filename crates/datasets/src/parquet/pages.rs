//! The pages of a column, refused where one's header promises more than the column holds: the crate
//! reserves memory for what a header says before it unpacks the page.

use std::fs::File;
use std::io::{BufRead, BufReader};

use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;

pub(super) struct Pages {
    file: File,
    /// The most that a page may take unpacked, in bytes.
    most: u64,
}

impl Pages {
    /// Those of `column`. Some writers count its length unpacked wrong, so that a page of a few times
    /// its length in the file is let through, too.
    pub(super) fn new(file: File, column: &ColumnChunkMetaData) -> Self {
        let length = |length| u64::try_from(length).unwrap_or(0);
        let packed = length(column.compressed_size());
        Self { file, most: length(column.uncompressed_size()).max(packed.saturating_mul(16)) }
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for Pages {
    type T = BufReader<File>;

    /// From `start` on, where the header of a page stands.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut reader = self.file.get_read(start)?;
        match promises(reader.fill_buf()?) {
            Some((length, values)) if length > self.most || values > length / 4 => {
                Err(ParquetError::General(format!(
                    "a page promises {length} bytes and a dictionary of {values} values, in a \
                     column of {} bytes",
                    self.most
                )))
            }
            _ => Ok(reader),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.file.get_bytes(start, length)
    }
}

/// The length of a page unpacked and the number of values in its dictionary, if its header says them in
/// the order of the format's definition, as all writers do. A value takes four bytes or more.
fn promises(mut header: &[u8]) -> Option<(u64, u64)> {
    const DICTIONARY: u64 = 2;
    let header = &mut header;
    let (page, length) = (number(header)?, number(header)?);
    let values = |header: &mut &[u8]| {
        let _packed = number(header)?;
        let _checksum = number(header);
        (header.split_off_first()? & 0x0f == 0x0c).then(|| number(header))?
    };
    let is_dictionary = page == DICTIONARY;
    Some((length, if is_dictionary { values(header).unwrap_or(0) } else { 0 }))
}

/// The next field, if it is a number in Thrift's compact form: the byte 0x15, and the number with its
/// sign last, in groups of seven bits.
fn number(header: &mut &[u8]) -> Option<u64> {
    *header = header.strip_prefix(&[0x15])?;
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let byte = header.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number / 2);
        }
    }
    None
}
