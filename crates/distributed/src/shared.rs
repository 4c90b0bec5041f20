//! Memory that the processes of one machine have in common.
//!
//! Each process makes a file in memory that has no name. The others open it under `/proc`, and all map
//! it: what one writes the others read, with no copy in between. A file without a name is gone with
//! the processes, however they end.
#![allow(unsafe_code)]

use std::ops::Range;

use bytemuck::Pod;
use memmap2::MmapRaw;

use crate::group::Group;

/// The environment variable that, set to 0, lets processes of one machine send messages as those of
/// different ones do.
const VARIABLE: &str = "DOWNHILL_SHARED_MEMORY";

/// Memory of each process, which it writes and all read.
#[derive(Debug)]
pub(crate) struct Shared {
    /// By rank.
    maps: Vec<MmapRaw>,
    own: usize,
}

impl Shared {
    /// As many bytes for each process as `bytes` says. `None`, on all processes alike, where one of
    /// them has no access to it: on several machines, without a file system in memory, or if it is
    /// full.
    pub(crate) fn open(group: &Group, what: &str, bytes: impl Fn(usize) -> usize) -> Option<Self> {
        let own = group.rank();
        // No bytes can't be mapped.
        let bytes = |rank| bytes(rank).max(1);
        let file = file::create(bytes(own), std::env::var(VARIABLE).is_ok_and(|is| is == "0"));
        let names = group.gather(what, &file::name(file.as_ref()));
        let map = |(rank, name): (usize, &[u64])| file::map(name, bytes(rank), rank == own);
        let maps: Option<Vec<MmapRaw>> =
            names.chunks(names.len() / group.ranks()).enumerate().map(map).collect();
        let have_all = group.gather(what, &[u8::from(maps.is_some())]).iter().all(|&has| has == 1);
        Some(Self { maps: maps.filter(|_| have_all)?, own })
    }

    /// Whether it is at least as much.
    pub(crate) fn holds(&self, bytes: impl Fn(usize) -> usize) -> bool {
        self.maps.iter().enumerate().all(|(rank, map)| map.len() >= bytes(rank))
    }

    /// What this process writes. No other may read it until all have met.
    pub(crate) fn own<E: Pod>(&mut self, range: Range<usize>) -> &mut [E] {
        let map = &self.maps[self.own];
        assert!(range.start <= range.end && range.end <= map.len() / size_of::<E>());
        // SAFETY: the range is inside of the map, which begins at a page and is there as long as
        // `self`, borrowed here for writing; any bytes are a number. Other processes read only between
        // two meetings within which this one does not write, as `exchange` has it.
        unsafe {
            std::slice::from_raw_parts_mut(
                map.as_mut_ptr().cast::<E>().add(range.start),
                range.len(),
            )
        }
    }

    /// What a process has written before all have met.
    pub(crate) fn of<E: Pod>(&self, rank: usize, range: Range<usize>) -> &[E] {
        let map = &self.maps[rank];
        assert!(range.start <= range.end && range.end <= map.len() / size_of::<E>());
        // SAFETY: as in `own`, borrowed here for reading.
        unsafe {
            std::slice::from_raw_parts(map.as_ptr().cast::<E>().add(range.start), range.len())
        }
    }
}

#[cfg(target_os = "linux")]
mod file {
    use std::fs::File;
    use std::io::{self, Read};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    use memmap2::{MmapOptions, MmapRaw};

    /// A file without a name, if it may be had.
    pub(super) fn create(bytes: usize, is_off: bool) -> Option<File> {
        let mut file = (!is_off).then(|| tempfile::tempfile_in("/dev/shm").ok())??;
        // Memory that is promised, but not there when it is written, would end the process.
        io::copy(&mut io::repeat(0).take(bytes as u64), &mut file).ok()?;
        Some(file)
    }

    /// How others find it: process, number of the file there, device and file.
    pub(super) fn name(file: Option<&File>) -> [u64; 4] {
        let name = || {
            let (file, about) = (file?, file?.metadata().ok()?);
            Some([std::process::id().into(), file.as_raw_fd() as u64, about.dev(), about.ino()])
        };
        name().unwrap_or([u64::MAX; 4])
    }

    pub(super) fn map(name: &[u64], bytes: usize, is_own: bool) -> Option<MmapRaw> {
        let path = format!("/proc/{}/fd/{}", name[0], name[1]);
        let file = File::options().read(true).write(is_own).open(path).ok()?;
        let about = file.metadata().ok()?;
        if [about.dev(), about.ino()] != name[2..] || about.len() < bytes as u64 {
            return None;
        }
        let mut options = MmapOptions::new();
        options.len(bytes);
        match is_own {
            true => options.map_raw(&file).ok(),
            false => options.map_raw_read_only(&file).ok(),
        }
    }
}

/// No way to such memory is known elsewhere.
#[cfg(not(target_os = "linux"))]
mod file {
    use memmap2::MmapRaw;

    pub(super) fn create(_bytes: usize, _is_off: bool) -> Option<()> {
        None
    }

    pub(super) fn name(_file: Option<&()>) -> [u64; 4] {
        [u64::MAX; 4]
    }

    pub(super) fn map(_name: &[u64], _bytes: usize, _is_own: bool) -> Option<MmapRaw> {
        None
    }
}
