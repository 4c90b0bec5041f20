//! Writes or reads a large CSV file; `benches/table` times it beside pandas.
//!
//! ```text
//! cargo bench -p downhill-datasets --bench table -- write FILE ROWS COLUMNS
//! cargo bench -p downhill-datasets --bench table -- f32 FILE
//! ```

use std::fs::File;
use std::io::{BufWriter, Write};

use downhill_datasets::Csv;
use downhill_tensor::Element;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match &*arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["write", file, rows, columns] => write(file, rows.parse()?, columns.parse()?)?,
        ["f32", file] => read::<f32>(file)?,
        ["f64", file] => read::<f64>(file)?,
        _ => println!("table: SKIPPED: benches/table says what to write or to read"),
    }
    Ok(())
}

/// Normally distributed numbers with six decimals.
fn write(file: &str, rows: usize, columns: usize) -> std::io::Result<()> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut file = BufWriter::new(File::create(file)?);
    let names: Vec<String> = (0..columns).map(|column| format!("x{column}")).collect();
    writeln!(file, "{}", names.join(","))?;
    for _ in 0..rows {
        for column in 0..columns {
            let number: f64 = rng.sample(StandardNormal);
            let end = if column + 1 < columns { "," } else { "\n" };
            write!(file, "{number:.6}{end}")?;
        }
    }
    file.flush()
}

/// Prints rows, columns and the sum of the targets, so that no reading can be left out.
fn read<E: Element>(file: &str) -> Result<(), downhill_datasets::Error> {
    let data = Csv::new(file).read_regression::<E>()?;
    let sum: f64 = data.targets().as_slice().iter().map(|value| value.as_f64()).sum();
    println!("{} {} {sum:.3}", data.len(), data.feature_count() + 1);
    Ok(())
}
