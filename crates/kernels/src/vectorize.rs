//! The choice of vector instructions.

use std::sync::LazyLock;

use num_traits::Float;
use pulp::{Arch, WithSimd};

/// The length of a cache line in bytes.
pub(crate) const CACHE_LINE: usize = 64;

/// How x · y + z is computed: whichever way the processor is faster in.
pub trait Arithmetic: Copy + 'static {
    /// x · y + z
    fn multiply_add<E: Float>(x: E, y: E, z: E) -> E;
}

/// In one instruction, rounded once.
#[derive(Debug, Clone, Copy)]
pub struct Fused;

/// As a product, then a sum, each rounded.
#[derive(Debug, Clone, Copy)]
pub struct Separate;

impl Arithmetic for Fused {
    #[inline(always)]
    fn multiply_add<E: Float>(x: E, y: E, z: E) -> E {
        x.mul_add(y, z)
    }
}

impl Arithmetic for Separate {
    #[inline(always)]
    fn multiply_add<E: Float>(x: E, y: E, z: E) -> E {
        x * y + z
    }
}

/// A kernel for [`vectorize_arithmetic`].
pub trait Vectorized {
    /// What it returns.
    type Output;

    /// Runs the kernel. To be marked `#[inline(always)]`.
    fn run<A: Arithmetic>(self) -> Self::Output;
}

/// Runs `kernel`, compiled for the widest vector instructions that this processor has.
///
/// Only what is inlined into `kernel` is compiled that way: plain `for` loops over slices are,
/// and functions marked `#[inline(always)]`. An iterator adaptor's `collect` often is not, nor is
/// a closure of more than a few lines unless it is itself marked so:
/// `vectorize(#[inline(always)] || { … })`.
///
/// ```
/// use downhill_kernels::{Elementary, vectorize};
///
/// let mut values = vec![0.0_f32; 100];
/// vectorize(|| {
///     for value in &mut values {
///         *value = value.exponential();
///     }
/// });
/// assert_eq!(values[99], 1.0);
/// ```
#[inline(always)]
pub fn vectorize<R>(kernel: impl FnOnce() -> R) -> R {
    struct Closure<F>(F);
    impl<R, F: FnOnce() -> R> Vectorized for Closure<F> {
        type Output = R;

        #[inline(always)]
        fn run<A: Arithmetic>(self) -> R {
            (self.0)()
        }
    }
    vectorize_arithmetic(Closure(kernel))
}

/// [`vectorize`] for a kernel that multiplies and adds: it is told how the processor does that.
///
/// Results may then differ in their last digits from one processor to another.
#[inline(always)]
pub fn vectorize_arithmetic<K: Vectorized>(kernel: K) -> K::Output {
    match *PATH {
        // SAFETY: the processor has these instructions: the value is made of nothing else.
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => unsafe { with_avx512(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => unsafe { with_avx2(kernel) },
        Arch::Scalar => kernel.run::<Separate>(),
        // All processors of other kinds have the instructions that matter here.
        _ => kernel.run::<Fused>(),
    }
}

/// With the features that `pulp` tests for. Its own `vectorize` passes a proof of each of them through
/// some ten functions for each kernel, which take long to compile.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma,fxsr,lzcnt,popcnt")]
#[inline]
fn with_avx2<K: Vectorized>(kernel: K) -> K::Output {
    kernel.run::<Fused>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,fma,fxsr,lzcnt,popcnt")]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
#[inline]
fn with_avx512<K: Vectorized>(kernel: K) -> K::Output {
    kernel.run::<Fused>()
}

/// Runs `operation` with the widest vector instructions that this processor has.
#[inline(always)]
pub(crate) fn dispatch<O: WithSimd>(operation: O) -> O::Output {
    PATH.dispatch(operation)
}

/// Prefetches a value into the first-level cache. It is a hint, for which the address may be any.
#[inline(always)]
pub fn prefetch<T>(address: *const T) {
    for offset in (0..size_of::<T>()).step_by(CACHE_LINE) {
        prefetch_line(address.wrapping_byte_add(offset), Cache::First);
    }
}

/// The level of a cache.
#[derive(Clone, Copy)]
pub(crate) enum Cache {
    First,
    Second,
}

/// Prefetches the cache line of an address.
#[inline(always)]
pub(crate) fn prefetch_line<T>(address: *const T, cache: Cache) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        let address = address.cast();
        // SAFETY: prefetching reads nothing, and ignores addresses that are not mapped.
        unsafe {
            match cache {
                Cache::First => _mm_prefetch::<_MM_HINT_T0>(address),
                Cache::Second => _mm_prefetch::<_MM_HINT_T1>(address),
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (address, cache);
}

/// The widest vector instructions of this processor that `DOWNHILL_VECTORS` allows.
static PATH: LazyLock<Arch> =
    LazyLock::new(|| match std::env::var("DOWNHILL_VECTORS").as_deref() {
        Ok("none") => Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => Arch::new(),
    });

#[cfg(test)]
mod tests {
    use std::process::Command;

    /// The tests of the kernels once more, without vector instructions and with shorter ones.
    #[test]
    fn all_paths_pass_the_tests_of_the_kernels() {
        if std::env::var_os("DOWNHILL_VECTORS").is_some() {
            return;
        }
        for vectors in ["none", "avx2"] {
            let tests = std::env::current_exe().unwrap();
            let output = Command::new(tests).env("DOWNHILL_VECTORS", vectors).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{vectors}: {text}");
            assert!(!text.contains("running 0 tests"), "{text}");
        }
    }
}
