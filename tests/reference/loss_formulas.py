"""Every loss in PyTorch f64.

A loss takes its tensors by role and its options by name. Losses that PyTorch has are PyTorch's own;
the others are composed from log-sum-exp and its kin, and never take the log of a softmax or a sigmoid.
Classes are on the last axis everywhere.
"""

import math

import torch
import torch.nn.functional as F


def reduced(per_sample, reduction):
    return {"none": lambda x: x, "mean": torch.mean, "sum": torch.sum}[reduction](per_sample)


def log_probability_of_label(logits, labels):
    return torch.log_softmax(logits, -1).gather(-1, labels[..., None])[..., 0]


def one_minus_probability(log_probability):
    return -torch.expm1(log_probability)


# Classification


def cross_entropy(
    input, target, reduction, label_smoothing, temperature, z_loss, ignore_index=None, class_weights=None
):
    classes = input.shape[-1]
    scaled = (input / temperature).reshape(-1, classes)
    if target.is_floating_point():
        rows = target.reshape(-1, classes)
        weights = rows.sum(-1) if class_weights is None else rows @ class_weights
        normaliser = len(rows)
        loss = F.cross_entropy(scaled, rows, class_weights, reduction=reduction, label_smoothing=label_smoothing)
    else:
        rows = target.reshape(-1)
        ignored = -100 if ignore_index is None else ignore_index
        kept = rows != ignored
        weights = torch.ones(classes) if class_weights is None else class_weights
        weights = torch.where(kept, weights[torch.where(kept, rows, 0)], 0.0)
        normaliser = weights.sum()
        loss = F.cross_entropy(
            scaled, rows, class_weights, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
        )
    if z_loss != 0.0:
        penalty = z_loss * weights * torch.logsumexp(scaled, -1) ** 2
        loss = loss + {"none": penalty, "sum": penalty.sum(), "mean": penalty.sum() / normaliser}[reduction]
    return loss.reshape(input.shape[:-1]) if reduction == "none" else loss


def negative_log_likelihood(input, target, reduction, ignore_index, class_weights=None):
    ignored = -100 if ignore_index is None else ignore_index
    rows = input.reshape(-1, input.shape[-1])
    loss = F.nll_loss(rows, target.reshape(-1), class_weights, ignore_index=ignored, reduction=reduction)
    return loss.reshape(target.shape) if reduction == "none" else loss


def binary_cross_entropy_with_logits(input, target, reduction, label_smoothing, pos_weight=None, weights=None):
    smoothed = target * (1.0 - label_smoothing) + label_smoothing / 2.0
    return F.binary_cross_entropy_with_logits(input, smoothed, weights, pos_weight=pos_weight, reduction=reduction)


def binary_cross_entropy(input, target, reduction, weights=None):
    return F.binary_cross_entropy(input, target, weights, reduction=reduction)


def binary_focal(input, target, reduction, alpha, gamma):
    signed = torch.where(target == 1.0, input, -input)
    loss = -F.logsigmoid(signed) * torch.sigmoid(-signed) ** gamma
    if alpha is not None:
        loss = loss * torch.where(target == 1.0, alpha, 1.0 - alpha)
    return reduced(loss, reduction)


def focal(input, target, reduction, gamma, alpha=None):
    log_p = log_probability_of_label(input, target)
    loss = -log_p * one_minus_probability(log_p) ** gamma
    return reduced(loss if alpha is None else loss * alpha[target], reduction)


def poly1(input, target, reduction, epsilon):
    log_p = log_probability_of_label(input, target)
    return reduced(epsilon * one_minus_probability(log_p) - log_p, reduction)


def generalised_cross_entropy(input, target, reduction, q):
    return reduced(-torch.expm1(q * log_probability_of_label(input, target)) / q, reduction)


def symmetric_cross_entropy(input, target, reduction, alpha, beta, log_zero):
    log_p = log_probability_of_label(input, target)
    return reduced(-alpha * log_p - beta * log_zero * one_minus_probability(log_p), reduction)


def multiclass_hinge(input, target, reduction, margin):
    rows = input.reshape(-1, input.shape[-1])
    loss = F.multi_margin_loss(rows, target.reshape(-1), margin=margin, reduction=reduction)
    return loss.reshape(target.shape) if reduction == "none" else loss


def crammer_singer_hinge(input, target, reduction, margin):
    right = F.one_hot(target, input.shape[-1]).bool()
    rival = input.masked_fill(right, -torch.inf).amax(-1)
    return reduced(torch.relu(margin + rival - input.gather(-1, target[..., None])[..., 0]), reduction)


def binary_hinge(input, target, reduction):
    return reduced(torch.relu(1.0 - (2.0 * target - 1.0) * input), reduction)


# Distributions against distributions: one number a row


def log_probabilities(input, kind):
    return torch.log_softmax(input, -1) if kind == "logits" else input


def kl_divergence(input, target, reduction, input_kind, target_kind):
    log_q = log_probabilities(input, input_kind)
    elements = F.kl_div(log_q, target, reduction="none", log_target=target_kind == "log_probabilities")
    return reduced(elements.sum(-1), reduction)


def jensen_shannon_divergence(input, target, reduction, input_kind, target_kind):
    log_q = log_probabilities(input, input_kind)
    log_p = target if target_kind == "log_probabilities" else target.log()
    q, p = log_q.exp(), log_p.exp()
    log_m = torch.logaddexp(log_p, log_q) - math.log(2.0)
    return reduced((torch.xlogy(p, p) - p * log_m + q * (log_q - log_m)).sum(-1) / 2.0, reduction)


def knowledge_distillation(input, target, reduction, temperature):
    log_q, log_p = (torch.log_softmax(logits / temperature, -1) for logits in (input, target))
    return reduced(temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1), reduction)


# Regression


def mean_squared_error(input, target, reduction):
    return F.mse_loss(input, target, reduction=reduction)


def mean_absolute_error(input, target, reduction):
    return F.l1_loss(input, target, reduction=reduction)


def huber(input, target, reduction, delta):
    return F.huber_loss(input, target, delta=delta, reduction=reduction)


def smooth_l1(input, target, reduction, beta):
    return F.smooth_l1_loss(input, target, beta=beta, reduction=reduction)


def log_cosh(input, target, reduction):
    # Near zero |d| + softplus(−2|d|) − ln 2 cancels; ln(1 + 2 sinh²(d/2)) does not.
    difference = input - target
    near = difference.abs() < 1.0
    small = torch.log1p(2.0 * torch.sinh(torch.where(near, difference, 0.0) / 2.0) ** 2)
    large = difference.abs() + F.softplus(-2.0 * difference.abs()) - math.log(2.0)
    return reduced(torch.where(near, small, large), reduction)


def quantile(input, target, reduction, tau):
    difference = target - input
    return reduced(torch.where(difference >= 0.0, tau, tau - 1.0) * difference, reduction)


def gaussian_negative_log_likelihood(input, target, variance, reduction, full, epsilon):
    return F.gaussian_nll_loss(input, target, variance, full=full, eps=epsilon, reduction=reduction)


def poisson_negative_log_likelihood(input, target, reduction, log_input, full, epsilon):
    return F.poisson_nll_loss(input, target, log_input=log_input, full=full, eps=epsilon, reduction=reduction)


# What may be differentiated; everywhere else it is the input alone.
DIFFERENTIABLE = {
    "mean_squared_error": ["input", "target"],
    "mean_absolute_error": ["input", "target"],
    "huber": ["input", "target"],
    "smooth_l1": ["input", "target"],
    "log_cosh": ["input", "target"],
    "quantile": ["input", "target"],
    "gaussian_negative_log_likelihood": ["input", "target", "variance"],
}

# Losses of a row of the last axis; every other loss is one of an element.
ONE_NUMBER_A_ROW = {
    "cross_entropy",
    "negative_log_likelihood",
    "focal",
    "poly1",
    "generalised_cross_entropy",
    "symmetric_cross_entropy",
    "multiclass_hinge",
    "crammer_singer_hinge",
    "kl_divergence",
    "jensen_shannon_divergence",
    "knowledge_distillation",
}
