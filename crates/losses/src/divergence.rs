//! Losses of distributions against distributions.

use downhill_tensor::{Element, Tensor, operation};
use ndarray::Zip;

use crate::checks::{check_distribution, check_positive, check_shape, rows_and_classes};
use crate::cross_entropy::CrossEntropy;
use crate::error::Error;
use crate::reduction::{Reduction, reduction_option};

/// In what form a tensor `[…, C]` gives a distribution over C classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Numbers whose softmax is the distribution.
    Logits,
    /// Logarithms of probabilities.
    LogProbabilities,
    /// Probabilities.
    Probabilities,
}

impl Form {
    fn log_probabilities<E: Element>(self, tensor: &Tensor<E>) -> Tensor<E> {
        match self {
            Self::Logits => tensor.log_softmax(-1),
            Self::LogProbabilities => tensor.clone(),
            Self::Probabilities => tensor.ln(),
        }
    }

    fn probabilities<E: Element>(self, tensor: &Tensor<E>) -> Tensor<E> {
        match self {
            Self::Logits => tensor.softmax(-1),
            Self::LogProbabilities => tensor.exp(),
            Self::Probabilities => tensor.clone(),
        }
    }
}

/// Kullback–Leibler divergence of the target p from the input q, Σ_c p_c · (ln p_c − ln q_c) for
/// each row, in nats (Kullback & Leibler, "On information and sufficiency", 1951). A class with
/// p_c = 0 adds nothing, whatever q_c.
///
/// Of logits, the usual input, it is as fast as [`CrossEntropy`] and has the same gradient.
///
/// ```
/// use downhill_losses::KlDivergence;
/// use downhill_tensor::Tensor;
///
/// let logits = Tensor::from([[0.0_f64, 0.0]]);
/// let loss = KlDivergence::new().forward(&logits, &Tensor::from([[1.0, 0.0]]))?;
/// assert_eq!(loss.item(), 2.0_f64.ln());
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KlDivergence {
    input: Form,
    target: Form,
    reduction: Reduction,
}

impl Default for KlDivergence {
    fn default() -> Self {
        Self { input: Form::Logits, target: Form::Probabilities, reduction: Reduction::Mean }
    }
}

/// The mean Kullback–Leibler divergence of distributions from logits `[…, C]`: [`KlDivergence`]
/// with default options.
///
/// # Errors
///
/// As [`KlDivergence::forward`].
pub fn kl_divergence<E: Element>(
    logits: &Tensor<E>,
    probabilities: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    KlDivergence::new().forward(logits, probabilities)
}

impl KlDivergence {
    /// Of probabilities from logits, reduced to the mean over rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// The form of the input.
    pub fn input(mut self, form: Form) -> Self {
        self.input = form;
        self
    }

    /// The form of the target.
    pub fn target(mut self, form: Form) -> Self {
        self.target = form;
        self
    }

    reduction_option!();

    /// The loss of two tensors of one shape `[…, C]`: of shape `[]`, or `[…]` with
    /// [`Reduction::None`]. Gradients flow into both.
    ///
    /// # Errors
    ///
    /// [`Error`] if the shapes differ or a row of the target is not a distribution.
    pub fn forward<E: Element>(
        &self,
        input: &Tensor<E>,
        target: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        let probabilities = self.target.probabilities(target);
        if self.input == Form::Logits {
            let divergence = CrossEntropy::divergence(1.0).reduction(self.reduction);
            return divergence.forward(input, &probabilities);
        }
        check_distributions(input.shape(), &probabilities)?;
        let log_p = self.target.log_probabilities(target);
        let log_q = self.input.log_probabilities(input);
        Ok(self.reduction.apply(relative_entropy(&log_p, &log_q).sum_axes(-1)))
    }
}

/// Jensen–Shannon divergence of input q and target p,
/// ½ Σ_c (p_c · ln(p_c / m_c) + q_c · ln(q_c / m_c)) with m = (p + q) / 2 for each row, in nats
/// (Lin, "Divergence measures based on the Shannon entropy", 1991). It is symmetric and at most
/// ln 2.
///
/// ```
/// use downhill_losses::{Form, JensenShannonDivergence};
/// use downhill_tensor::Tensor;
///
/// let loss = JensenShannonDivergence::new().input(Form::Probabilities);
/// let value = loss.forward(&Tensor::from([[1.0_f64, 0.0]]), &Tensor::from([[0.0, 1.0]]))?;
/// assert_eq!(value.item(), 2.0_f64.ln());
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct JensenShannonDivergence {
    input: Form,
    target: Form,
    reduction: Reduction,
}

impl Default for JensenShannonDivergence {
    fn default() -> Self {
        Self { input: Form::Logits, target: Form::Probabilities, reduction: Reduction::Mean }
    }
}

/// The mean Jensen–Shannon divergence of logits `[…, C]` and distributions:
/// [`JensenShannonDivergence`] with default options.
///
/// # Errors
///
/// As [`JensenShannonDivergence::forward`].
pub fn jensen_shannon_divergence<E: Element>(
    logits: &Tensor<E>,
    probabilities: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    JensenShannonDivergence::new().forward(logits, probabilities)
}

impl JensenShannonDivergence {
    /// Of logits and probabilities, reduced to the mean over rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// The form of the input.
    pub fn input(mut self, form: Form) -> Self {
        self.input = form;
        self
    }

    /// The form of the target.
    pub fn target(mut self, form: Form) -> Self {
        self.target = form;
        self
    }

    reduction_option!();

    /// The loss of two tensors of one shape `[…, C]`: of shape `[]`, or `[…]` with
    /// [`Reduction::None`]. Gradients flow into both.
    ///
    /// # Errors
    ///
    /// [`Error`] if the shapes differ or a row of the target is not a distribution.
    pub fn forward<E: Element>(
        &self,
        input: &Tensor<E>,
        target: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        check_distributions(input.shape(), &self.target.probabilities(target))?;
        // e^−1e4 is 0 in f64 too. What is finite needs no exceptions below.
        let finite = |log: Tensor<E>| log.clamp(E::from_f64(-1e4), E::infinity());
        let log_p = finite(self.target.log_probabilities(target));
        let log_q = finite(self.input.log_probabilities(input));
        let log_m = log_add_exp(&log_p, &log_q) - E::LN_2();
        let sum = log_p.exp() * (&log_p - &log_m) + log_q.exp() * (&log_q - &log_m);
        Ok(self.reduction.apply(sum.sum_axes(-1) * E::from_f64(0.5)))
    }
}

/// Knowledge distillation (Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network",
/// 2015): T² · KL(softmax(teacher / T) ‖ softmax(student / T)) for each row, which has gradients
/// of about one size at every temperature T. No gradient flows into the teacher.
///
/// ```
/// use downhill_losses::KnowledgeDistillation;
/// use downhill_tensor::Tensor;
///
/// let logits = Tensor::from([[2.0_f64, -1.0, 0.5]]);
/// let loss = KnowledgeDistillation::new(4.0).forward(&logits, &logits)?;
/// assert!(loss.item().abs() < 1e-14);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KnowledgeDistillation {
    temperature: f64,
    reduction: Reduction,
}

/// The mean distillation loss of a student's logits `[…, C]` from a teacher's:
/// [`KnowledgeDistillation`] with default reduction.
///
/// # Errors
///
/// As [`KnowledgeDistillation::forward`].
pub fn knowledge_distillation<E: Element>(
    student: &Tensor<E>,
    teacher: &Tensor<E>,
    temperature: f64,
) -> Result<Tensor<E>, Error> {
    KnowledgeDistillation::new(temperature).forward(student, teacher)
}

impl KnowledgeDistillation {
    /// At a temperature, greater than 0, that divides both logits; reduced to the mean over rows.
    pub fn new(temperature: f64) -> Self {
        Self { temperature, reduction: Reduction::Mean }
    }

    reduction_option!();

    /// The loss of two tensors of logits of one shape `[…, C]`: of shape `[]`, or `[…]` with
    /// [`Reduction::None`].
    ///
    /// # Errors
    ///
    /// [`Error`] if the temperature is not positive, the shapes differ, or a row of logits is all
    /// −∞.
    pub fn forward<E: Element>(
        &self,
        student: &Tensor<E>,
        teacher: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        check_positive("temperature", self.temperature)?;
        check_shape("teacher's logits", teacher, student.shape())?;
        rows_and_classes("logits", student.shape())?;
        let truth = (teacher.detach() * E::from_f64(self.temperature.recip())).softmax(-1);
        CrossEntropy::divergence(self.temperature * self.temperature)
            .temperature(self.temperature)
            .reduction(self.reduction)
            .forward(student, &truth)
    }
}

/// p · (ln p − ln q), elementwise, by the logarithms; 0 where p is 0.
fn relative_entropy<E: Element>(log_p: &Tensor<E>, log_q: &Tensor<E>) -> Tensor<E> {
    let value = Zip::from(log_p.array()).and(log_q.array()).map_collect(|&log_p, &log_q| {
        let p = log_p.exp();
        if p.is_zero() { E::zero() } else { p * (log_p - log_q) }
    });
    operation::binary(
        "relative_entropy",
        [log_p, log_q],
        value,
        |upstream, _, log_p, log_q| upstream * (relative_entropy(log_p, log_q) + log_p.exp()),
        |upstream, _, log_p, _| -(upstream * log_p.exp()),
    )
}

/// ln(e^x + e^y), elementwise, of finite numbers.
fn log_add_exp<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    let value = |&x: &E, &y: &E| {
        let (larger, lesser) = if y > x { (y, x) } else { (x, y) };
        larger + (lesser - larger).exp().ln_1p()
    };
    operation::binary(
        "log_add_exp",
        [x, y],
        Zip::from(x.array()).and(y.array()).map_collect(value),
        |upstream, _, x, y| upstream * (x - y).sigmoid(),
        |upstream, _, x, y| upstream * (y - x).sigmoid(),
    )
}

/// Checks that a tensor has the shape of the input and that its rows are distributions.
fn check_distributions<E: Element>(
    shape: &[usize],
    probabilities: &Tensor<E>,
) -> Result<(), Error> {
    let what = "target probabilities";
    check_shape(what, probabilities, shape)?;
    let (_, classes) = rows_and_classes("logits", shape)?;
    for (row, values) in probabilities.values().chunks_exact(classes.max(1)).enumerate() {
        check_distribution(what, row, values)?;
    }
    Ok(())
}
