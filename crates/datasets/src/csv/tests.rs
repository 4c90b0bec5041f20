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
    let content = "\u{feff}a , \"b, c\" ,d\r\n\"1\",2, \"x\"\r\n3,4,\"x \"\"y\"\"\"\r\n5,6,x";
    let data = read(content);
    assert_eq!(data.feature_names(), ["a", "b, c"]);
    assert_eq!(data.features(), array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(data.class_names(), ["x", "x \"y\""]);
    assert_eq!(data.labels(), [0, 1, 0]);
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
        "FILE:2: column `island`: \"Dream\" is not a number; `.without(&[…])` leaves columns \
         out, `.one_hot(&[…])` makes features of words"
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
    for value in ["inf", "-Infinity", "1e39", "-1e400"] {
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
    assert_eq!(
        error("a,b, a\n1,2,x\n"),
        "FILE:1: two columns are named `a`; without a header, `.header(false)` numbers them"
    );
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
    assert_eq!(error("a\n1\n"), "FILE: no features beside the target `a`");
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

fn read(content: &str) -> Dataset {
    read_with(content, |csv| csv)
}

fn read_with(content: &str, options: impl FnOnce(Csv) -> Csv) -> Dataset {
    let file = file(content);
    options(Csv::new(&file)).read_classification().unwrap()
}

#[test]
fn the_separator_is_what_stands_equally_often_in_each_row() {
    for content in [
        "a,b;c\n1,5;x\n2,5;y\n",
        "a\tb c\n1,5\tx y\n2,5\tz\n",
        "a|b\n1,5|x\n2,5|y\n",
        "a b\n1,5 x\n 2,5   y \n",
        "a;b\n1,5;\"x; y\"\n\"2,5\";y\n",
    ] {
        let data = read(content);
        assert_eq!(data.features(), array![[1.5], [2.5]], "{content}");
    }
    assert_eq!(read("a,b\n1,x;y\n2,z\n").class_names(), ["x;y", "z"]);
    assert_eq!(
        error_with("first name,b\nx y,1\nz,2,3\n", |csv| csv.target("first name")),
        "FILE:3: 3 fields, but the header names 2 columns"
    );
    let odd = read_with("a#b\n1#x\n", |csv| csv.separator('#'));
    assert_eq!(odd.features(), array![[1.0]]);
}

#[test]
fn a_comma_in_front_of_decimals_is_told_from_one_that_groups_thousands() {
    assert_eq!(
        read("a;b\n1,25;x\n-0,125;y\n1,5e3;z\n").features(),
        array![[1.25], [-0.125], [1500.0]]
    );
    let ambiguous = "a;b\n1,250;x\n12,125;y\n";
    assert!(error(ambiguous).starts_with("FILE:2: column `a`: \"1,250\" is not a number"));
    let data = read_with(ambiguous, |csv| csv.decimal_comma(true));
    assert_eq!(data.features(), array![[1.25], [12.125]]);
    assert!(error("a;b\n1,5;x\n1.250;y\n").starts_with("FILE:2: column `a`: \"1,5\" is not"));
    let points = |csv: Csv| csv.decimal_comma(true);
    assert_eq!(
        error_with("a;b\n1,5;x\n1.250,5;y\n", |csv| points(csv).features(&["a"])),
        "FILE:3: column `a`: \"1.250,5\" is not a number"
    );
    assert_eq!(
        error_with("a;b\n1,5;x\n1.250;y\n", |csv| points(csv).features(&["a"])),
        "FILE:3: column `a`: \"1.250\" is not a number"
    );
}

#[test]
fn a_row_of_numbers_is_no_header_unless_they_count_on() {
    let numbers = read("1,2,x\n3,4,y\n");
    assert_eq!(numbers.features(), array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(numbers.notes().len(), 1);
    let years = read("2019,2020,2021,country\n1,2,3,x\n");
    assert_eq!(years.feature_names(), ["2019", "2020", "2021"]);
    let mixed = read("7,b,class\n1,2,x\n3,4,y\n");
    assert_eq!(mixed.feature_names(), ["7", "b"]);
    assert!(years.notes().is_empty() && mixed.notes().is_empty());

    let asked = read_with("1,2,x\n3,4,y\n", |csv| csv.header(true));
    assert_eq!((asked.len(), asked.feature_names()[0].as_str()), (1, "1"));
    let asked = read_with("a,b\nc,d\n", |csv| csv.header(false).one_hot(&["*"]));
    assert_eq!(asked.len(), 2);
}

#[test]
fn words_that_mean_missing_can_be_chosen() {
    let content = "a,country\n-999,x\n1,NA\n2,\n";
    let data = read_with(content, |csv| csv.missing(&["-999", "none"]).drop_missing(true));
    assert_eq!(data.class_names(), ["", "NA"]);
    assert_eq!((data.features(), data.dropped_rows()), (array![[1.0], [2.0]].view(), 1));
    for word in ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "?"] {
        let message = error(format!("a,b,c\n1,2,x\n{word},3,y\n"));
        assert!(message.starts_with("FILE:3: column `a`: the value is missing"), "{message}");
    }
}

#[test]
fn words_become_features_when_asked() {
    let content = "size,colour,class\nM,red,x\nS,blue,y\nL,?,x\n";
    let data = read_with(content, |csv| csv.ordinal("size", &["S", "M", "L"]).one_hot(&["colour"]));
    assert_eq!(data.feature_names(), ["size", "colour=blue", "colour=red"]);
    assert_eq!(data.features(), array![[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [2.0, 0.0, 0.0]]);

    let none: [&str; 0] = [];
    let sorted = read_with(content, |csv| csv.without(&["colour"]).ordinal("size", &none));
    assert_eq!(sorted.features(), array![[1.0], [2.0], [0.0]]);
    assert_eq!(
        error_with(content, |csv| csv.without(&["colour"]).ordinal("size", &["S", "L"])),
        "FILE:2: column `size`: \"M\" is none of `S`, `L`"
    );
    assert_eq!(
        error_with(content, |csv| csv.one_hot(&["*"]).ordinal("colour", &none)),
        "FILE:4: column `colour`: the value is missing; `.drop_missing(true)` leaves such rows out"
    );
    let many: String = (0..1001).map(|row| format!("w{row},x\n")).collect();
    assert_eq!(
        error_with(format!("a,b\n{many}"), |csv| csv.one_hot(&["a"])),
        "FILE:1002: column `a`: more than 1000 different words, too many for features; \
         `.without(&[…])` leaves columns out"
    );
}

#[test]
fn a_column_of_weights_is_no_feature() {
    let content = "a,w,class\n1,0.5,x\n2,2,y\n";
    let data = read_with(content, |csv| csv.weights("w"));
    assert_eq!(data.feature_names(), ["a"]);
    assert_eq!(data.weights(), Some(&[0.5, 2.0][..]));
    assert_eq!(
        error_with("a,w,class\n1,-1,x\n", |csv| csv.weights("w")),
        "FILE:2: column `w`: the weight -1 is negative"
    );
    assert!(
        error_with(content, |csv| csv.weights("class").target("class")).contains("asked for twice")
    );
}

#[test]
fn columns_are_chosen_by_pattern() {
    let content = "p_0,q,p_1,class\n1,2,3,x\n";
    let names = |options: fn(Csv) -> Csv| read_with(content, options).feature_names();
    assert_eq!(names(|csv| csv.features(&["p_?"])), ["p_0", "p_1"]);
    assert_eq!(names(|csv| csv.features(&["q", "*"])), ["q", "p_0", "p_1"]);
    assert_eq!(names(|csv| csv.without(&["p_*"])), ["q"]);
    assert_eq!(
        error_with(content, |csv| csv.features(&["x_*"])),
        "FILE:1: no column is named `x_*`; there are `p_0`, `q`, `p_1`, `class`"
    );
}

#[test]
fn gzipped_tables_and_comments_are_read() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"# made by hand\na,b\n1,x\n#2,y\n3,z\n").unwrap();
    let file = file(encoder.finish().unwrap());
    let data = Csv::new(&file).comments('#').read_classification::<f32>().unwrap();
    assert_eq!(data.features(), array![[1.0], [3.0]]);
}

#[test]
fn numbers_are_rounded_once() {
    // Halfway between two f32, and a little more: by way of an f64 it would be rounded down.
    let content = "a,b\n1.00000005960464477540,x\n";
    let data = read_with(content, |csv| csv);
    assert_eq!(data.features()[[0, 0]], 1.0 + f32::EPSILON);
}

#[test]
fn new_data_gets_the_features_of_the_words_that_are_given() {
    let words = ["red", "green", "blue"];
    let text = "colour,a\nblue,1\n,2\nblue,3\n";
    let new = |csv: Csv| csv.features(&["colour", "a"]).one_hot_words("colour", &words);
    let features = new(Csv::from_text("new.csv", text)).read_features::<f32>().unwrap();
    assert_eq!(features, array![[0., 0., 1., 1.], [0., 0., 0., 2.], [0., 0., 1., 3.]]);
    let data = new(Csv::from_text("new.csv", "colour,a,b\ngreen,1,x\ngreen,1,y\n"));
    let names = data.read_classification::<f32>().unwrap().feature_names();
    assert_eq!(names, ["colour=red", "colour=green", "colour=blue", "a"]);
    let other = new(Csv::from_text("new.csv", "colour,a\npink,1\n")).read_features::<f32>();
    assert_eq!(
        other.unwrap_err().to_string(),
        "new.csv:2: column `colour`: \"pink\" is none of `red`, `green`, `blue`"
    );
}
