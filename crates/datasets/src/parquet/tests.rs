use ndarray::array;

use super::*;

fn file(name: &str) -> Parquet {
    Parquet::new(format!("{}/tests/files/{name}", env!("CARGO_MANIFEST_DIR"))).target("class")
}

fn error(options: impl FnOnce(Parquet) -> Parquet) -> String {
    let error = options(file("snappy.parquet")).read_classification::<f32>().unwrap_err();
    error.to_string().rsplit('/').next().unwrap().into()
}

#[test]
fn tables_of_pyarrow_are_read_with_their_types() {
    for name in ["snappy.parquet", "zstd.parquet"] {
        let numbers = ["whole", "real", "single", "small", "flag", "decimal"];
        let table = file(name).features(&numbers).keep_missing(true);
        let table = table.read_classification::<f64>().unwrap();
        assert_eq!((table.features().dim(), table.class_names().len()), ((1200, 6), 2));
        for row in [0, 1, 1023, 1024, 1099, 1100, 1199] {
            let i = row as f64;
            let flag = f64::from(u8::from(row % 2 == 0));
            let expected = [i - 5.0, i / 4.0, i / 8.0, f64::from(row as u8), flag, i / 4.0];
            let missing = [row % 10 == 3, row % 7 == 2, false, false, false, false];
            for column in 0..6 {
                let found = table.features()[[row, column]];
                assert_eq!(found.is_nan(), missing[column], "{row} {column}");
                assert!(missing[column] || found == expected[column], "{row} {column} {found}");
            }
            assert_eq!(table.labels()[row], row % 2);
        }
        let lacking = table.features().iter().filter(|value| value.is_nan()).count();
        assert_eq!(lacking, 120 + 172);
    }
}

#[test]
fn words_are_encoded_and_rows_dropped_as_in_csv() {
    let table = file("snappy.parquet").features(&["word", "whole"]).one_hot(&["*"]);
    let table = table.drop_missing(true).read_classification::<f32>().unwrap();
    assert_eq!(table.feature_names(), ["word=blue", "word=green", "word=red", "whole"]);
    assert_eq!(table.features().row(0), array![0.0, 0.0, 1.0, -5.0]);
    assert_eq!(table.len() + table.dropped_rows(), 1200);
    assert_eq!(table.dropped_rows(), 240 + 120);
    let whole = Parquet::new(&file("snappy.parquet").path).target("single").features(&["flag"]);
    assert_eq!(whole.read_regression::<f32>().unwrap().targets().as_slice()[9], 9.0 / 8.0);
}

#[test]
fn errors_name_column_and_row() {
    assert_eq!(
        error(|table| table.features(&["whole"])),
        "snappy.parquet:4: column `whole`: the value is missing; `.drop_missing(true)` leaves such \
         rows out"
    );
    assert_eq!(
        error(|table| table.features(&["word"])),
        "snappy.parquet:1: column `word`: \"red\" is not a number"
    );
    let list = error(|table| table.features(&["list*"]));
    assert!(list.contains("column `element` holds a list in each row"), "{list}");
    assert!(error(|table| table.features(&["no"])).contains(": no column is named `no`"));
    let missing = Parquet::new("no/such/file").read_classification::<f32>().unwrap_err();
    assert!(missing.to_string().starts_with("cannot read no/such/file: "));
    let text = Parquet::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    assert!(text.read_classification::<f32>().unwrap_err().to_string().contains("Cargo.toml: "));
}

#[test]
fn classes_that_are_numbers_keep_all_their_digits() {
    let classes = |column: &str| {
        let table = Parquet::new(&file("snappy.parquet").path).target(column).features(&["flag"]);
        table.read_classification::<f32>().unwrap().class_names().to_vec()
    };
    assert_eq!(classes("decimal")[..5], ["0", "0.25", "0.5", "0.75", "1"]);
    assert_eq!(classes("single")[..3], ["0", "0.125", "0.25"]);
    // Those of `f32` as it writes them, and not as the nearest `f64` does.
    let header = ["class".to_owned()];
    let columns = [Some(vec![Cell::Single(0.1)])];
    let row = Row { path: Path::new(""), header: &header, columns: &columns, row: 0, number: 1 };
    assert_eq!(row::Row::<f64>::word(&row, 0).unwrap(), "0.1");
    for (units, scale, word) in [
        (9_007_199_254_740_993, 2, "90071992547409.93"),
        (-5, 3, "-0.005"),
        (-1200, 2, "-12"),
        (7, 0, "7"),
        (0, 4, "0"),
    ] {
        assert_eq!(decimal(units, scale), word);
    }
}

/// The error for the file whose bytes at a place are others.
fn damaged(name: &str, at: usize, bytes: &[u8]) -> String {
    let mut file = std::fs::read(&file(name).path).unwrap();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.parquet");
    std::fs::write(&path, file).unwrap();
    let table = Parquet::new(&path).target("class").keep_missing(true);
    let table = table.without(&["list*"]).one_hot(&["*"]);
    let error = table.read_classification::<f32>().unwrap_err().to_string();
    assert!(error.contains("damaged.parquet: "), "{error}");
    error
}

#[test]
fn a_page_that_promises_more_than_its_column_holds_is_refused() {
    // The first page is a dictionary; its header: 2, its length, its length packed, and how many values.
    let whole = std::fs::read(&file("zstd.parquet").path).unwrap();
    assert_eq!(whole[4..16], *b"\x15\x04\x15\xe0\x7b\x15\xd8\x15\x4c\x15\xbc\x0f");
    let long = damaged("zstd.parquet", 7, &[0xfe, 0xff, 0xff, 0xff, 0x0f]);
    assert!(long.contains("a page promises 2147483647 bytes"), "{long}");
    let many = damaged("zstd.parquet", 14, &[0xfe, 0xff, 0xff, 0xff, 0x0f]);
    assert!(many.contains("bytes and a dictionary of 2147483647 values"), "{many}");
}

#[test]
fn a_column_with_a_negative_place_is_refused() {
    // Of the metadata of a column.
    let error = damaged("zstd.parquet", 23_094, b"u");
    assert!(error.contains("` has a negative place or length in the file"), "{error}");
}

#[test]
fn a_file_over_which_the_crate_panics_is_refused() {
    // In the values of a column: a count that goes on for too many bytes.
    let error = damaged("snappy.parquet", 18_082, &[0xa3]);
    assert!(error.contains("a part of it does not follow the format"), "{error}");
}
