//! Damaged files never make a reader panic, take memory far beyond the file, or fail with more
//! than one line that names the file.
//!
//! Each reader gets some files with a few bytes changed at random. For more than a short while:
//!
//! ```text
//! DOWNHILL_MUTATION_SECONDS=600 cargo test --release -p downhill-datasets --all-features --test mutations
//! ```
//!
//! gives each of them as many seconds of the processor as the variable says; a name at the end of the
//! line picks one.

use std::fs;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cpu_time::ProcessTime;
use downhill_datasets::{Csv, Dataset, Error, Target, read_idx_array};
use peak_alloc::PeakAlloc;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tempfile::tempdir;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Buffers, names and the like.
const SLACK: usize = 1 << 20;

/// Memory and time are counted of the whole program, so that one reader is tried at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A reader, and files that it reads.
struct Reader {
    name: &'static str,
    files: Vec<Vec<u8>>,
    /// Returns how many bytes the numbers take that were read.
    read: fn(&Path) -> Result<usize, Error>,
    /// The size of what a file holds, as far as it can be told before it is read.
    size: fn(&[u8]) -> usize,
}

fn numbers<T: Target<f32>>(data: &Dataset<f32, T>) -> Result<usize, Error> {
    Ok(4 * data.features().len())
}

/// With what the classes take: each row may be one.
fn classes(data: &Dataset<f32>) -> Result<usize, Error> {
    let names: usize = data.class_names().iter().map(|name| size_of::<String>() + name.len()).sum();
    Ok(numbers(data)? + size_of_val(data.labels()) + names)
}

/// The length of a file, or of what can be unpacked of it.
fn unpacked(file: &[u8]) -> usize {
    let mut length = 0;
    let mut decoder = flate2::read::MultiGzDecoder::new(file);
    let mut buffer = [0; 1 << 14];
    while let Ok(count @ 1..) = decoder.read(&mut buffer) {
        length += count;
    }
    length.max(file.len())
}

fn file(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A table large enough for its memory to be seen beside the slack.
fn large_table(separator: char, decimal: char) -> Vec<u8> {
    let mut text = String::from("a;b;\"c, d\";e;class\n");
    for row in 0..40_000 {
        let x = f64::from(row) * 0.37;
        text += &format!("{x:.3};-{row};\"{x:e}\";;class {}\n", row % 7)
            .replace('.', &decimal.to_string());
    }
    text.replace(';', &separator.to_string()).into()
}

fn large_tables() -> Vec<Vec<u8>> {
    vec![large_table(',', '.'), large_table(';', ','), large_table('\t', '.')]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn idx_file(code: u8, shape: &[u32], bytes: usize) -> Vec<u8> {
    let mut file = vec![0, 0, code, shape.len() as u8];
    file.extend(shape.iter().flat_map(|length| length.to_be_bytes()));
    file.extend((0..bytes).map(|index| index as u8));
    file
}

#[test]
fn csv() {
    try_damaged(Reader {
        name: "csv",
        files: [vec![file("iris.data"), file("winequality-red.csv")], large_tables()].concat(),
        read: |path| classes(&Csv::new(path).keep_missing(true).read_classification::<f32>()?),
        size: unpacked,
    });
}

/// A compressed file of a few thousand bytes may hold 4 MiB of separators.
#[test]
fn a_row_of_separators_takes_the_memory_of_its_text() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempdir().unwrap();
    let path = directory.path().join("wide.csv.gz");
    let count = 1 << 22;
    for start in ["3", "\"3\""] {
        for line in [1, 200] {
            let rows = "1,2\n".repeat(line);
            let wide = ",".repeat(count);
            fs::write(&path, gzip(format!("a,class\n{rows}{start}{wide}\n").as_bytes())).unwrap();
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            let error = Csv::new(&path).read_classification::<f32>().unwrap_err().to_string();
            let taken = MEMORY.peak_usage().saturating_sub(before);
            let expected = format!(":{}: {} fields, but the header names 2", line + 2, count + 1);
            assert!(error.contains(&expected), "{error}");
            // Texts grow by doubling.
            assert!(taken <= 6 * count + SLACK, "{taken} bytes for {count}");
        }
    }
}

#[test]
fn csv_packed() {
    try_damaged(Reader {
        name: "csv.gz",
        files: large_tables().iter().map(|table| gzip(table)).collect(),
        read: |path| classes(&Csv::new(path).keep_missing(true).read_classification::<f32>()?),
        size: unpacked,
    });
}

#[test]
fn csv_with_words() {
    let tables = ["iris.data", "adult.data", "adult.test", "winequality-red.csv", "write_csv.csv"];
    let exports = ["write_csv2.csv", "write_table.txt", "excel.txt", "to_csv.csv"];
    try_damaged(Reader {
        name: "csv with words",
        files: tables.into_iter().chain(exports).map(file).collect(),
        read: |path| {
            let csv = Csv::new(path).one_hot(&["*"]).drop_missing(true).comments('|');
            classes(&csv.read_classification::<f32>()?)
        },
        size: unpacked,
    });
}

#[test]
fn csv_with_all_options() {
    let mut text = String::from("when;a;colour;size;weight;price\n");
    for row in 0..5000 {
        let (tenth, colour) = (row % 10, ["red", "?", "blue", "NA"][row % 4]);
        text += &format!("{row};{row},{tenth};{colour};\"{tenth}\";0,5;-{tenth},25e3\n");
    }
    try_damaged(Reader {
        name: "csv with all options",
        files: vec![gzip(text.as_bytes()), text.into_bytes()],
        read: |path| {
            let csv = Csv::new(path).separator(';').decimal_comma(true).header(true).comments('#');
            let csv = csv.missing(&["?", ""]).keep_missing(true).without(&["when"]);
            let csv = csv
                .one_hot(&["col*"])
                .ordinal("size", &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])
                .weights("weight")
                .target("price");
            numbers(&csv.read_regression::<f32>()?)
        },
        size: unpacked,
    });
}

#[test]
fn idx() {
    try_damaged(Reader {
        name: "idx",
        files: vec![
            idx_file(8, &[100, 64, 64], 100 * 64 * 64),
            idx_file(0x0b, &[500, 500], 500_000),
            idx_file(0x0e, &[3, 2, 5], 240),
            gzip(&idx_file(8, &[100, 64, 64], 100 * 64 * 64)),
        ],
        read: |path| read_idx_array::<f32>(path).map(|array| 4 * array.len()),
        size: unpacked,
    });
}

#[cfg(feature = "npy")]
#[test]
fn npz() {
    try_damaged(Reader {
        name: "npz",
        files: vec![file("numpy.npz")],
        read: |path| numbers(&Dataset::read_npz(path, "x", "y")?),
        size: unpacked,
    });
}

#[cfg(feature = "npy")]
#[test]
fn npy() {
    try_damaged(Reader {
        name: "npy",
        files: vec![npy_file()],
        read: |path| downhill_datasets::read_npy_array::<f32>(path).map(|array| 4 * array.len()),
        size: unpacked,
    });
}

#[cfg(feature = "parquet")]
#[test]
fn parquet() {
    try_damaged(Reader {
        name: "parquet",
        files: vec![file("snappy.parquet"), file("zstd.parquet")],
        read: |path| {
            let table = downhill_datasets::Parquet::new(path).target("class").without(&["list*"]);
            classes(&table.one_hot(&["*"]).keep_missing(true).read_classification::<f32>()?)
        },
        size: <[u8]>::len,
    });
}

#[cfg(feature = "images")]
#[test]
fn images() {
    try_damaged(Reader {
        name: "images",
        files: vec![picture(image::ImageFormat::Png), picture(image::ImageFormat::Jpeg)],
        read: |path| {
            let folder = path.parent().unwrap().parent().unwrap();
            numbers(&downhill_datasets::ImageFolder::new(folder).read()?)
        },
        // What the header says, in four bytes a pixel and whole blocks of eight by eight pixels, if so
        // short a file can hold it.
        size: |file| {
            let reader = image::ImageReader::new(std::io::Cursor::new(file)).with_guessed_format();
            let (width, height) = reader.unwrap().into_dimensions().unwrap_or_default();
            let blocks = u64::from(width.div_ceil(8)) * u64::from(height.div_ceil(8));
            let fits = u64::from(width) * u64::from(height) <= 8256 * file.len() as u64;
            file.len() + if fits { 4 * 64 * usize::try_from(blocks).unwrap() } else { 0 }
        },
    });
}

#[cfg(feature = "npy")]
fn npy_file() -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (500, 200), }";
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").as_bytes());
    bytes.extend((0..100_000_u32).flat_map(|index| (index as f32).to_le_bytes()));
    bytes
}

#[cfg(feature = "images")]
fn picture(format: image::ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, y: u32| image::Rgb([x as u8, y as u8, (x * y) as u8]);
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(40, 30, pixel).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Changes one to four places: bytes replaced, left out, repeated, or put in, or the end cut off.
fn mutate(bytes: &mut Vec<u8>, rng: &mut Xoshiro256PlusPlus) {
    const TELLING: &[u8] = b"\"\"\n\r,;\t |.-+eE0919\0\x7f\x80\xff#?NA'()[]{}";
    for _ in 0..rng.random_range(1..5) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        // The beginning of a file is where the formats say most.
        let end = if rng.random() { length } else { length.min(64) };
        let at = rng.random_range(0..end);
        let until = (at + rng.random_range(1..20)).min(length);
        match rng.random_range(0..6) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = *TELLING.choose(rng).unwrap(),
            3 => drop(bytes.drain(at..until)),
            4 => {
                let piece = bytes[at..until].to_vec();
                bytes.splice(at..at, piece);
            }
            _ if rng.random_ratio(1, 4) => bytes.truncate(at),
            _ => bytes.insert(at, *TELLING.choose(rng).unwrap()),
        }
    }
}

fn try_damaged(reader: Reader) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = std::env::var("DOWNHILL_MUTATION_SECONDS").ok();
    let budget = seconds.map(|seconds| Duration::from_secs(seconds.parse().expect("seconds")));
    let directory = tempdir().unwrap();
    fs::create_dir(directory.path().join("class")).unwrap();
    let path = directory.path().join("class").join("file.png");
    for whole in &reader.files {
        fs::write(&path, whole).unwrap();
        (reader.read)(&path).unwrap();
    }
    // Without the backtrace, whose memory would be counted: one of the readers catches panics.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let (start, mut count, mut refused, mut most) = (ProcessTime::now(), 0, 0, 0.0_f64);
    while budget.map_or(count < 100, |budget| start.elapsed() < budget) {
        let mut bytes = reader.files.choose(&mut rng).unwrap().clone();
        mutate(&mut bytes, &mut rng);
        fs::write(&path, &bytes).unwrap();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let result = catch_unwind(AssertUnwindSafe(|| (reader.read)(&path)));
        let taken = MEMORY.peak_usage().saturating_sub(before);
        let place = || {
            let kept = std::env::temp_dir().join(format!("downhill-{}-{count}", reader.name));
            fs::write(&kept, &bytes).unwrap();
            format!("{}, file {count}, kept as {}", reader.name, kept.display())
        };
        let Ok(result) = result else { panic!("{}: a panic", place()) };
        let numbers = *result.as_ref().unwrap_or(&0);
        if let Err(error) = result {
            let message = error.to_string();
            let is_clear =
                message.contains("class") && !message.contains('\n') && message.len() < 2000;
            assert!(is_clear, "{}: {message:?}", place());
            refused += 1;
        }
        let size = (reader.size)(&bytes).max(numbers);
        let beyond = taken.saturating_sub(SLACK);
        assert!(beyond <= 4 * size, "{}: {taken} bytes for {size}", place());
        most = most.max(beyond as f64 / size as f64);
        count += 1;
    }
    println!("{}: {count} files, {refused} refused, memory at most {most:.1} times", reader.name);
    assert!(refused > 0, "{}: none of {count} refused", reader.name);
}
