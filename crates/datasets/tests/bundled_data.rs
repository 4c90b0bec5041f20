//! The data sets that come with the project are read whole and right.

use downhill_datasets::{Classes, Csv, Dataset, Error};
use ndarray::array;

fn path(file: &str) -> String {
    format!("{}/data/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn class_sizes(data: &Dataset) -> Vec<usize> {
    let size = |class| data.labels().iter().filter(|&&label| label == class).count();
    (0..data.class_count()).map(size).collect()
}

#[test]
fn digits() {
    let digits = Dataset::read_csv(path("digits.csv"), "digit").unwrap();
    assert_eq!(digits.features().dim(), (1797, 64));
    assert_eq!(digits.image_shape(), Some([8, 8]));
    assert_eq!(digits.target_name(), "digit");
    assert_eq!(digits.class_names(), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(class_sizes(&digits), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(digits.labels()[..3], [0, 1, 2]);
    let first_row_of_pixels = digits.features().row(0).to_vec()[..8].to_vec();
    assert_eq!(first_row_of_pixels, [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
    assert_eq!(digits.features().iter().copied().fold(0.0, f32::max), 16.0);
}

#[test]
fn iris() {
    let iris = Dataset::read_csv(path("iris.csv"), "species").unwrap();
    assert_eq!(iris.features().dim(), (150, 4));
    assert_eq!(iris.class_names(), ["setosa", "versicolor", "virginica"]);
    assert_eq!(class_sizes(&iris), [50, 50, 50]);
    assert_eq!(iris.features().row(149), array![5.9, 3.0, 5.1, 1.8]);
    assert_eq!(iris.image_shape(), None);
}

#[test]
fn wine() {
    let wine = Dataset::read_csv(path("wine.csv"), "cultivar").unwrap();
    assert_eq!(wine.features().dim(), (178, 13));
    assert_eq!(wine.class_names(), ["class_0", "class_1", "class_2"]);
    assert_eq!(class_sizes(&wine), [59, 71, 48]);
    assert_eq!(wine.feature_names()[11], "od280/od315_of_diluted_wines");
    assert_eq!(wine.features()[[0, 12]], 1065.0);
}

#[test]
fn breast_cancer() {
    let cells = Dataset::read_csv(path("breast_cancer.csv"), "diagnosis").unwrap();
    assert_eq!(cells.features().dim(), (569, 30));
    assert_eq!(cells.class_names(), ["benign", "malignant"]);
    assert_eq!(class_sizes(&cells), [357, 212]);
    assert_eq!(cells.features()[[0, 0]], 17.99);
}

#[test]
fn diabetes() {
    let diabetes = Csv::new(path("diabetes.csv")).read_regression::<f64>().unwrap();
    assert_eq!(diabetes.features().dim(), (442, 10));
    assert_eq!(diabetes.target_name(), "progression");
    let expected = array![59.0, 2.0, 32.1, 101.0, 157.0, 93.2, 38.0, 4.0, 4.8598, 87.0];
    assert_eq!(diabetes.features().row(0), expected);
    assert_eq!(
        (diabetes.targets().as_slice()[0], diabetes.targets().as_slice()[441]),
        (151.0, 57.0)
    );
}

fn penguins(features: &[&str]) -> Result<Dataset<f32, Classes>, Error> {
    let csv = Csv::new(path("penguins.csv")).target("species").features(features);
    csv.drop_missing(true).read_classification()
}

#[test]
fn penguins_lack_values() {
    let features = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"];
    let penguins = penguins(&features).unwrap();
    assert_eq!(penguins.features().dim(), (342, 4));
    assert_eq!(penguins.dropped_rows(), 2);
    assert_eq!(penguins.class_names(), ["Adelie", "Chinstrap", "Gentoo"]);
    assert_eq!(class_sizes(&penguins), [151, 68, 123]);
    assert_eq!(penguins.features().row(341), array![50.2, 18.7, 198.0, 3775.0]);
}

#[test]
fn every_penguin_has_a_year() {
    let penguins = penguins(&["year"]).unwrap();
    assert_eq!((penguins.len(), penguins.dropped_rows()), (344, 0));
    assert_eq!(class_sizes(&penguins), [152, 68, 124]);
}

#[test]
fn penguins_with_words_or_missing_values_are_refused_with_the_place() {
    let file = path("penguins.csv");
    let error = Dataset::read_csv(&file, "species").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{file}:2: column `island`: \"Torgersen\" is not a number; `.without(&[…])` leaves \
             columns out, `.one_hot(&[…])` makes features of words"
        )
    );
    let csv = Csv::new(&file).target("species").features(&["body_mass_g"]);
    assert_eq!(
        csv.read_classification::<f32>().unwrap_err().to_string(),
        format!(
            "{file}:5: column `body_mass_g`: the value is missing; `.drop_missing(true)` leaves \
             such rows out"
        )
    );
}

/// Ten people judged each word, so that the counts of a row are a distribution in tenths.
#[test]
fn valence() {
    let valence = Dataset::read_csv(path("valence.csv"), "word").unwrap();
    assert_eq!(valence.features().dim(), (6903, 9));
    assert_eq!(valence.feature_names()[0], "minus_4");
    assert_eq!(valence.feature_names()[8], "plus_4");
    assert!(valence.features().rows().into_iter().all(|counts| counts.sum() == 10.0));
    let words = valence.class_names();
    assert_eq!((words.len(), &*words[0], &*words[6898]), (6899, "aas", "zzz"));
    assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())));
    assert_eq!(valence.features().row(2), array![0.0, 1.0, 7.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}
