//! The points that a setting asks for.

use downhill_datasets::{Classes, Csv, Dataset, Numbers, Standardizer, Target, synthetic};
use downhill_losses::class_weights;
use downhill_tensor::Tensor;
use ndarray::Array2;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::directions::leading_directions;
use crate::error::Error;
use crate::setting::{DataSetting, Source};

/// What points have: a class or a value.
#[derive(Debug, Clone)]
pub(crate) enum Samples {
    Classes(Dataset),
    Values(Dataset<f32, Numbers<f32>>),
}

/// What a network is to say of some points.
#[derive(Debug, Clone)]
pub(crate) enum Answers {
    Labels(Vec<usize>),
    Values(Tensor),
}

/// Some points: features `[B, D]`, and what is to be said of them.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) features: Tensor,
    pub(crate) answers: Answers,
}

/// Points to train on and to test on.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) train: Samples,
    pub(crate) test: Samples,
    /// All points of each part at once.
    pub(crate) whole_train: Batch,
    pub(crate) whole_test: Batch,
    /// What was measured on the points to train on, where features are standardised.
    pub(crate) standardizer: Option<Standardizer>,
    /// `[D, 2]`, what standardised columns are multiplied with.
    pub(crate) components: Option<Array2<f32>>,
    /// How many rows of a table were left out because they lacked a value.
    pub(crate) dropped: usize,
}

impl Samples {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Classes(data) => data.len(),
            Self::Values(data) => data.len(),
        }
    }

    fn whole(&self) -> Batch {
        match self {
            Self::Classes(data) => {
                let batch = data.full_batch();
                Batch { features: batch.features, answers: Answers::Labels(batch.labels) }
            }
            Self::Values(data) => {
                let batch = data.full_batch();
                Batch { features: batch.features, answers: Answers::Values(batch.targets) }
            }
        }
    }

    /// The batches of an epoch.
    pub(crate) fn batches(&self, size: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<Batch> {
        match self {
            Self::Classes(data) => data
                .batches(size, rng)
                .map(|batch| Batch {
                    features: batch.features,
                    answers: Answers::Labels(batch.labels),
                })
                .collect(),
            Self::Values(data) => data
                .batches(size, rng)
                .map(|batch| Batch {
                    features: batch.features,
                    answers: Answers::Values(batch.targets),
                })
                .collect(),
        }
    }

    /// The point number `index`, as a batch of one.
    pub(crate) fn one(&self, index: usize) -> Batch {
        match self {
            Self::Classes(data) => Self::Classes(data.select(&[index])).whole(),
            Self::Values(data) => Self::Values(data.select(&[index])).whole(),
        }
    }
}

impl Answers {
    /// One number for each point.
    pub(crate) fn numbers(&self) -> Vec<f32> {
        match self {
            Self::Labels(labels) => labels.iter().map(|&label| label as f32).collect(),
            Self::Values(values) => values.to_vec(),
        }
    }
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.features.shape()[0]
    }
}

impl Data {
    /// Draws, places or reads the points.
    pub(crate) fn new(setting: &DataSetting) -> Result<Self, Error> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(setting.seed);
        let (count, noise, arms) = (setting.count, setting.noise, setting.arms);
        let classes = match setting.source {
            Source::Wave => {
                return Self::of_values(setting, synthetic::wave(count, noise, &mut rng)?, rng);
            }
            Source::Plane => {
                return Self::of_values(setting, synthetic::plane(count, noise, &mut rng)?, rng);
            }
            Source::Hills => {
                return Self::of_values(setting, synthetic::hills(count, noise, &mut rng)?, rng);
            }
            Source::Points => {
                let data = placed(&setting.points)?;
                let none = data.select(&[]);
                return Ok(Self::of(Samples::Classes(data), Samples::Classes(none)));
            }
            Source::Moons => synthetic::moons(count, noise, &mut rng)?,
            Source::Circles => synthetic::circles(count, noise, &mut rng)?,
            Source::Spirals => synthetic::spirals(arms, count, noise, &mut rng)?,
            Source::Xor => synthetic::exclusive_or(count, noise, &mut rng)?,
            Source::Blobs => synthetic::blobs(arms, count, noise, &mut rng)?,
            Source::Table => return Self::from_table(setting, &mut rng),
            Source::Digits => {
                let digits = include_str!("../data/digits.csv");
                let data = Csv::from_text("data/digits.csv", digits).target("digit");
                let data = data.read_classification()?;
                let (train, test) = classes_split(&data, setting.test, &mut rng)?;
                return Ok(Self::standardized(train, test));
            }
        };
        let classes = thinned(classes, setting.rarity);
        let (train, test) = classes_split(&classes, setting.test, &mut rng)?;
        Ok(Self::of(Samples::Classes(train), Samples::Classes(test)))
    }

    fn of(train: Samples, test: Samples) -> Self {
        let (whole_train, whole_test) = (train.whole(), test.whole());
        let (standardizer, components) = (None, None);
        Self { train, test, whole_train, whole_test, standardizer, components, dropped: 0 }
    }

    fn of_values(
        setting: &DataSetting,
        data: Dataset<f32, Numbers<f32>>,
        mut rng: Xoshiro256PlusPlus,
    ) -> Result<Self, Error> {
        let (train, test) = split(&data, setting.test, |share| data.split(share, &mut rng))?;
        Ok(Self::of(Samples::Values(train), Samples::Values(test)))
    }

    fn standardized(train: Dataset, test: Dataset) -> Self {
        let standardizer = Standardizer::fit(&train);
        let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
        let data = Self::of(Samples::Classes(train), Samples::Classes(test));
        Self { standardizer: Some(standardizer), ..data }
    }

    fn from_table(setting: &DataSetting, rng: &mut Xoshiro256PlusPlus) -> Result<Self, Error> {
        let text = table(&setting.table)?;
        let mut table = Csv::from_text("the table", text).drop_missing(true);
        let header = header(text);
        let target = match setting.target.as_str() {
            "" => header.last().cloned().unwrap_or_default(),
            target => target.to_owned(),
        };
        table = table.target(&target);
        let columns = match setting.columns.len() {
            0 => numeric_columns(text, &target),
            2 => setting.columns.clone(),
            count => {
                return Err(Error::Range {
                    name: "the number of data.columns".into(),
                    value: count.to_string(),
                    range: "2, or 0 for the principal components".into(),
                });
            }
        };
        let data: Dataset = table.features(&columns).read_classification()?;
        let classes = data.class_names().len();
        if !(2..=10).contains(&classes) {
            return Err(Error::Range {
                name: format!("the number of classes in the column `{target}`"),
                value: classes.to_string(),
                range: "from 2 to 10".into(),
            });
        }
        let dropped = data.dropped_rows();
        let (train, test) = classes_split(&data, setting.test, rng)?;
        let mut data = Self { dropped, ..Self::standardized(train, test) };
        if setting.columns.is_empty()
            && let (Samples::Classes(train), Samples::Classes(test)) = (&data.train, &data.test)
        {
            let features = train.features().mapv(f64::from);
            let components = leading_directions(&features).mapv(|x| x as f32);
            let project = |part: &Dataset| {
                let features = part.features().dot(&components);
                Dataset::new(features, part.targets().clone()).map(Samples::Classes)
            };
            let (train, test) = (project(train)?, project(test)?);
            data = Self {
                components: Some(components),
                standardizer: data.standardizer,
                dropped,
                ..Self::of(train, test)
            };
        }
        Ok(data)
    }

    /// The number of features, D.
    pub(crate) fn width(&self) -> usize {
        self.whole_train.features.shape()[1]
    }

    /// The names of the classes, if there are classes.
    pub(crate) fn class_names(&self) -> Option<&[String]> {
        match &self.train {
            Samples::Classes(data) => Some(data.class_names()),
            Samples::Values(_) => None,
        }
    }

    /// Weights by which all classes count alike.
    pub(crate) fn balance(&self) -> Result<Option<Vec<f64>>, Error> {
        let Samples::Classes(data) = &self.train else { return Ok(None) };
        let counts = class_weights::counts(data.labels(), data.class_names().len())?;
        Ok(Some(class_weights::inverse_frequency(&counts)?))
    }
}

/// The points to train on, and those to test on.
type Parts<T> = (Dataset<f32, T>, Dataset<f32, T>);

/// Splits the points by a method of [`Dataset`], unless none are wanted for testing.
fn split<T: Target<f32>>(
    data: &Dataset<f32, T>,
    test: f64,
    split: impl FnOnce(f64) -> Result<Parts<T>, downhill_datasets::Error>,
) -> Result<Parts<T>, Error> {
    match test == 0.0 {
        true => Ok((data.clone(), data.select(&[]))),
        false => Ok(split(1.0 - test)?),
    }
}

fn classes_split(
    data: &Dataset,
    test: f64,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Parts<Classes>, Error> {
    split(data, test, |share| data.split_stratified(share, rng))
}

/// All points, with the second class cut down to its first points, the given share of them.
fn thinned(data: Dataset, share: f64) -> Dataset {
    if share == 1.0 {
        return data;
    }
    let second = |&row: &usize| data.labels()[row] == 1;
    let rare = (0..data.len()).filter(second).count() as f64 * share;
    let kept: Vec<usize> = (0..data.len()).filter(second).take(rare.ceil() as usize).collect();
    let rows: Vec<usize> =
        (0..data.len()).filter(|row| !second(row) || kept.contains(row)).collect();
    data.select(&rows)
}

/// Points placed by hand; there are always two classes at least.
fn placed(points: &[[f32; 3]]) -> Result<Dataset, Error> {
    let labels: Vec<usize> = points.iter().map(|point| point[2] as usize).collect();
    let classes = labels.iter().max().map_or(2, |largest| (largest + 1).max(2));
    let names = (0..classes).map(|class| class.to_string()).collect();
    let features = Array2::from_shape_fn((points.len(), 2), |(row, axis)| points[row][axis]);
    Ok(Dataset::new(features, Classes::new(labels, names)?)?)
}

/// A table's text; one that has no second line is the name of a table that is always there.
pub(crate) fn table(text: &str) -> Result<&str, Error> {
    match text {
        "penguins" => Ok(include_str!("../data/penguins.csv")),
        "iris" => Ok(include_str!("../data/iris.csv")),
        "wine" => Ok(include_str!("../data/wine.csv")),
        _ if text.contains('\n') => Ok(text),
        _ => Err(Error::Mismatch(format!("`{text}` is neither a table nor the name of one"))),
    }
}

/// What stands between the fields of a table: the likely character that its first line has most of.
fn separator(table: &str) -> u8 {
    let first = table.lines().next().unwrap_or_default();
    let count = |separator: &u8| first.bytes().filter(|byte| byte == separator).count();
    // Of equals the last is taken.
    *b"|\t;,".iter().max_by_key(|separator| count(separator)).expect("there are some")
}

fn reader(table: &str) -> csv::Reader<&[u8]> {
    let table = table.strip_prefix('\u{feff}').unwrap_or(table);
    csv::ReaderBuilder::new()
        .flexible(true)
        .delimiter(separator(table))
        .from_reader(table.as_bytes())
}

/// The names of a table's columns.
pub(crate) fn header(table: &str) -> Vec<String> {
    let mut reader = reader(table);
    let header = reader.headers().ok();
    header.map(|row| row.iter().map(|name| name.trim().to_owned()).collect()).unwrap_or_default()
}

/// The columns, other than the target, in which every value that is there is a number.
pub(crate) fn numeric_columns(table: &str, target: &str) -> Vec<String> {
    let header = header(table);
    let decimal_comma = separator(table) != b',';
    let mut numeric: Vec<bool> = header.iter().map(|name| name != target).collect();
    for record in reader(table).records().map_while(Result::ok) {
        for (numeric, field) in numeric.iter_mut().zip(&record) {
            let field = field.trim();
            let is_number = field.parse::<f64>().is_ok()
                || decimal_comma && field.replace(',', ".").parse::<f64>().is_ok();
            *numeric &= is_number || matches!(field, "" | "NA");
        }
    }
    header.into_iter().zip(numeric).filter(|(_, numeric)| *numeric).map(|(name, _)| name).collect()
}
