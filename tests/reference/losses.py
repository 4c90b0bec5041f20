"""Writes `losses.safetensors`: values and gradients of every loss. See README.md for the schema."""

from itertools import cycle

import numpy as np

import loss_formulas
import loss_second_opinions
from figures import Figures, assert_agrees, generator, to_torch
from loss_edges import EDGES

REDUCTIONS = ["none", "mean", "sum"]
figures = Figures()


def add(loss, name, arrays, options, dtype, section="family"):
    """Computes one case in f64 from `arrays` (rounded to f32 first if that is the dtype) and stores it."""
    identity = f"{loss}/{name}/{dtype}"

    def rounded(array):
        return np.float32(array) if dtype == "f32" and array.dtype.kind == "f" else array

    arrays = {role: rounded(array) for role, array in arrays.items()}
    upstream = None
    if options["reduction"] == "none":
        rows = arrays["input"].shape[:-1] if loss in loss_formulas.ONE_NUMBER_A_ROW else arrays["input"].shape
        upstream = rounded(generator(f"{loss}/{name}/upstream").standard_normal(rows))
    figures.differentiate(
        {"id": identity, "section": section, "loss": loss, "dtype": dtype, "options": options},
        lambda **tensors: getattr(loss_formulas, loss)(**tensors, **options),
        arrays,
        loss_formulas.DIFFERENTIABLE.get(loss, ["input"]),
        upstream,
    )
    # Where PyTorch is asked for an edge the others often have no finite answer.
    if section == "family" and dtype == "f64":
        compare_with_second_opinion(identity, loss, arrays, options)


def compare_with_second_opinion(identity, loss, arrays, options):
    opinion = getattr(loss_second_opinions, loss, None)
    if opinion is None:
        return
    options = {name: value for name, value in options.items() if name != "reduction"}
    theirs = opinion(**arrays, **options)
    if theirs is not None:
        tensors = {role: to_torch(array) for role, array in arrays.items()}
        ours = getattr(loss_formulas, loss)(**tensors, **options, reduction="none")
        assert_agrees(identity, ours, theirs)


def family(loss, shapes, variants):
    """Every variant under every reduction, going round the shapes; every third one in f32 as well.

    A variant is a name, the options, and a function from (generator, shape) to the arrays.
    """
    # Otherwise each reduction would meet only some of the shapes.
    assert len(shapes) % 3 != 0
    shapes = cycle(shapes)
    for i, (name, options, make) in enumerate(variants):
        for j, reduction in enumerate(REDUCTIONS):
            shape = next(shapes)
            case = f"{name}/{reduction}/{'x'.join(map(str, shape))}"
            for dtype in ["f64", "f32"] if (i + j) % 3 == 0 else ["f64"]:
                add(loss, case, make(generator(f"{loss}/{case}"), shape), {**options, "reduction": reduction}, dtype)


def logits(rng, shape):
    return 2.0 * rng.standard_normal(shape)


def labels(rng, shape):
    return rng.integers(0, shape[-1], shape[:-1])


def log_probabilities(rng, shape):
    values = logits(rng, shape)
    return values - np.logaddexp.reduce(values, -1, keepdims=True)


def probabilities(rng, shape):
    values = np.exp(logits(rng, shape))
    return values / values.sum(-1, keepdims=True)


def sparse_probabilities(rng, shape):
    values = probabilities(rng, shape) * (rng.random(shape) < 0.6)
    values[..., 0] += 0.1
    return values / values.sum(-1, keepdims=True)


def uniform(low, high):
    return lambda rng, shape: rng.uniform(low, high, shape)


def class_weights(rng, shape):
    return rng.uniform(0.2, 3.0, shape[-1])


def counts(rng, shape):
    return rng.poisson(2.0, shape).astype(float)


def hard(rng, shape):
    return rng.integers(0, 2, shape).astype(float)


def soft(rng, shape):
    values = rng.random(shape)
    return np.where(rng.random(shape) < 0.3, np.round(values), values)


def arrays(**makers):
    """A function that makes each named array by its own function of (generator, shape)."""
    return lambda rng, shape: {role: maker(rng, shape) for role, maker in makers.items()}


def with_ignored(make, ignore_index):
    """Puts `ignore_index` at some places, and never at all of them."""

    def made(rng, shape):
        tensors = make(rng, shape)
        ignored = rng.random(shape[:-1]) < 0.3
        ignored.flat[0], tensors["target"].flat[0] = False, (ignore_index + 1) % shape[-1]
        tensors["target"][ignored] = ignore_index
        return tensors

    return made


def cross_entropy_cases():
    plain = {"label_smoothing": 0.0, "temperature": 1.0, "z_loss": 0.0}
    by_label = {**plain, "ignore_index": None}
    labelled = arrays(input=logits, target=labels)
    weighted = arrays(input=logits, target=labels, class_weights=class_weights)
    everything = {"label_smoothing": 0.1, "temperature": 1.7, "z_loss": 1e-2}
    family(
        "cross_entropy",
        [(5, 3), (1, 4), (6, 2), (2, 3, 4), (7, 5)],
        [
            ("labels", by_label, labelled),
            ("labels+class_weights", by_label, weighted),
            ("labels+label_smoothing", {**by_label, "label_smoothing": 0.1}, labelled),
            ("labels+label_smoothing of 1", {**by_label, "label_smoothing": 1.0}, labelled),
            ("labels+ignore_index", {**by_label, "ignore_index": 1}, with_ignored(labelled, 1)),
            ("labels+ignore_index beyond the classes", {**by_label, "ignore_index": 255}, with_ignored(labelled, 255)),
            ("labels+temperature", {**by_label, "temperature": 2.5}, labelled),
            ("labels+low temperature", {**by_label, "temperature": 0.5}, labelled),
            ("labels+z_loss", {**by_label, "z_loss": 1e-2}, labelled),
            ("labels+class_weights+label_smoothing", {**by_label, "label_smoothing": 0.2}, weighted),
            ("labels+class_weights+ignore_index", {**by_label, "ignore_index": 0}, with_ignored(weighted, 0)),
            ("labels+class_weights+z_loss", {**by_label, "z_loss": 1e-1}, weighted),
            ("labels+temperature+z_loss", {**by_label, "temperature": 0.8, "z_loss": 1e-3}, labelled),
            ("labels+everything", {**everything, "ignore_index": 1}, with_ignored(weighted, 1)),
        ],
    )
    soft_targets = arrays(input=logits, target=probabilities)
    weighted_soft = arrays(input=logits, target=probabilities, class_weights=class_weights)
    family(
        "cross_entropy",
        [(4, 3), (2, 3, 5), (1, 6), (5, 2)],
        [
            ("probabilities", plain, soft_targets),
            ("probabilities with zeros", plain, arrays(input=logits, target=sparse_probabilities)),
            ("probabilities+class_weights", plain, weighted_soft),
            ("probabilities+label_smoothing", {**plain, "label_smoothing": 0.1}, soft_targets),
            ("probabilities+temperature", {**plain, "temperature": 3.0}, soft_targets),
            ("probabilities+z_loss", {**plain, "z_loss": 1e-2}, soft_targets),
            ("probabilities+everything", everything, weighted_soft),
        ],
    )
    # One class alone, and a thousand; few of these, they are big.
    for name, options, make in [
        ("labels", by_label, labelled),
        ("labels+everything", {**everything, "ignore_index": 255}, with_ignored(weighted, 255)),
        ("probabilities", plain, soft_targets),
        ("probabilities+everything", everything, weighted_soft),
    ]:
        for shape in [(3, 1), (2, 1000)]:
            case = f"{name}/mean/{shape[0]}x{shape[1]}"
            for dtype in ["f64", "f32"]:
                tensors = make(generator(f"cross_entropy/{case}"), shape)
                add("cross_entropy", case, tensors, {**options, "reduction": "mean"}, dtype)


def classification_cases():
    log_likelihood = arrays(input=log_probabilities, target=labels)
    weighted = arrays(input=log_probabilities, target=labels, class_weights=class_weights)
    family(
        "negative_log_likelihood",
        [(5, 3), (1, 4), (2, 3, 4), (6, 2)],
        [
            ("labels", {"ignore_index": None}, log_likelihood),
            ("labels+class_weights", {"ignore_index": None}, weighted),
            ("labels+ignore_index", {"ignore_index": 1}, with_ignored(log_likelihood, 1)),
            ("labels+class_weights+ignore_index", {"ignore_index": 0}, with_ignored(weighted, 0)),
        ],
    )
    binary = {"input": logits, "target": soft}
    pos_weight = {"pos_weight": lambda rng, shape: rng.uniform(0.3, 4.0, shape[-1] if len(shape) > 1 else 1)}
    weights = {"weights": uniform(0.2, 2.0)}
    binary_shapes = [(7,), (4, 3), (1,), (2, 3, 2), (5, 1)]
    family(
        "binary_cross_entropy_with_logits",
        binary_shapes,
        [
            ("plain", {"label_smoothing": 0.0}, arrays(**binary)),
            ("hard targets", {"label_smoothing": 0.0}, arrays(input=logits, target=hard)),
            ("pos_weight", {"label_smoothing": 0.0}, arrays(**binary, **pos_weight)),
            ("weights", {"label_smoothing": 0.0}, arrays(**binary, **weights)),
            ("label_smoothing", {"label_smoothing": 0.1}, arrays(**binary)),
            ("everything", {"label_smoothing": 0.2}, arrays(**binary, **pos_weight, **weights)),
        ],
    )
    on_probabilities = {"input": uniform(0.01, 0.99), "target": soft}
    family(
        "binary_cross_entropy",
        binary_shapes,
        [("plain", {}, arrays(**on_probabilities)), ("weights", {}, arrays(**on_probabilities, **weights))],
    )
    family(
        "binary_focal",
        binary_shapes,
        [
            (f"alpha {alpha} gamma {gamma}", {"alpha": alpha, "gamma": gamma}, arrays(input=logits, target=hard))
            for alpha, gamma in [(None, 0.0), (None, 2.0), (0.25, 2.0), (0.75, 0.5), (0.4, 5.0)]
        ],
    )
    class_shapes = [(5, 3), (1, 4), (2, 3, 4), (6, 2)]
    labelled = arrays(input=logits, target=labels)
    with_alpha = arrays(input=logits, target=labels, alpha=class_weights)
    family(
        "focal",
        class_shapes,
        [(f"gamma {gamma}", {"gamma": gamma}, labelled) for gamma in [0.0, 0.5, 2.0]]
        + [(f"alpha gamma {gamma}", {"gamma": gamma}, with_alpha) for gamma in [1.0, 2.0, 5.0]],
    )
    family("poly1", class_shapes, [(f"epsilon {e}", {"epsilon": e}, labelled) for e in [1.0, 2.0, -1.0]])
    family("generalised_cross_entropy", class_shapes, [(f"q {q}", {"q": q}, labelled) for q in [0.3, 0.7, 1.0]])
    family(
        "symmetric_cross_entropy",
        class_shapes,
        [
            (f"alpha {a} beta {b} log_zero {z}", {"alpha": a, "beta": b, "log_zero": z}, labelled)
            for a, b, z in [(0.1, 1.0, -4.0), (6.0, 0.1, -4.0), (1.0, 1.0, -6.0)]
        ],
    )
    for loss in ["multiclass_hinge", "crammer_singer_hinge"]:
        family(loss, class_shapes, [(f"margin {m}", {"margin": m}, labelled) for m in [1.0, 0.5]])
    family("binary_hinge", binary_shapes, [("plain", {}, arrays(input=logits, target=hard))])


def divergence_cases():
    shapes = [(4, 3), (1, 5), (2, 3, 4), (5, 2)]
    inputs = {"logits": logits, "log_probabilities": log_probabilities}
    targets = {"probabilities": probabilities, "log_probabilities": log_probabilities}
    for loss in ["kl_divergence", "jensen_shannon_divergence"]:
        variants = [
            (f"{i} against {t}", {"input_kind": i, "target_kind": t}, arrays(input=inputs[i], target=targets[t]))
            for i in inputs
            for t in targets
        ]
        zeros = {"input_kind": "logits", "target_kind": "probabilities"}
        variants.append(("probabilities with zeros", zeros, arrays(input=logits, target=sparse_probabilities)))
        family(loss, shapes, variants)
    family(
        "knowledge_distillation",
        shapes,
        [(f"temperature {t}", {"temperature": t}, arrays(input=logits, target=logits)) for t in [1.0, 2.0, 4.0, 0.5]],
    )


def regression_cases():
    shapes = [(6,), (4, 3), (1,), (2, 2, 3)]
    pair = arrays(input=logits, target=logits)
    variance = uniform(0.1, 3.0)
    for loss, option, values in [
        ("mean_squared_error", None, [None]),
        ("mean_absolute_error", None, [None]),
        ("huber", "delta", [1.0, 0.3, 2.5]),
        ("smooth_l1", "beta", [1.0, 0.4, 0.0]),
        ("log_cosh", None, [None]),
        ("quantile", "tau", [0.5, 0.1, 0.9]),
    ]:
        named = [("plain", {}) if option is None else (f"{option} {value}", {option: value}) for value in values]
        family(loss, shapes, [(name, options, pair) for name, options in named])
    family(
        "gaussian_negative_log_likelihood",
        shapes,
        [
            (name, {"full": full, "epsilon": epsilon}, arrays(input=logits, target=logits, variance=variances))
            for name, full, epsilon, variances in [
                ("plain", False, 1e-6, variance),
                ("full", True, 1e-6, variance),
                ("large epsilon", False, 0.5, variance),
                ("one variance a row", True, 1e-6, lambda rng, shape: variance(rng, (*shape[:-1], 1))),
            ]
        ],
    )
    rates = {True: logits, False: uniform(0.1, 5.0)}
    family(
        "poisson_negative_log_likelihood",
        shapes,
        [
            (
                f"{'log rates' if log_input else 'rates'}{' full' if full else ''}",
                {"log_input": log_input, "full": full, "epsilon": 1e-8},
                arrays(input=rates[log_input], target=counts),
            )
            for log_input in [True, False]
            for full in [False, True]
        ],
    )


def edge_cases():
    for loss, name, options, tensors in EDGES:
        for dtype in ["f64", "f32"]:
            add(loss, f"edge {name}", tensors, options, dtype, section="edges")


cross_entropy_cases()
classification_cases()
divergence_cases()
regression_cases()
edge_cases()

if __name__ == "__main__":
    figures.write(__file__)
