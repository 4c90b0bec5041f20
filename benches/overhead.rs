//! What recording and differentiating cost besides arithmetic: nanoseconds for each operation of
//! a small graph, the time and memory of deep ones, of halves that two threads share, and of memory
//! from the allocator and from the pool of buffers.
//!
//! ```text
//! cargo bench --bench overhead                     # all parts
//! cargo bench --bench overhead -- operation/tanh   # those whose names begin so
//! RAYON_NUM_THREADS=4 cargo bench --bench overhead -- owners   # as on a machine of four cores
//! ```

mod timing;

use std::hint::black_box;
use std::time::{Duration, Instant};

use downhill::kernels::{buffer, join, recycle};
use downhill::prelude::*;
use timing::{Cases, MEBIBYTE, normal, peak_memory, time};

fn main() {
    let cases = Cases::from_command_line();
    operations(&cases);
    chains(&cases);
    halves(&cases);
    owners(&cases);
    buffers(&cases);
    cases.finish();
}

/// Chains of one kind of operation on 16 numbers, so that arithmetic is next to nothing.
fn operations(cases: &Cases) {
    const LENGTH: usize = 100;
    type Kind = fn(&Tensor, &[Tensor; 2]) -> Tensor;
    const KINDS: [(&str, Kind); 9] = [
        ("add", |y, [x, _]| y + x),
        ("add-number", |y, _| y + 0.5),
        ("multiply", |y, [x, _]| y * x),
        ("broadcast", |y, [_, bias]| y + bias),
        ("relu", |y, _| y.relu()),
        ("tanh", |y, _| y.tanh()),
        ("reshape", |y, _| y.reshape(&[4, 4])),
        ("matmul", |y, [x, _]| y.matmul(x)),
        ("linear", |y, [x, bias]| y.linear(x, bias)),
    ];
    println!("{:24} {:>10} {:>10}", "operation on [4, 4]", "median ns", "least ns");
    for (name, operation) in KINDS {
        let name = format!("operation/{name}");
        if !cases.include(&name) {
            continue;
        }
        let parameters = [normal(&[4, 4], 0.3), normal(&[4], 0.3)].map(Tensor::parameter);
        let timing = time(Duration::from_millis(500), || {
            let first = operation(&parameters[0], &parameters);
            let last = (1..LENGTH).fold(first, |y, _| operation(&y, &parameters));
            black_box(last.sum().backward());
        });
        let [median, least] = [timing.median, timing.least].map(|t| t * 1e9 / LENGTH as f64);
        println!("{name:24} {median:10.0} {least:10.0}");
    }
}

/// Chains of additions to one number, each in turn made, differentiated and dropped.
fn chains(cases: &Cases) {
    println!(
        "\n{:24} {:>10} {:>10} {:>10} {:>8} {:>9}",
        "additions in a chain", "forward ms", "backward", "drop", "× before", "peak MiB"
    );
    let mut before: Option<f64> = None;
    for exponent in 4..=6 {
        let length = 10_usize.pow(exponent);
        let name = format!("chain/{length}");
        if !cases.include(&name) {
            continue;
        }
        // The best of a few, in which nothing else was in the way.
        let rounds = (0..5).map(|_| chain(length));
        let total = |parts: &[f64; 3]| parts.iter().sum::<f64>();
        let best = rounds.min_by(|a, b| total(a).total_cmp(&total(b))).expect("there are five");
        let growth = before.map_or("–".into(), |before| format!("{:.1}", total(&best) / before));
        let peak = peak_memory().map_or("–".into(), |bytes| format!("{:.0}", bytes / MEBIBYTE));
        let [forward, backward, drop] = best.map(|seconds| seconds * 1e3);
        println!("{name:24} {forward:10.2} {backward:10.2} {drop:10.2} {growth:>8} {peak:>9}");
        before = Some(total(&best));
    }
}

/// Seconds for making, differentiating and dropping a chain.
fn chain(length: usize) -> [f64; 3] {
    let x: Tensor = Tensor::parameter(1.0);
    let start = Instant::now();
    let last = (1..length).fold(&x + &x, |y, _| y + &x);
    let forward = start.elapsed();
    let gradients = last.backward();
    let backward = start.elapsed();
    drop(last);
    let end = start.elapsed();
    let gradient = gradients.get(&x).expect("the chain depends on it").item();
    assert_eq!(gradient, (length + 1) as f32);
    [forward, backward - forward, end - backward].map(|time| time.as_secs_f64())
}

/// Work that is done alone and then by two halves, again and again as in a step of training: in
/// turn, by `join`, and by rayon's, called from a thread of its pool and from outside.
fn halves(cases: &Cases) {
    println!(
        "\n{:24} {:>10} {:>10} {:>10} {:>10}",
        "least µs, 3 times", "in turn", "join", "in rayon", "to rayon"
    );
    for micros in [1, 2, 5, 10, 20, 50] {
        let name = format!("halves/{micros}");
        if !cases.include(&name) {
            continue;
        }
        let work = move || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(micros) {
                std::hint::spin_loop();
            }
        };
        let least = |both: &(dyn Fn() + Sync)| {
            let timing = time(Duration::from_millis(300), || {
                work();
                both();
            });
            timing.least * 1e6
        };
        let in_turn = least(&|| {
            work();
            work();
        });
        let joined = least(&|| {
            join(work, work);
        });
        let by_rayon: &(dyn Fn() + Sync) = &|| {
            rayon::join(work, work);
        };
        let pool = rayon::ThreadPoolBuilder::new().build().expect("a pool of threads");
        let in_rayon = pool.install(|| least(by_rayon));
        let to_rayon = least(by_rayon);
        println!("{name:24} {in_turn:10.1} {joined:10.1} {in_rayon:10.1} {to_rayon:10.1}");
    }
}

/// Joins of four leaves of 1 ms each, by several threads at the same time on one pool: how long one
/// may take where all must wait for processors, and none for another's work.
fn owners(cases: &Cases) {
    println!("\n{:24} {:>10} {:>10}", "ms a join", "median", "longest");
    for owners in [1, 4, 9] {
        let name = format!("owners/{owners}");
        if !cases.include(&name) {
            continue;
        }
        let leaf = || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
        };
        let two = || {
            join(leaf, leaf);
        };
        let joins = || -> Vec<f64> {
            let timed = |_| {
                let start = Instant::now();
                join(two, two);
                start.elapsed().as_secs_f64() * 1e3
            };
            (0..200).map(timed).collect()
        };
        let mut times: Vec<f64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..owners).map(|_| scope.spawn(joins)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no leaf panics")).collect()
        });
        times.sort_by(f64::total_cmp);
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        println!("{name:24} {median:10.1} {longest:10.1}");
    }
}

/// Four arrays at a time, as a step of training has some, made, filled and given back.
fn buffers(cases: &Cases) {
    println!("\n{:24} {:>10} {:>10}", "median µs, 4 arrays", "allocator", "buffers");
    for kibibytes in [16, 128, 1024, 4096, 16384] {
        let name = format!("buffers/{kibibytes}-KiB");
        if !cases.include(&name) {
            continue;
        }
        let len = kibibytes << 8;
        let median = |four: &dyn Fn() -> [Vec<f32>; 4], give_back: fn(Vec<f32>)| {
            let timing = time(Duration::from_millis(300), || {
                black_box(four()).into_iter().for_each(give_back);
            });
            timing.median * 1e6
        };
        let allocated = || [0, 1, 2, 3].map(|i| vec![i as f32 + 0.5; len]);
        let reused = || {
            [0, 1, 2, 3].map(|i| {
                let mut values = buffer(len);
                values.fill(i as f32 + 0.5);
                values
            })
        };
        let [allocated, reused] = [median(&allocated, drop), median(&reused, recycle)];
        println!("{name:24} {allocated:10.1} {reused:10.1}");
    }
}
