//! Files, plain or gzipped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::Error;

/// Opens a file and decompresses it if need be.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead>, Error> {
    let mut source = buffered(File::open(path).map_err(Error::read(path))?);
    // Judged by its content: browsers unpack downloads without taking `.gz` off the name.
    let start = source.fill_buf().map_err(Error::read(path))?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(buffered(MultiGzDecoder::new(source)))
    } else {
        Box::new(source)
    })
}

fn buffered<R: std::io::Read>(source: R) -> BufReader<R> {
    BufReader::with_capacity(1 << 16, source)
}
