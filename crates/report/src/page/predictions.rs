//! How good what was learned is.

use downhill_datasets::{Classes, Dataset};
use downhill_tensor::{Element, Tensor};

use super::{Report, Section};
use crate::error::Error;
use crate::plot::{self, Chart, DecisionMap, Image, Picture, plane_of};
use downhill_train::metrics::{
    Calibration, ConfusionMatrix, pairs, r_squared, root_mean_squared_error,
};
use downhill_train::{Finding, format_metric};

/// The number of mistakes that are shown.
const MISTAKES: usize = 12;
/// The usual number of bins of a reliability diagram.
const BINS: usize = 15;

impl Report {
    /// Adds how well a classifier does on `data`, given its logits, `[N, C]`: the confusion
    /// matrix, the reliability diagram, and the samples of whose wrong class it was surest, drawn
    /// if they are [images](Dataset::image_shape). `data` should be as it was read, not
    /// standardized, so that images look as they do.
    ///
    /// # Errors
    ///
    /// Those of [`ConfusionMatrix::new`] and [`Calibration::new`], as when there are not as many
    /// rows of logits as samples.
    #[inline(never)]
    pub fn classification<E: Element>(
        &mut self,
        logits: &Tensor<E>,
        data: &Dataset<E, Classes>,
    ) -> Result<(), Error> {
        self.classification_since(&[], logits, data)
    }

    /// The same, with the confusion matrices of moments before the end, each with the number of steps
    /// made until then: the page's slider goes through them. The end is that of the
    /// [history](Self::history), which is to be given before.
    ///
    /// # Errors
    ///
    /// Those of [`classification`](Self::classification).
    #[inline(never)]
    pub fn classification_since<E: Element>(
        &mut self,
        earlier: &[(usize, ConfusionMatrix)],
        logits: &Tensor<E>,
        data: &Dataset<E, Classes>,
    ) -> Result<(), Error> {
        let probabilities = logits.detach().softmax(-1);
        let predictions = logits.argmax(-1);
        let confusion = ConfusionMatrix::new(&predictions, data.labels(), data.class_count())?
            .with_names(data.class_names());
        let calibration = Calibration::new(&probabilities, data.labels(), BINS)?;
        self.examine(Finding::of_predictions(logits, data.labels(), data.class_names())?);
        self.result("samples judged", data.len());
        self.result("accuracy", format_metric(confusion.accuracy()));
        let error = calibration.expected_calibration_error();
        self.result("expected calibration error", format_metric(error));
        let last = (self.steps, plot::confusion_matrix(&confusion));
        let before = earlier.iter().filter(|(step, _)| *step < self.steps);
        let matrices = before.map(|(step, confusion)| (*step, plot::confusion_matrix(confusion)));
        let matrices: Vec<(usize, Picture)> = matrices.chain([last]).collect();
        let section = self.section("Classification");
        section.moments(
            matrices,
            "How many samples of each class were taken for each. Off the diagonal are the mistakes.",
        );
        section.picture(
            plot::reliability_diagram(&calibration),
            "Of the predictions made with a given confidence, the fraction that are right: on the \
             diagonal if the model knows how much it knows, below if it is too sure.",
        );

        self.mistakes("Classification", logits, data)
    }

    /// Adds, under a heading, the samples of whose wrong class a classifier was surest, given its
    /// logits, `[N, C]`. [`classification`](Self::classification) does so too.
    ///
    /// # Errors
    ///
    /// Those of [`ConfusionMatrix::new`], as when there are not as many rows of logits as samples.
    #[inline(never)]
    pub fn mistakes<E: Element>(
        &mut self,
        heading: &str,
        logits: &Tensor<E>,
        data: &Dataset<E, Classes>,
    ) -> Result<(), Error> {
        let predictions = logits.argmax(-1);
        ConfusionMatrix::new(&predictions, data.labels(), data.class_count())?;
        let probabilities = logits.detach().softmax(-1);
        let rows = probabilities.values();
        let confidence = |row: usize| {
            let row = &rows[row * data.class_count()..][..data.class_count()];
            row.iter().map(|p| p.as_f64()).fold(0.0, f64::max)
        };
        let mut mistakes: Vec<(usize, usize, f64)> = predictions
            .iter()
            .zip(data.labels())
            .enumerate()
            .filter(|(_, (predicted, label))| predicted != label)
            .map(|(row, (predicted, _))| (row, *predicted, confidence(row)))
            .collect();
        mistakes.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        mistakes.truncate(MISTAKES);
        show_mistakes(self.section(heading), &mistakes, data);
        Ok(())
    }

    /// Adds, under a heading, the maps of what a classifier of two features decided, at each moment
    /// that was captured.
    pub fn decisions<E: Element>(&mut self, heading: &str, map: &DecisionMap<E>) {
        self.section(heading).moments(
            map.moments(),
            "What the model makes of each point of the plane, and the samples. The colour is that of \
             the most probable class, the stronger the farther it leads.",
        );
    }

    /// Adds how close predicted quantities are to the targets, which pair up with them value by
    /// value: predicted against actual, and the residuals.
    ///
    /// # Errors
    ///
    /// When the shapes do not pair up or there are no values, as for
    /// [`r_squared`](downhill_train::metrics::r_squared).
    #[inline(never)]
    pub fn regression<E: Element>(
        &mut self,
        predictions: &Tensor<E>,
        targets: &Tensor<E>,
    ) -> Result<(), Error> {
        let pairs = pairs("regression", predictions, targets)?;
        let error = root_mean_squared_error(predictions, targets)?;
        self.result("samples judged", pairs.len());
        self.result("root mean squared error", format_metric(error));
        if let Ok(r_squared) = r_squared(predictions, targets) {
            self.result("R²", format_metric(r_squared));
        }
        self.section("Regression")
            .picture(
                plot::predicted_against_actual(&pairs),
                "Each sample's prediction against what it should have been.",
            )
            .picture(
                plot::residuals(&pairs),
                "What is left to explain. A shape in this cloud is something the model could still \
                 learn; a cone is noise that grows with the prediction.",
            );
        Ok(())
    }

    /// Adds, under a heading, the weights of a first layer as [images](plot::weight_images).
    pub fn weights(&mut self, heading: &str, images: &[Image]) {
        self.section(heading).picture(
            plot::weights("Weights of the first layer", images),
            "What each unit looks for: it answers most to an image that is bright where the weights \
             are above 0 and dark where they are below.",
        );
    }

    /// Adds, under a heading, learned vectors, `[N, D]`, as a map: the plane in which they differ
    /// most, with the name of each in its place. Each group of names, such as vowels, has a colour;
    /// what is in none of them belongs to `others`.
    ///
    /// # Panics
    ///
    /// If `vectors` is no matrix, or there is not a name for each of its rows.
    #[inline(never)]
    #[track_caller]
    pub fn embedding<E: Element>(
        &mut self,
        heading: &str,
        vectors: &Tensor<E>,
        names: &[impl ToString],
        groups: &[(&str, &[usize])],
    ) {
        let plane = plane_of(vectors);
        assert!(
            plane.points.len() == names.len(),
            "embedding: {} names for {} vectors",
            names.len(),
            plane.points.len()
        );
        let percent = |share: f64| format!("{:.0} % of the variance", 100.0 * share);
        let [x, y] = plane.shares.map(percent);
        let word = |index: usize| {
            let [x, y] = plane.points[index];
            ((x, y), names[index].to_string())
        };
        let grouped: Vec<usize> =
            groups.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
        let others: Vec<usize> = (0..names.len()).filter(|row| !grouped.contains(row)).collect();
        let chart = groups
            .iter()
            .chain([&("others", others.as_slice())])
            .fold(Chart::new("Learned vectors", x, y), |chart, (name, rows)| {
                chart.words(*name, rows.iter().map(|&row| word(row)))
            });
        self.section(heading).picture(
            chart.picture(),
            "The plane in which the vectors differ most. What the model treats alike lies close \
             together.",
        );
    }

    /// Adds the coefficients of a linear model, by name.
    pub fn coefficients(&mut self, coefficients: &[(impl ToString, f64)]) {
        self.section("Regression").picture(
            plot::bars("Coefficients", "coefficient", coefficients),
            "How much the prediction grows with each feature.",
        );
    }

    /// Adds what a model of text has learned: the loss at each position of its context, in nats,
    /// from the first, and the table of `probabilities` of each character (column) after each
    /// (row).
    ///
    /// # Panics
    ///
    /// If there is not a probability for each pair of characters.
    #[track_caller]
    pub fn language_model(
        &mut self,
        losses_by_position: &[f64],
        characters: &[impl ToString],
        probabilities: &[f64],
    ) {
        let table = plot::heat_map(
            "Probability of the next character",
            ["next character", "character"],
            characters,
            characters,
            probabilities,
        );
        let losses = (1..).map(f64::from).zip(losses_by_position.iter().copied());
        let losses = Chart::new("Loss by position", "position", "loss (nats)")
            .path("mean over the samples", losses);
        self.section("Language")
            .picture(
                losses.picture(),
                "How hard each character is to guess from those before it. What stands first must \
                 be guessed from nothing.",
            )
            .picture(
                table,
                "The stronger the colour, the more probable: a row is what follows one character.",
            );
    }
}

/// Shows mistakes: the row, the class predicted, and the confidence.
fn show_mistakes<E: Element>(
    section: &mut Section,
    mistakes: &[(usize, usize, f64)],
    data: &Dataset<E, Classes>,
) {
    let name = |class: usize| &data.class_names()[class];
    let percent = |confidence: f64| format!("{:.1} %", 100.0 * confidence);
    if mistakes.is_empty() {
        section.text("There is no mistake.");
    } else if let Some([_, width]) = data.image_shape() {
        let image = |&(row, predicted, confidence): &(usize, usize, f64)| Image {
            pixels: data.features().row(row).iter().map(|pixel| pixel.as_f64()).collect(),
            width,
            caption: vec![
                format!("is {}", name(data.labels()[row])),
                format!("taken for {}", name(predicted)),
                percent(confidence),
            ],
        };
        let images: Vec<Image> = mistakes.iter().map(image).collect();
        section.picture(
            plot::images("Most confidently wrong", &images),
            "The mistakes that the model was surest of, with its confidence. Some may be wrongly \
             labelled.",
        );
    } else {
        let rows = mistakes.iter().map(|&(row, predicted, confidence)| {
            let class = name(data.labels()[row]).clone();
            vec![(row + 1).to_string(), class, name(predicted).clone(), percent(confidence)]
        });
        section.text("The table shows the mistakes that the model was surest of.");
        section.table(&["row", "is", "taken for", "confidence"], rows);
    }
}
