"""The edges at which PyTorch gives finite answers: (loss, name, options, arrays), each for f64 and f32."""

import numpy as np

EDGES = []


def edge(loss, name, options, **arrays):
    EDGES.append((loss, name, options, {role: np.array(values) for role, values in arrays.items()}))


INF = np.inf
HUGE = [[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, -1e4], [-1e4, -1e4, -1e4], [0.0, 3.0, 1e4]]
MASKED = [[-INF, 0.75, 1.5], [2.0, -INF, -1.0], [0.3, 0.2, -INF], [-INF, -INF, 0.7], [1.0, -INF, 1e4]]
UNMASKED_LABELS = [2, 0, 1, 2, 0]
LABELS = [0, 0, 1, 2, 1]
WEIGHTS = [0.5, 2.0, 1.25]

soft = {"reduction": "none", "label_smoothing": 0.0, "temperature": 1.0, "z_loss": 0.0}
hard = {**soft, "ignore_index": None}
mean, total = {**hard, "reduction": "mean"}, {**hard, "reduction": "sum"}

edge("cross_entropy", "huge", hard, input=HUGE, target=LABELS)
edge("cross_entropy", "huge mean", mean, input=HUGE, target=LABELS, class_weights=WEIGHTS)
edge("cross_entropy", "huge smoothed", {**hard, "label_smoothing": 0.1}, input=HUGE, target=LABELS)
edge("cross_entropy", "huge cooled", {**hard, "temperature": 0.5, "z_loss": 1e-4}, input=HUGE, target=LABELS)
edge("cross_entropy", "huger", hard, input=1e26 * np.array(HUGE), target=LABELS)
edge("cross_entropy", "equal", hard, input=[[1e4] * 4, [-1e4] * 4, [0.0] * 4], target=[0, 1, 3])
edge(
    "cross_entropy",
    "huge probabilities",
    soft,
    input=HUGE[:3],
    target=[[0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]],
)
edge("cross_entropy", "masked", hard, input=MASKED, target=UNMASKED_LABELS)
edge("cross_entropy", "masked mean", mean, input=MASKED, target=UNMASKED_LABELS, class_weights=WEIGHTS)
edge("cross_entropy", "masked ignored", {**mean, "ignore_index": 0}, input=MASKED, target=UNMASKED_LABELS)
edge(
    "cross_entropy", "masked cooled", {**hard, "temperature": 2.0, "z_loss": 0.1}, input=MASKED, target=UNMASKED_LABELS
)
edge("cross_entropy", "one class left", hard, input=[[-INF, -INF, 4.0], [-1.0, -INF, -INF]], target=[2, 0])
edge("cross_entropy", "weight zero", mean, input=HUGE, target=LABELS, class_weights=[0.0, 1.0, 2.0])
edge("cross_entropy", "all ignored", {**total, "ignore_index": 1}, input=HUGE[:2], target=[1, 1])
edge("cross_entropy", "all ignored, no reduction", {**hard, "ignore_index": 1}, input=HUGE[:2], target=[1, 1])
edge("cross_entropy", "no rows", total, input=np.zeros((0, 3)), target=np.zeros(0, np.int64))

likelihood = {"reduction": "none", "ignore_index": None}
edge("negative_log_likelihood", "impossible classes", likelihood, input=[[-INF, 0.0], [0.0, -INF]], target=[1, 0])
edge("negative_log_likelihood", "huge", likelihood, input=[[-2e4, 0.0], [0.0, -2e4]], target=[0, 0])

BINARY_LOGITS = [1e4, -1e4, 1e4, -1e4, 100.0, -100.0, 100.0, -100.0, 1e4, -1e4, 0.0]
BINARY_TARGETS = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.25, 0.25, 0.5]
binary = {"reduction": "none", "label_smoothing": 0.0}
with_logits = "binary_cross_entropy_with_logits"
edge(with_logits, "huge", binary, input=BINARY_LOGITS, target=BINARY_TARGETS)
edge(with_logits, "huge mean", {**binary, "reduction": "mean"}, input=BINARY_LOGITS, target=BINARY_TARGETS)
edge(with_logits, "huge smoothed", {**binary, "label_smoothing": 0.1}, input=BINARY_LOGITS, target=BINARY_TARGETS)
edge(with_logits, "huge pos_weight", binary, input=BINARY_LOGITS, target=BINARY_TARGETS, pos_weight=[3.0])
none = {"reduction": "none"}
certain = {"input": [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1e-50], "target": [0.0, 1.0, 1.0, 0.0, 0.5, 0.5, 1.0]}
edge("binary_cross_entropy", "certain", none, **certain)
edge("binary_cross_entropy", "certain weights", none, **certain, weights=[1.0, 2.0, 3.0, 0.5, 0.0, 1.0, 2.0])
for alpha, gamma in [(None, 0.0), (0.25, 2.0)]:
    options = {"reduction": "none", "alpha": alpha, "gamma": gamma}
    edge("binary_focal", f"huge gamma {gamma}", options, input=BINARY_LOGITS[:8], target=BINARY_TARGETS[:8])
    options = {"reduction": "none", "gamma": gamma}
    edge("focal", f"huge gamma {gamma}", options, input=HUGE, target=LABELS)
    edge("focal", f"masked gamma {gamma}", options, input=MASKED[:3], target=UNMASKED_LABELS[:3], alpha=WEIGHTS)

for loss, options in [
    ("poly1", {"epsilon": 2.0}),
    ("generalised_cross_entropy", {"q": 0.7}),
    ("symmetric_cross_entropy", {"alpha": 0.1, "beta": 1.0, "log_zero": -4.0}),
    ("multiclass_hinge", {"margin": 1.0}),
    ("crammer_singer_hinge", {"margin": 1.0}),
]:
    edge(loss, "huge", {"reduction": "none", **options}, input=HUGE[:2] + HUGE[4:], target=[0, 0, 1])
    edge(loss, "masked", {"reduction": "none", **options}, input=MASKED, target=UNMASKED_LABELS)
edge("binary_hinge", "huge", none, input=BINARY_LOGITS[:8], target=BINARY_TARGETS[:8])

for loss in ["kl_divergence", "jensen_shannon_divergence"]:
    kinds = {"reduction": "none", "input_kind": "logits", "target_kind": "probabilities"}
    edge(loss, "huge", kinds, input=HUGE[:3], target=[[0.25, 0.25, 0.5], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    same = np.log([[0.5, 0.25, 0.25], [0.125, 0.375, 0.5]])
    kinds = {"reduction": "none", "input_kind": "log_probabilities", "target_kind": "log_probabilities"}
    edge(loss, "the same distribution", kinds, input=same, target=same)
distilled = {"reduction": "none", "temperature": 2.0}
edge("knowledge_distillation", "the same logits", distilled, input=HUGE, target=HUGE)
edge("knowledge_distillation", "huge", distilled, input=HUGE, target=HUGE[::-1])

RESIDUALS = {"input": [0.0, 1.5, -2.0, 1e4, -1e4, 1e4, 1e-3], "target": [0.0, 1.5, -2.0, -1e4, 1e4, 1e4, 0.0]}
for loss, options in [
    ("mean_squared_error", {}),
    ("mean_absolute_error", {}),
    ("huber", {"delta": 1.0}),
    ("smooth_l1", {"beta": 1.0}),
    ("smooth_l1", {"beta": 0.0}),
    ("log_cosh", {}),
]:
    name = " ".join(["zero and huge", *(f"{key} {value}" for key, value in options.items())])
    edge(loss, name, {"reduction": "none", **options}, **RESIDUALS)
floored = {"reduction": "none", "full": False, "epsilon": 1e-6}
edge(
    "gaussian_negative_log_likelihood",
    "floor",
    floored,
    input=[1.0, 2.0, 0.5],
    target=[1.0, 2.5, 0.0],
    variance=[0.0, 1e-9, 1.0],
)
counts = {"reduction": "none", "full": True, "epsilon": 1e-8}
edge(
    "poisson_negative_log_likelihood",
    "counts",
    {**counts, "log_input": True},
    input=[-1e4, 0.0, 1.0, 2.0, 3.0],
    target=[0.0, 1.0, 2.0, 20.0, 1.5],
)
edge(
    "poisson_negative_log_likelihood",
    "rate zero",
    {**counts, "log_input": False},
    input=[0.0, 0.0, 4.0],
    target=[0.0, 2.0, 1.0],
)
