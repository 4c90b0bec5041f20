use std::io::Write;

use ndarray::array;
use tempfile::NamedTempFile;

use super::*;

fn file(content: impl AsRef<[u8]>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_ref()).unwrap();
    file
}

/// The error of reading `content` with the last column as the target, the file's name shown as
/// `FILE`.
fn error(content: impl AsRef<[u8]>) -> String {
    error_with(content, |csv| csv)
}

fn error_with(content: impl AsRef<[u8]>, options: impl FnOnce(Csv) -> Csv) -> String {
    let file = file(content);
    let error = options(Csv::new(&file)).read_classification::<f32>().unwrap_err();
    error.to_string().replace(file.path().to_str().unwrap(), "FILE")
}

#[test]
fn the_last_column_is_the_target_unless_another_is_named() {
    let file = file("a,b,c\n1,2,x\n3,4,y\n");
    let last = Csv::new(&file).read_classification::<f32>().unwrap();
    assert_eq!(last.features(), array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(last.feature_names(), ["a", "b"]);
    assert_eq!(last.target_name(), "c");
    assert_eq!(last.class_names(), ["x", "y"]);

    let first = Csv::new(&file).target("a").features(&["b"]).read_classification::<f64>().unwrap();
    assert_eq!(first.features(), array![[2.0], [4.0]]);
    assert_eq!(first.feature_names(), ["b"]);
    assert_eq!(first.target_name(), "a");
    assert_eq!(first.class_names(), ["1", "3"]);
}

#[test]
fn features_come_in_the_order_asked_for() {
    let file = file("a,b,c\n1,2,3\n4,5,6\n");
    let names = vec![String::from("c"), String::from("a")];
    let data = Csv::new(&file).target("b").features(&names).read_regression::<f64>().unwrap();
    assert_eq!(data.features(), array![[3.0, 1.0], [6.0, 4.0]]);
    assert_eq!(data.targets().as_slice(), [2.0, 5.0]);
}

#[test]
fn numbers_are_read_in_every_usual_spelling() {
    let file = file("a,b\n-1,+2.5\n1e-3,.5\n 7 , 8. \n");
    let data = Csv::new(&file).read_regression::<f64>().unwrap();
    assert_eq!(data.features(), array![[-1.0], [1e-3], [7.0]]);
    assert_eq!(data.targets().as_slice(), [2.5, 0.5, 8.0]);
}

#[test]
fn quotes_white_space_a_byte_order_mark_and_carriage_returns_are_no_part_of_values() {
    let file = file("\u{feff}a , \"b, c\" ,d\r\n\"1\",2, \"x\"\r\n3,4,\"x \"\"y\"\"\"");
    let error = Csv::new(&file).read_classification::<f32>().unwrap_err();
    // A quote after a blank is a character like any other, as in RFC 4180.
    assert!(error.to_string().ends_with(":2: 3 fields, but the header names 4 columns"), "{error}");

    let file = self::file("\u{feff}a ,\"b, c\",d\r\n\"1\",2, x\r\n3,4,\"x \"\"y\"\"\"");
    let data = Csv::new(&file).read_classification::<f32>().unwrap();
    assert_eq!(data.feature_names(), ["a", "b, c"]);
    assert_eq!(data.features(), array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(data.class_names(), ["x", "x \"y\""]);
}

#[test]
fn rows_that_lack_a_used_value_are_dropped_when_asked() {
    let file = file("a,b,unused,class\n1,2,NA,x\nNA,4,5,y\n5,,6,x\n7,8,,NA\n9,10,,z\n");
    let csv = Csv::new(&file).features(&["a", "b"]).drop_missing(true);
    let data = csv.read_classification::<f32>().unwrap();
    assert_eq!(data.features(), array![[1.0, 2.0], [9.0, 10.0]]);
    assert_eq!(data.class_names(), ["x", "z"]);
    assert_eq!(data.dropped_rows(), 3);
    assert_eq!(data.select(&[0]).dropped_rows(), 0);
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let error = Dataset::read_csv("no/such/file.csv", "a").unwrap_err();
    assert!(error.to_string().starts_with("cannot read no/such/file.csv: "), "{error}");
}

#[test]
fn an_empty_file_is_an_error() {
    for content in ["", "\u{feff}", "\n\r\n"] {
        assert_eq!(error(content), "FILE: the file is empty");
    }
}

#[test]
fn a_header_without_rows_is_an_error() {
    for content in ["a,b", "a,b\n\n"] {
        assert_eq!(error(content), "FILE: a header, but no rows");
    }
}

#[test]
fn dropping_every_row_is_an_error() {
    assert_eq!(
        error_with("a,b\nNA,x\n1,\n", |csv| csv.drop_missing(true)),
        "FILE: no rows are left: each of the 2 lacks a value"
    );
}

#[test]
fn a_ragged_row_is_an_error() {
    assert_eq!(error("a,b,c\n1,2,x\n1,2\n"), "FILE:3: 2 fields, but the header names 3 columns");
    assert_eq!(error("a,b\n1,x,\n"), "FILE:2: 3 fields, but the header names 2 columns");
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    let ragged = |line| format!("FILE:{line}: 1 fields, but the header names 2 columns");
    assert_eq!(error("a,b\r\n1,x\r\n2,y\r\n3\r\n"), ragged(4));
    assert_eq!(error("\n\na,b\n\n1,x\n\n\n2\n"), ragged(8));
    assert_eq!(error("\r\na,b\r\n\r\n1,x\r\n\r\n2"), ragged(6));
    assert_eq!(error("\u{feff}a,b\n1\n"), ragged(2));
}

#[test]
fn a_quoted_line_break_is_counted_where_it_is_not_read() {
    let content = "note,a,b\n\"two\nlines\",1,x\nplain,word,y\n";
    assert_eq!(
        error_with(content, |csv| csv.features(&["a"])),
        "FILE:4: column `a`: \"word\" is not a number"
    );
}

#[test]
fn a_quote_that_is_never_closed_is_an_error() {
    assert_eq!(
        error("a,b\n1,x\n2,\"y\n3,z\n"),
        "FILE:3: column `b`: the value goes on over several lines; is a closing quote missing?"
    );
}

#[test]
fn a_word_where_a_number_belongs_is_an_error() {
    assert_eq!(
        error("a,island,class\n1,Dream,x\n"),
        "FILE:2: column `island`: \"Dream\" is not a number; `.features(&[…])` names the columns \
         to use, to leave this one out"
    );
    assert_eq!(
        error_with("a,island,class\n1,Dream,x\n", |csv| csv.features(&["island"])),
        "FILE:2: column `island`: \"Dream\" is not a number"
    );
    let file = file("a,b\n1,2\n3,four\n");
    let error = Csv::new(&file).read_regression::<f32>().unwrap_err();
    assert!(error.to_string().ends_with(":3: column `b`: \"four\" is not a number"), "{error}");
}

#[test]
fn a_number_that_is_not_finite_is_an_error() {
    for value in ["nan", "NaN", "inf", "-Infinity", "1e39", "-1e400"] {
        assert_eq!(
            error(format!("a,b\n1,x\n{value},y\n")),
            format!("FILE:3: column `a`: \"{value}\" is not a finite f32")
        );
    }
    let file = file("a,b\n1e39,1\n1,inf\n");
    let error = Csv::new(&file).read_regression::<f64>().unwrap_err();
    assert!(error.to_string().ends_with(":3: column `b`: \"inf\" is not a finite f64"), "{error}");
}

#[test]
fn a_missing_value_is_an_error() {
    let message = "the value is missing; `.drop_missing(true)` leaves such rows out";
    assert_eq!(error("a,b\n1,x\n,y\n"), format!("FILE:3: column `a`: {message}"));
    assert_eq!(error("a,b\n1,x\n NA ,y\n"), format!("FILE:3: column `a`: {message}"));
    assert_eq!(error("a,b\n1,NA\n"), format!("FILE:2: column `b`: {message}"));
}

#[test]
fn an_unknown_column_is_an_error_that_lists_what_exists() {
    assert_eq!(
        error_with("a,b\n1,x\n", |csv| csv.target("c")),
        "FILE:1: no column is named `c`; there are `a`, `b`"
    );
    assert_eq!(
        error_with("\na,b\n1,x\n", |csv| csv.features(&["a", "A"])),
        "FILE:2: no column is named `A`; there are `a`, `b`"
    );
}

#[test]
fn two_columns_of_one_name_are_an_error() {
    assert_eq!(error("a,b, a\n1,2,x\n"), "FILE:1: two columns are named `a`");
}

#[test]
fn a_column_asked_for_twice_is_an_error() {
    let message = |column| {
        format!("FILE: column `{column}`: asked for twice; it can be the target or one feature")
    };
    assert_eq!(error_with("a,b\n1,x\n", |csv| csv.features(&["a", "a"])), message("a"));
    assert_eq!(error_with("a,b\n1,x\n", |csv| csv.features(&["a", "b"])), message("b"));
}

#[test]
fn a_file_without_features_is_an_error() {
    assert_eq!(error("a;b\n1;x\n"), "FILE: no features beside the target `a;b`");
    let none: [&str; 0] = [];
    assert_eq!(
        error_with("a,b\n1,x\n", |csv| csv.features(&none)),
        "FILE: no features beside the target `b`"
    );
}

#[test]
fn a_file_that_is_not_utf_8_is_an_error() {
    assert_eq!(error(b"a,b\n1,x\n2,caf\xe9\n"), "FILE:3: not UTF-8 text");
}
