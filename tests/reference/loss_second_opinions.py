"""The losses of `loss_formulas.py` by other libraries: optax, SciPy and scikit-learn.

Same names, same tensors (as NumPy arrays), same options, without the reduction: the loss of every sample.
None where the other library lacks an option.
"""

import math

import jax
import numpy as np
import optax.losses
import scipy.special
import scipy.stats
import sklearn.metrics
from scipy.spatial.distance import jensenshannon

jax.config.update("jax_enable_x64", True)


def cross_entropy(input, target, label_smoothing, temperature, z_loss, ignore_index=None, class_weights=None):
    classes = input.shape[-1]
    if target.dtype.kind == "i":
        kept = np.ones(target.shape, bool) if ignore_index is None else target != ignore_index
        target = kept[..., None] * np.eye(classes)[np.where(kept, target, 0)]
        smoothed = kept[..., None] * optax.losses.smooth_labels(target, label_smoothing)
    else:
        smoothed = optax.losses.smooth_labels(target, label_smoothing)
    weights = np.ones(classes) if class_weights is None else class_weights
    scaled = input / temperature
    penalty = z_loss * (target @ weights) * scipy.special.logsumexp(scaled, axis=-1) ** 2
    return optax.losses.safe_softmax_cross_entropy(scaled, weights * smoothed) + penalty


def negative_log_likelihood(input, target, ignore_index, class_weights=None):
    return cross_entropy(input, target, 0.0, 1.0, 0.0, ignore_index, class_weights)


def binary_cross_entropy_with_logits(input, target, label_smoothing, pos_weight=1.0, weights=1.0):
    # optax has no positive weight, but its loss is linear in the target.
    smoothed = target * (1.0 - label_smoothing) + label_smoothing / 2.0
    positive, negative = (optax.losses.sigmoid_binary_cross_entropy(input, np.full_like(input, y)) for y in (1.0, 0.0))
    return weights * (pos_weight * smoothed * positive + (1.0 - smoothed) * negative)


def binary_cross_entropy(input, target, weights=1.0):
    truth, model = np.stack([1.0 - target, target]), np.stack([1.0 - input, input])
    return weights * (scipy.special.entr(truth) + scipy.special.rel_entr(truth, model)).sum(0)


def binary_focal(input, target, alpha, gamma):
    return optax.losses.sigmoid_focal_loss(input, target, alpha=alpha, gamma=gamma)


def poly1(input, target, epsilon):
    return optax.losses.poly_loss_cross_entropy(input, np.eye(input.shape[-1])[target], epsilon=epsilon)


def crammer_singer_hinge(input, target, margin):
    classes = input.shape[-1]
    # With two classes scikit-learn wants a single decision value instead.
    if classes < 3 or margin != 1.0:
        return None
    losses = [
        sklearn.metrics.hinge_loss([label], row[None], labels=np.arange(classes))
        for row, label in zip(input.reshape(-1, classes), target.reshape(-1), strict=True)
    ]
    return np.reshape(losses, target.shape)


def binary_hinge(input, target):
    return optax.losses.hinge_loss(input, 2.0 * target - 1.0)


def _probabilities(array, kind):
    if kind == "logits":
        return scipy.special.softmax(array, axis=-1)
    return np.exp(array) if kind == "log_probabilities" else array


def kl_divergence(input, target, input_kind, target_kind):
    return scipy.special.rel_entr(_probabilities(target, target_kind), _probabilities(input, input_kind)).sum(-1)


def jensen_shannon_divergence(input, target, input_kind, target_kind):
    distance = np.vectorize(jensenshannon, signature="(c),(c)->()")
    return distance(_probabilities(target, target_kind), _probabilities(input, input_kind)) ** 2


def knowledge_distillation(input, target, temperature):
    log_q = jax.nn.log_softmax(input / temperature)
    return temperature**2 * optax.losses.kl_divergence(log_q, jax.nn.softmax(target / temperature))


def _elementwise(metric, input, target):
    return np.vectorize(lambda x, y: metric([y], [x]))(input, target)


def mean_squared_error(input, target):
    return _elementwise(sklearn.metrics.mean_squared_error, input, target)


def mean_absolute_error(input, target):
    return _elementwise(sklearn.metrics.mean_absolute_error, input, target)


def huber(input, target, delta):
    return optax.losses.huber_loss(input, target, delta=delta)


def smooth_l1(input, target, beta):
    return (
        mean_absolute_error(input, target) if beta == 0.0 else optax.losses.huber_loss(input, target, delta=beta) / beta
    )


def log_cosh(input, target):
    return optax.losses.log_cosh(input, target)


def quantile(input, target, tau):
    return _elementwise(lambda y, x: sklearn.metrics.mean_pinball_loss(y, x, alpha=tau), input, target)


def gaussian_negative_log_likelihood(input, target, variance, full, epsilon):
    loss = -scipy.stats.norm.logpdf(target, input, np.sqrt(np.maximum(variance, epsilon)))
    return loss if full else loss - 0.5 * math.log(2.0 * math.pi)


def poisson_negative_log_likelihood(input, target, log_input, full, epsilon):
    # PyTorch's full term is Stirling's approximation, SciPy's is exact; epsilon is PyTorch's alone.
    if full or not log_input:
        return None
    return -scipy.stats.poisson.logpmf(target, np.exp(input)) - scipy.special.gammaln(target + 1.0)
