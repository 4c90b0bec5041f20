"""Writes metrics.json: figures of scikit-learn for metrics of classifiers, on scores with many ties."""

import json
import zlib
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics


def generator(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def ranking(name, count, places):
    """Scores rounded to some decimal places, so that many tie or none, that know something of the labels."""
    rng = generator(name)
    labels = rng.integers(0, 2, count)
    labels[:2] = [0, 1]
    scores = np.round(rng.normal(0.8 * labels, 1.0), places)
    false, true, thresholds = metrics.roc_curve(labels, scores, drop_intermediate=False)
    return {
        "id": name,
        "labels": labels.tolist(),
        "scores": scores.tolist(),
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "false_positive_rates": false.tolist(),
        "true_positive_rates": true.tolist(),
        # The first is infinite, which JSON cannot hold.
        "thresholds": thresholds[1:].tolist(),
        "average_precision": metrics.average_precision_score(labels, scores),
    }


def classes(name, count, class_count, unused):
    """Scores of several classes; the last ones have neither samples nor high scores."""
    rng = generator(name)
    labels = rng.integers(0, class_count - unused, count)
    scores = rng.normal(0.0, 1.0, (count, class_count))
    scores[np.arange(count), labels] += 1.0
    scores[:, class_count - unused :] -= 100.0
    predicted = scores.argmax(1)
    every = list(range(class_count))
    case = {
        "id": name,
        "labels": labels.tolist(),
        "scores": scores.tolist(),
        "top_k": [metrics.top_k_accuracy_score(labels, scores, k=k, labels=every) for k in range(1, class_count)],
        "matthews": metrics.matthews_corrcoef(labels, predicted),
        "f_beta": [],
    }
    for beta in [0.5, 1.0, 2.0]:
        for zero_division in [0.0, 1.0, None]:
            options = {"labels": every, "zero_division": np.nan if zero_division is None else zero_division}
            case["f_beta"].append(
                {
                    "beta": beta,
                    "zero_division": zero_division,
                    "macro": metrics.fbeta_score(labels, predicted, beta=beta, average="macro", **options),
                    "precision": metrics.precision_score(labels, predicted, average="macro", **options),
                    "recall": metrics.recall_score(labels, predicted, average="macro", **options),
                }
            )
    return case


figures = {
    "scikit-learn": sklearn.__version__,
    "rankings": [
        ranking("ties", 200, 0),
        ranking("some ties", 200, 1),
        ranking("no ties", 100, 12),
        ranking("two", 2, 3),
    ],
    "classes": [classes("three", 150, 3, 0), classes("ten", 200, 10, 0), classes("five of seven", 60, 7, 2)],
}

if __name__ == "__main__":
    path = Path(__file__).resolve().with_suffix(".json")
    path.write_text(json.dumps(figures, indent=None, separators=(",", ":")) + "\n")
