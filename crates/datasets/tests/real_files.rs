//! Files as UCI, R, Excel and pandas write them are read with one option at most.

use downhill_datasets::{Classes, Csv, Dataset};
use ndarray::array;

fn path(file: &str) -> String {
    format!("{}/tests/files/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn csv(file: &str) -> Csv {
    Csv::new(path(file))
}

fn read(csv: Csv) -> Dataset<f64, Classes> {
    csv.read_classification().unwrap()
}

#[test]
fn iris_data_has_no_header() {
    let iris = read(csv("iris.data"));
    assert_eq!(iris.features().dim(), (6, 4));
    assert_eq!(iris.features().row(0), array![5.1, 3.5, 1.4, 0.2]);
    assert_eq!(iris.class_names(), ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]);
    assert_eq!(iris.feature_names(), ["column_1", "column_2", "column_3", "column_4"]);
    assert_eq!(iris.target_name(), "column_5");
    let note = "the first row holds numbers, as the others do, and is read as data \
                (`.header(true)` makes it names)";
    assert_eq!(iris.notes(), [format!("{}: {note}", path("iris.data"))]);
}

#[test]
fn adult_data_has_words_question_marks_and_no_header() {
    let adult = read(csv("adult.data").one_hot(&["*"]));
    assert_eq!(adult.len(), 5);
    assert_eq!(adult.class_names(), ["<=50K", ">50K"]);
    let names = adult.feature_names();
    assert_eq!(names[0], "column_1");
    let workclass: Vec<&String> =
        names.iter().filter(|name| name.starts_with("column_2=")).collect();
    assert_eq!(workclass, ["column_2=Private", "column_2=Self-emp-not-inc", "column_2=State-gov"]);
    assert_eq!(adult.features().row(0).to_vec()[..5], [39.0, 0.0, 0.0, 1.0, 77_516.0]);
    // The third person's is unknown.
    assert_eq!(adult.features().row(2).to_vec()[..5], [54.0, 0.0, 0.0, 0.0, 180_211.0]);

    let numbers = ["column_1", "column_3", "column_5", "column_1[123]"];
    let known = read(csv("adult.data").features(&numbers[..3]).drop_missing(true));
    assert_eq!((known.features().dim(), known.dropped_rows()), ((5, 3), 0));
    let known = csv("adult.data").features(&["column_1", "column_2"]).one_hot(&["column_2"]);
    assert_eq!(read(known.drop_missing(true)).dropped_rows(), 1);
}

#[test]
fn adult_test_starts_with_a_comment() {
    let adult = read(csv("adult.test").comments('|').one_hot(&["*"]));
    assert_eq!(adult.len(), 2);
    assert_eq!(adult.class_names(), ["<=50K.", ">50K."]);
}

#[test]
fn winequality_is_separated_by_semicolons() {
    let wine = Dataset::read_csv(path("winequality-red.csv"), "quality").unwrap();
    assert_eq!(wine.features().dim(), (3, 11));
    assert_eq!(wine.feature_names()[1], "volatile acidity");
    assert_eq!(wine.class_names(), ["5", "6"]);
    let regression = csv("winequality-red.csv").read_regression::<f64>().unwrap();
    assert_eq!(regression.targets().as_slice(), [5.0, 5.0, 6.0]);
    assert!(regression.notes().is_empty());
}

#[test]
fn exports_of_r_number_their_rows() {
    for file in ["write_csv.csv", "write_csv2.csv", "write_table.txt"] {
        let iris = read(csv(file).drop_missing(true));
        assert_eq!(iris.features(), array![[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]], "{file}");
        assert_eq!(iris.dropped_rows(), 1);
        assert_eq!(iris.feature_names()[0], "Sepal.Length");
        assert_eq!(iris.class_names(), ["setosa", "virginica"]);
    }
    let error = csv("write_csv2.csv").read_classification::<f32>().unwrap_err().to_string();
    assert!(error.contains("write_csv2.csv:3: column `Petal.Width`: the value is missing"));
}

#[test]
fn exports_of_excel_have_marks_decimal_commas_and_empty_rows() {
    let german = csv("excel_german.csv").features(&["Gr*", "Gewicht"]).drop_missing(true);
    let people = read(german);
    assert_eq!(people.features(), array![[1.75, 70.5], [1.62, 58.0]]);
    assert_eq!(people.feature_names(), ["Größe (cm)", "Gewicht"]);
    assert_eq!(people.class_names(), ["ja", "nein"]);
    assert_eq!(people.dropped_rows(), 2);

    let text = read(csv("excel.txt"));
    assert_eq!(text.features(), array![[1.75, 70.5], [1.62, 58.0]]);
    assert_eq!(text.class_names(), ["no", "yes"]);
}

#[test]
fn exports_of_pandas_number_rows_and_columns() {
    let frame = read(csv("to_csv.csv").keep_missing(true));
    assert_eq!(frame.feature_names(), ["0", "1", "2"]);
    assert_eq!(frame.features().row(0), array![0.5, 1.5, -2.0]);
    assert!(frame.features()[[1, 0]].is_nan() && frame.lacks_values());
    assert_eq!(frame.class_names(), ["a", "b"]);
}

#[test]
fn old_macs_end_lines_with_a_carriage_return() {
    let data = read(csv("old_mac.csv"));
    assert_eq!(data.features(), array![[1.0], [2.0]]);
    assert_eq!(data.class_names(), ["x", "y"]);
}
