//! How long models of 10⁶ and 10⁸ weights take to save and to load, and the memory beyond the model.
//!
//! A save waits until the disk has the file. What the disk and the system take is told beside: the
//! time to write as many bytes of memory to a new file, and the time with the wait.
//!
//! ```text
//! cargo bench --bench files
//! python3 benches/files.py        # safetensors.torch, by the same measure
//! ```

mod timing;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use downhill::prelude::*;
use timing::{MEBIBYTE, peak_memory, reset_peak_memory};

fn main() {
    println!(
        "{:>12} {:>10} {:>10} {:>10} {:>14} {:>14} {:>10} {:>10}",
        "weights",
        "file, MiB",
        "save, s",
        "load, s",
        "save, + MiB",
        "load, + MiB",
        "write, s",
        "+ sync, s"
    );
    let directory = std::env::temp_dir().join(format!("downhill-files-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for what is measured");
    for weights in [1_000_000, 100_000_000] {
        measure(weights, &directory.join("model.safetensors"));
    }
    fs::remove_dir_all(&directory).expect("the directory is still there");
}

/// The best of five, of a model of ten tensors.
fn measure(weights: usize, path: &Path) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut model: Vec<Tensor> = (0..10)
        .map(|_| {
            let values = (0..weights / 10).map(|_| rng.random::<f32>() - 0.5).collect();
            let tensor = Tensor::from_shape_vec(&[weights / 1000, 100], values);
            Tensor::parameter(tensor.expect("the values fill the shape"))
        })
        .collect();
    let (save_time, save_memory) = best(|| save(&model, path).expect("the file can be written"));
    let (load_time, load_memory) = best(|| load(&mut model, path).expect("the file can be read"));
    let bytes = fs::read(path).expect("the file was written");
    let write = |is_synced: bool| {
        let write = || {
            fs::remove_file(path).expect("the file is there");
            let mut file = File::create(path).expect("the file can be written");
            file.write_all(&bytes).expect("the file can be written");
            if is_synced {
                file.sync_all().expect("the file can be written");
            }
        };
        best(write).0
    };
    let (write_time, sync_time) = (write(false), write(true));
    let size = bytes.len() as f64 / MEBIBYTE;
    println!(
        "{weights:12} {size:10.1} {save_time:10.4} {load_time:10.4} {save_memory:14.1} \
         {load_memory:14.1} {write_time:10.4} {sync_time:10.4}"
    );
}

/// The shortest time, and the largest growth of the memory in use.
fn best(mut work: impl FnMut()) -> (f64, f64) {
    let (mut time, mut memory) = (f64::INFINITY, 0.0_f64);
    for _ in 0..5 {
        let resettable = reset_peak_memory();
        let before = peak_memory().unwrap_or(0.0);
        let started = Instant::now();
        work();
        time = time.min(started.elapsed().as_secs_f64());
        if resettable {
            memory = memory.max(peak_memory().unwrap_or(0.0) - before);
        }
    }
    (time, memory / MEBIBYTE)
}
