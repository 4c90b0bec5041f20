//! Losses of distributions against distributions.

mod relative;

use downhill_tensor::{Element, Fused, Tensor, fused, operation, without_recording};
use ndarray::Zip;

pub(crate) use self::relative::term;
use self::relative::{clamp_rows, distillation, relative_entropy, relative_entropy_terms};
use crate::checks;
use crate::cross_entropy::logits_gradient;
use crate::error::Error;
use crate::of_distributions::{
    DistributionRule, Distributions, Form, OfDistributions, quotient_or_zero,
};
use crate::reduction::Reduction;
use crate::wrapper::{options, plain_function};

/// Kullback–Leibler divergence of the target p from the input q, Σ_c p_c · (ln p_c − ln q_c) for
/// each row, in nats (Kullback & Leibler, "On information and sufficiency", 1951). A class with
/// p_c = 0 adds nothing, whatever q_c.
///
/// It is never below 0, and 0 for equals: of two tensors of logits it is computed from their
/// differences, so that it keeps its digits however near they are. In other forms a sum that
/// rounding has brought below 0 is 0. What an input in another form than logits sums to is not
/// checked; if it is not 1, neither holds.
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
pub type KlDivergence = OfDistributions<KlDivergenceRule>;

/// The rule of [`KlDivergence`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KlDivergenceRule;

impl DistributionRule for KlDivergenceRule {
    fn terms<E: Element>(
        &self,
        input: &Distributions<'_, E>,
        target: &Distributions<'_, E>,
    ) -> Tensor<E> {
        relative_entropy_terms(&target.log_probabilities(), &input.log_probabilities(), false)
    }

    fn losses<E: Element>(
        &self,
        input: &Distributions<'_, E>,
        target: &Distributions<'_, E>,
    ) -> Tensor<E> {
        match (input.form, target.form) {
            (Form::Logits, Form::Logits) => relative_entropy(target.tensor, input.tensor),
            (Form::Logits, _) => from_logits(input.tensor, target),
            _ => {
                let (log_p, log_q) = (target.log_probabilities(), input.log_probabilities());
                let losses = relative_entropy_terms(&log_p, &log_q, false).sum_axes(-1);
                clamp_rows(losses, &log_q)
            }
        }
    }
}

/// The divergence of distributions p in some form from softmaxes q, with the gradient of
/// cross-entropy, in its kernel's one pass.
struct FromLogits {
    form: Form,
}

fn from_logits<E: Element>(logits: &Tensor<E>, target: &Distributions<'_, E>) -> Tensor<E> {
    let divergence = FromLogits { form: target.form };
    let inputs = [logits.clone(), target.tensor.clone()];
    let value = without_recording(|| divergence.definition(&inputs));
    fused(&[logits, target.tensor], value.array().to_owned(), || divergence)
}

impl<E: Element> Fused<E> for FromLogits {
    fn name(&self) -> &str {
        "kl_divergence"
    }

    fn definition(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        let log_p = Distributions { tensor: &inputs[1], form: self.form }.log_probabilities();
        let log_q = Distributions { tensor: &inputs[0], form: Form::Logits }.log_probabilities();
        relative_entropy_terms(&log_p, &log_q, true).sum_axes(-1)
    }

    fn vjp(
        &self,
        index: usize,
        gradient: Tensor<E>,
        _output: &Tensor<E>,
        inputs: &[Tensor<E>],
    ) -> Tensor<E> {
        let target = Distributions { tensor: &inputs[1], form: self.form };
        let p = target.probabilities();
        if index == 0 {
            return logits_gradient(&inputs[0], &p, &gradient);
        }
        let input = Distributions { tensor: &inputs[0], form: Form::Logits };
        let (log_p, log_q) = (target.log_probabilities(), input.log_probabilities());
        let terms = relative_entropy_terms(&log_p, &log_q, false) + &p;
        match self.form {
            Form::Probabilities => quotient_or_zero(&gradient.unsqueeze(-1).times(&terms), &p),
            _ => gradient.unsqueeze(-1).times(&terms),
        }
    }
}

/// Jensen–Shannon divergence of input q and target p,
/// ½ Σ_c (p_c · ln(p_c / m_c) + q_c · ln(q_c / m_c)) with m = (p + q) / 2 for each row, in nats
/// (Lin, "Divergence measures based on the Shannon entropy", 1991). It is symmetric, never below 0
/// and at most ln 2.
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
pub type JensenShannonDivergence = OfDistributions<JensenShannonDivergenceRule>;

/// The rule of [`JensenShannonDivergence`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JensenShannonDivergenceRule;

impl DistributionRule for JensenShannonDivergenceRule {
    fn terms<E: Element>(
        &self,
        input: &Distributions<'_, E>,
        target: &Distributions<'_, E>,
    ) -> Tensor<E> {
        // e^−1e4 is 0 in f64 too, and what is finite needs no exceptions.
        let finite = |log: Tensor<E>| log.clamp(E::from_f64(-1e4), E::infinity());
        let (log_p, log_q) = (target.log_probabilities(), input.log_probabilities());
        jensen_shannon_terms(&finite(log_p), &finite(log_q))
    }
}

/// ½ (p · ln(p / m) + q · ln(q / m)), elementwise, by finite logarithms of p and q.
fn jensen_shannon_terms<E: Element>(log_p: &Tensor<E>, log_q: &Tensor<E>) -> Tensor<E> {
    // (p − q) / (p + q) = tanh((ln p − ln q) / 2)
    let term = |&log_p: &E, &log_q: &E| {
        let half = E::from_f64(0.5);
        let m = half * (log_p.exp() + log_q.exp());
        jensen_shannon_term(m, (half * (log_p - log_q)).tanh())
    };
    // The derivative with respect to ln p: ½ p · ln(p / m), and p / m = 2 σ(ln p − ln q).
    let slope = |log_p: &Tensor<E>, log_q: &Tensor<E>| {
        let log_ratio = (log_p - log_q).log_sigmoid() + E::LN_2();
        log_p.exp() * log_ratio * E::from_f64(0.5)
    };
    operation::binary(
        "jensen_shannon_terms",
        [log_p, log_q],
        Zip::from(log_p.array()).and(log_q.array()).map_collect(term),
        move |gradient, _, log_p, log_q| gradient.times(&slope(log_p, log_q)),
        move |gradient, _, log_p, log_q| gradient.times(&slope(log_q, log_p)),
    )
}

/// ½ (p · ln(p / m) + q · ln(q / m)) of t = (p − q) / (p + q) and m = (p + q) / 2:
/// m · ((1 + t) · ln(1 + t) + (1 − t) · ln(1 − t)) / 2, which is not below 0.
pub(crate) fn jensen_shannon_term<E: Element>(m: E, t: E) -> E {
    let one = E::one();
    let part = |t: E| if t == -one { E::zero() } else { (one + t) * t.ln_1p() };
    let sum = match t.abs() < E::from_f64(0.1) {
        // The parts cancel. t² · (1 / 1 + t² / 6 + t⁴ / 15 + …), each k-th 1 / (k · (2k − 1)).
        true => {
            let coefficient = |k: f64| E::from_f64((k * (2.0 * k - 1.0)).recip());
            let series = |sum: E, k: i32| coefficient(f64::from(k)) + sum * t * t;
            (1..=8).rev().fold(E::zero(), series) * t * t
        }
        false => part(t) + part(-t),
    };
    E::from_f64(0.5) * m * sum
}

plain_function!(kl_divergence: KlDivergence(logits, probabilities));
plain_function!(jensen_shannon_divergence: JensenShannonDivergence(logits, probabilities));

/// Knowledge distillation (Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network",
/// 2015): T² · KL(softmax(teacher / T) ‖ softmax(student / T)) for each row, which has gradients
/// of about one size at every temperature T. No gradient flows into the teacher.
///
/// ```
/// use downhill_losses::KnowledgeDistillation;
/// use downhill_tensor::Tensor;
///
/// let (student, teacher) = (Tensor::from([[1.0_f32, 2.0]]), Tensor::from([[2.0, 1.0]]));
/// let loss = KnowledgeDistillation::new(1e4).forward(&student, &teacher)?;
/// assert!((loss.item() - 0.5).abs() < 1e-6);
/// assert_eq!(KnowledgeDistillation::new(4.0).forward(&student, &student)?.item(), 0.0);
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

    /// What becomes of the losses of the rows.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// The loss of two tensors of logits of one shape `[…, C]`: of shape `[]`, or `[…]` with
    /// [`Reduction::None`].
    ///
    /// # Errors
    ///
    /// [`Error`] if the temperature or its reciprocal is not positive and finite in `E`, the shapes
    /// differ, or a row of logits is all −∞.
    #[inline(never)]
    pub fn forward<E: Element>(
        &self,
        student: &Tensor<E>,
        teacher: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        checks::temperature::<E>(self.temperature)?;
        checks::shape("teacher's logits", teacher, student.shape())?;
        checks::rows_and_classes("logits", student.shape())?;
        for tensor in [student, teacher] {
            Distributions { tensor, form: Form::Logits }.check("logits")?;
        }
        Ok(self.reduction.apply(distillation(student, teacher, self.temperature)))
    }
}

options! {
    /// Entropy of distributions `[…, C]`, −Σ_c p_c · ln p_c for each row, in nats (Shannon, "A
    /// mathematical theory of communication", 1948). A class with p_c = 0 adds nothing. Subtracted from
    /// a loss it rewards uncertainty.
    ///
    /// ```
    /// use downhill_losses::entropy;
    /// use downhill_tensor::Tensor;
    ///
    /// let logits = Tensor::parameter([[f64::NEG_INFINITY, 0.0, 0.0]]);
    /// let loss = entropy(&logits)?;
    /// assert_eq!(loss.item(), 2.0_f64.ln());
    /// assert_eq!(loss.backward().get(&logits).unwrap().to_vec(), [0.0; 3]);
    /// # Ok::<(), downhill_losses::Error>(())
    /// ```
    Entropy {
        /// The form of the distributions: logits unless set.
        input(form: Form): Form = Form::Logits => form;
        /// What becomes of the losses of a batch.
        reduction(reduction: Reduction): Reduction = Reduction::Mean => reduction;
    }
}

/// The mean entropy of logits `[…, C]`: [`Entropy`] with default options.
///
/// # Errors
///
/// As [`Entropy::forward`].
pub fn entropy<E: Element>(logits: &Tensor<E>) -> Result<Tensor<E>, Error> {
    Entropy::new().forward(logits)
}

impl Entropy {
    /// The entropy of distributions `[…, C]`: of shape `[]`, or `[…]` with [`Reduction::None`].
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no class, a row of logits is all −∞, or a row in another form is not a
    /// distribution.
    #[inline(never)]
    pub fn forward<E: Element>(&self, tensor: &Tensor<E>) -> Result<Tensor<E>, Error> {
        checks::rows_and_classes("distributions", tensor.shape())?;
        let distributions = Distributions { tensor, form: self.input };
        distributions.check("probabilities")?;
        let terms = information(&distributions.log_probabilities());
        Ok(self.reduction.apply(terms.sum_axes(-1)))
    }
}

/// −e^x · x, elementwise; 0 where e^x is 0.
fn information<E: Element>(x: &Tensor<E>) -> Tensor<E> {
    let value = |x: E| match x == E::neg_infinity() {
        true => E::zero(),
        false => -x.exp() * x,
    };
    operation::unary("information", x, x.array().mapv(value), |gradient, _, x| {
        gradient.times(&(information(x) - x.exp()))
    })
}
