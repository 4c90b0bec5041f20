//! Large buffers that are used again from step to step.
//!
//! A training step asks for the same large arrays as the step before. The operating system hands
//! out fresh memory page by page, each a fault and a page of zeros to write, which for a large
//! array costs more than the arithmetic done on it: on a busy virtual machine four arrays of 1 MiB,
//! made, filled and dropped, took 1,300 µs from glibc's allocator and 37 from here; of 4 MiB 42,000
//! and 136 (`cargo bench --bench overhead -- buffers`). So the buffers of dropped tensors are kept
//! here, as many as were in use at once in the last steps, and handed out again.
//!
//! Whole steps take longer if nothing is kept, so that each buffer comes from glibc's allocator
//! (`cargo bench --bench cases`, medians of five runs on a quiet machine): `ce/1024x10` 9 %,
//! `ce/4096x1000` 32, `mlp/mnist-s` 5; `mlp/digits`, `moons` and `mnist-l` as long. With mimalloc
//! (`LD_PRELOAD=libmimalloc.so.2`) these are 8, 36, 5, −5, −4 and 1 %. A library does not choose its
//! user's allocator; with either of these, keeping buffers gains more than it loses.

use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

/// Buffers of fewer bytes are left to the allocator, which reuses them itself.
const LARGE: usize = 1 << 10;
/// The number of bytes that are kept at most: what exceeds it is freed, smallest first.
const KEPT: usize = 1 << 30;
/// The number of bytes from which on a buffer is to have huge pages.
#[cfg(target_os = "linux")]
const HUGE: usize = 4 << 20;
/// The length of the largest ordinary page, in bytes.
#[cfg(target_os = "linux")]
const PAGE: usize = 1 << 16;
/// A round ends when this many times as many bytes have been given back as were ever lent in it:
/// after some steps of training.
const ROUND: usize = 4;
/// The number of classes of lengths from one power of two to the next.
const STEPS: usize = 4;
const CLASSES: usize = STEPS * usize::BITS as usize;

/// What the values of a buffer may be: elements, and `usize` for labels.
pub trait Pooled: Copy + Default + 'static {
    /// Where free buffers wait.
    #[doc(hidden)]
    fn pool() -> &'static Pool<Self>;
}

macro_rules! pooled {
    ($($number:ident)*) => {$(
        impl Pooled for $number {
            fn pool() -> &'static Pool<Self> {
                static POOL: Pool<$number> = Pool::new();
                &POOL
            }
        }
    )*};
}
pooled!(f32 f64 usize);

/// The large buffers of one type that are free to be used again.
pub struct Pool<E>(Mutex<Kept<E>>);

struct Kept<E> {
    classes: [Class<E>; CLASSES],
    bytes: usize,
    /// The bytes handed out and not given back, less what is taken to be gone.
    lent: usize,
    /// The most of `lent` in this round, and the bytes given back.
    most: usize,
    returned: usize,
}

/// The buffers of lengths from that of the class to that of the next.
struct Class<E> {
    free: Vec<Vec<E>>,
    /// How many were handed out and not given back, less those taken to be gone.
    lent: usize,
    /// The least of `lent` in this round.
    least: usize,
}

/// The greatest class whose length is no more than this, which is at least [`STEPS`].
fn class(len: usize) -> usize {
    let power = len.ilog2();
    let step = (len >> (power - STEPS.ilog2())) - STEPS;
    STEPS * power as usize + step
}

/// The length of a class.
fn class_len(class: usize) -> usize {
    let (power, step) = (class / STEPS, class % STEPS);
    (STEPS + step) << (power - STEPS.ilog2() as usize)
}

impl<E: Copy> Pool<E> {
    pub(crate) const fn new() -> Self {
        let classes = [const { Class { free: Vec::new(), lent: 0, least: 0 } }; CLASSES];
        let (bytes, lent, most, returned) = (0, 0, 0, 0);
        Self(Mutex::new(Kept { classes, bytes, lent, most, returned }))
    }

    /// A buffer with room for `len` values. It may be empty, or hold old ones.
    #[track_caller]
    pub(crate) fn take(&self, len: usize) -> Vec<E> {
        // Its class has room for up to a quarter more.
        let most = isize::MAX as usize / 2 / size_of::<E>();
        assert!(len <= most, "buffer: no memory has room for {len} values");
        if len * size_of::<E>() < LARGE {
            return Vec::with_capacity(len);
        }
        // The least class with room for all.
        let index = class(len - 1) + 1;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lent += class_len(index) * size_of::<E>();
        kept.most = kept.most.max(kept.lent);
        kept.classes[index].lent += 1;
        if let Some(buffer) = kept.classes[index].free.pop() {
            kept.bytes -= buffer.capacity() * size_of::<E>();
            return buffer;
        }
        drop(kept);
        let mut buffer = Vec::with_capacity(class_len(index));
        // Not the room beyond `len`: a huge page half in it would be in memory as a whole.
        prefer_huge_pages(&mut buffer.spare_capacity_mut()[..len]);
        buffer
    }

    /// Keeps a buffer, if no more of its class come back than went out: those made elsewhere would
    /// pile up.
    pub(crate) fn give(&self, buffer: Vec<E>) {
        let bytes = buffer.capacity() * size_of::<E>();
        if bytes < LARGE {
            return;
        }
        let index = class(buffer.capacity());
        let lent = class_len(index) * size_of::<E>();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.returned += lent;
        let class = &mut kept.classes[index];
        if class.lent == 0 {
            return;
        }
        class.lent -= 1;
        class.least = class.least.min(class.lent);
        class.free.push(buffer);
        kept.lent -= lent;
        kept.bytes += bytes;
        if kept.returned > ROUND * kept.most {
            kept.begin_round();
        }
        if kept.bytes > KEPT {
            kept.free_smallest();
        }
    }
}

impl<E> Kept<E> {
    /// What did not come back in a whole round was dropped elsewhere, or is held for long: it is not
    /// waited for.
    fn begin_round(&mut self) {
        for (index, class) in self.classes.iter_mut().enumerate() {
            if class.least > 0 {
                self.lent -= class.least * class_len(index) * size_of::<E>();
                class.lent -= class.least;
            }
            class.least = class.lent;
        }
        (self.most, self.returned) = (self.lent, 0);
    }

    fn free_smallest(&mut self) {
        for class in &mut self.classes {
            let freed: usize = class.free.drain(..).map(|buffer| buffer.capacity()).sum();
            self.bytes -= freed * size_of::<E>();
            if self.bytes <= KEPT {
                return;
            }
        }
    }
}

/// Asks the operating system for pages of some megabytes: fewer page faults when the memory is first
/// written, and fewer misses of the address translation cache whenever it is read.
fn prefer_huge_pages<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    if size_of_val(memory) >= HUGE {
        let start = memory.as_mut_ptr().cast::<u8>();
        let skipped = start.align_offset(PAGE);
        let (start, len) = (start.wrapping_add(skipped), size_of_val(memory) - skipped);
        // SAFETY: `madvise` is a hint here; it changes neither contents nor ownership.
        unsafe { libc::madvise(start.cast(), len, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// The number of values of type `T` in an array of this shape; `None` if memory has not the addresses
/// for them.
///
/// As in `ndarray`, lengths of 0 do not make room for others: their product without those must fit,
/// too.
///
/// ```
/// use downhill_kernels::checked_len;
///
/// assert_eq!(checked_len::<f32>(&[2, 3]), Some(6));
/// assert_eq!(checked_len::<f32>(&[]), Some(1));
/// assert_eq!(checked_len::<f32>(&[1 << 40, 0]), Some(0));
/// assert_eq!(checked_len::<f32>(&[1 << 40, 1 << 40, 0]), None);
/// assert_eq!(checked_len::<f32>(&[1 << 62]), None);
/// ```
#[inline]
pub fn checked_len<T>(shape: &[usize]) -> Option<usize> {
    let (mut values, mut bytes) = (1, size_of::<T>());
    for &len in shape {
        bytes = bytes.checked_mul(len.max(1))?;
        // At most as many as bytes.
        values *= len;
    }
    (bytes <= isize::MAX as usize).then_some(values)
}

/// `len` values for a kernel to overwrite. They are unspecified at first: the buffer may be one that
/// a dropped tensor gave back.
///
/// # Panics
///
/// If no memory has room for `len` values.
#[inline(never)]
#[track_caller]
pub fn buffer<T: Pooled>(len: usize) -> Vec<T> {
    let mut values = T::pool().take(len);
    values.resize(len, T::default());
    values
}

/// `len` zeros in memory that is no buffer: for values that stay, such as those of a model that is
/// read from a file. No page is touched before it is written.
#[inline(never)]
pub fn zeros<T: Pooled>(len: usize) -> Vec<T> {
    let mut values = vec![T::default(); len];
    prefer_huge_pages(&mut values);
    values
}

/// Keeps the memory of values that are no longer needed, for the next [`buffer`].
#[inline(never)]
pub fn recycle<T: Pooled>(values: Vec<T>) {
    T::pool().give(values);
}

/// A vector of `len` values that `fill` writes, every one of them.
///
/// # Safety
///
/// `fill` must initialise the whole slice it is handed.
pub(crate) unsafe fn uninitialized<T: Pooled>(
    len: usize,
    fill: impl FnOnce(&mut [MaybeUninit<T>]),
) -> Vec<T> {
    let mut values = T::pool().take(len);
    values.clear();
    fill(&mut values.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller promises that `fill` has
    // initialised `len` values.
    unsafe { values.set_len(len) };
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_buffer_comes_back_and_a_small_one_does_not() {
        let pool = Pool::<f64>::new();
        let mut large = pool.take(LARGE);
        large.resize(LARGE, 1.0);
        let address = large.as_ptr();
        pool.give(large);
        pool.give(vec![0.0; 10]);
        assert_eq!(pool.0.lock().unwrap().bytes, LARGE * size_of::<f64>());
        // Not for a request that would leave most of it idle, nor for one that it cannot hold.
        let others = [pool.take(LARGE / 4), pool.take(LARGE * 2)];
        assert!(others.iter().all(|other| other.as_ptr() != address));
        let again = pool.take(LARGE - 5);
        assert_eq!(again.as_ptr(), address);
        assert_eq!(pool.0.lock().unwrap().bytes, 0);
    }

    #[test]
    fn a_length_lies_between_that_of_its_class_and_the_next() {
        for len in (STEPS..5000).chain([KEPT - 1, KEPT, KEPT + 1]) {
            let class = class(len);
            assert!(class_len(class) <= len && len < class_len(class + 1), "{len}: {class}");
        }
    }

    #[test]
    fn no_more_is_kept_than_was_handed_out() {
        let pool = Pool::<f64>::new();
        let taken = [pool.take(LARGE), pool.take(LARGE)];
        for _ in 0..10 {
            pool.give(vec![0.0; LARGE]);
        }
        assert_eq!(pool.0.lock().unwrap().bytes, 2 * LARGE * size_of::<f64>());
        taken.into_iter().for_each(|buffer| pool.give(buffer));
        assert_eq!(pool.0.lock().unwrap().bytes, 2 * LARGE * size_of::<f64>());
    }

    #[test]
    fn what_is_dropped_elsewhere_makes_no_room_for_what_was_made_elsewhere() {
        let pool = Pool::<f64>::new();
        for _step in 0..100 {
            let _dropped_elsewhere = pool.take(LARGE);
            let taken: Vec<_> = (1..5).map(|i| pool.take(i * LARGE)).collect();
            taken.into_iter().for_each(|buffer| pool.give(buffer));
        }
        for _ in 0..1000 {
            pool.give(vec![0.0; LARGE]);
        }
        // What a step gives back, and what was dropped in the last steps, not in all.
        let kept = pool.0.lock().unwrap().bytes / size_of::<f64>();
        assert!(kept < 50 * LARGE, "{} are kept", kept / LARGE);
    }

    #[test]
    fn what_is_dropped_elsewhere_makes_no_room_for_another_length() {
        for [taken, given] in [[3000, 3000], [LARGE, 2 * LARGE], [5 * LARGE, 4 * LARGE]] {
            let pool = Pool::<f64>::new();
            for _step in 0..1000 {
                drop(pool.take(taken));
                pool.give(Vec::with_capacity(given));
            }
            let kept = pool.0.lock().unwrap().bytes / size_of::<f64>();
            assert!(kept < 10 * given, "{} are kept", kept / given);
        }
    }

    #[test]
    fn no_buffer_is_longer_than_memory() {
        for len in [1 << 60, 1 << 62, isize::MAX as usize, usize::MAX] {
            let pool = Pool::<f64>::new();
            assert!(std::panic::catch_unwind(|| pool.take(len)).is_err());
            assert_eq!(pool.0.lock().unwrap().lent, 0);
        }
    }

    #[test]
    fn what_is_taken_and_given_in_turn_is_kept_for_ever() {
        let pool = Pool::<f64>::new();
        let _weights = pool.take(LARGE);
        let mut addresses = Vec::new();
        for _step in 0..100 {
            let taken: Vec<_> = (1..10).map(|i| pool.take(i * LARGE)).collect();
            addresses.push(taken.iter().map(Vec::as_ptr).collect::<Vec<_>>());
            taken.into_iter().for_each(|buffer| pool.give(buffer));
        }
        assert!(addresses.iter().all(|step| *step == addresses[0]));
    }

    #[test]
    fn a_length_is_none_where_the_product_overflows() {
        assert_eq!(checked_len::<u8>(&[1 << 32, 1 << 32]), None);
        assert_eq!(checked_len::<u8>(&[1 << 63]), None);
        assert_eq!(checked_len::<u8>(&[usize::MAX, 0]), None);
        assert_eq!(checked_len::<u8>(&[isize::MAX as usize, 1]), Some(isize::MAX as usize));
        assert_eq!(checked_len::<u16>(&[isize::MAX as usize, 1]), None);
        assert_eq!(checked_len::<u8>(&[0, 0]), Some(0));
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let pool = Pool::<f64>::new();
        let taken: Vec<_> =
            (1..10).map(|i| pool.take(i * (KEPT / size_of::<f64>() / 20))).collect();
        taken.into_iter().for_each(|buffer| pool.give(buffer));
        assert!(pool.0.lock().unwrap().bytes <= KEPT);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn huge_pages_are_preferred_for_what_was_asked_for() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists() {
            return;
        }
        // Of a class with room for more.
        let buffer = Pool::<f64>::new().take(2 * HUGE / size_of::<f64>() + 1);
        let start = buffer.as_ptr() as usize;
        let end = start + buffer.capacity() * size_of::<f64>();
        assert!(end > start + 2 * HUGE + PAGE);
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let are_huge = |address: usize| {
            let mut is_inside = false;
            maps.lines().any(|line| {
                let range = line.split(' ').next().and_then(|range| range.split_once('-'));
                let bound = |text: &str| usize::from_str_radix(text, 16).ok();
                if let Some((start, end)) = range.and_then(|(a, b)| Some((bound(a)?, bound(b)?))) {
                    is_inside = (start..end).contains(&address);
                }
                is_inside && line.starts_with("VmFlags") && line.contains(" hg")
            })
        };
        assert!(are_huge(start + HUGE));
        assert!(!are_huge(end - PAGE), "the room beyond what was asked for");
    }
}
