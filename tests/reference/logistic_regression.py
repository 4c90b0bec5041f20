"""Writes `logistic_regression.safetensors`: scikit-learn's coefficients. See README.md for the schema."""

import csv

import numpy as np
import scipy.special
from sklearn.linear_model import LogisticRegression

from figures import HERE, Figures, assert_agrees

figures = Figures()


def read(name):
    with open(HERE.parents[1] / "data" / f"{name}.csv", newline="") as file:
        header, *rows = csv.reader(file)
    features = np.array([[float(value) for value in row[:-1]] for row in rows])
    return features, np.array([row[-1] for row in rows])


def binary(coefficients):
    return len(coefficients) == 1


def objective(coefficients, intercepts, features, labels, c):
    """C · Σ cross-entropy + ½ Σ coefficients²; intercepts are free."""
    logits = features @ coefficients.T + intercepts
    if binary(coefficients):
        logits = np.hstack([np.zeros_like(logits), logits])
    losses = scipy.special.logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
    return c * losses.sum() + 0.5 * (coefficients**2).sum()


def gradient(coefficients, intercepts, features, labels, c):
    logits = features @ coefficients.T + intercepts
    if binary(coefficients):
        residuals = scipy.special.expit(logits) - labels[:, None]
    else:
        residuals = scipy.special.softmax(logits, axis=1) - np.eye(len(coefficients))[labels]
    return np.hstack([c * residuals.T @ features + coefficients, c * residuals.sum(0)[:, None]])


for name in ["breast_cancer", "iris", "wine"]:
    features, targets = read(name)
    classes, labels = np.unique(targets, return_inverse=True)
    mean, deviation = features.mean(0), features.std(0)
    standardised = (features - mean) / deviation
    for c in [1.0, 0.1]:
        model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000, solver="newton-cholesky").fit(standardised, labels)
        coefficients, intercepts = model.coef_, model.intercept_
        other = LogisticRegression(C=c, tol=1e-12, max_iter=100_000, solver="lbfgs").fit(standardised, labels)
        assert np.abs(gradient(coefficients, intercepts, standardised, labels, c)).max() < 1e-9
        assert_agrees(name, coefficients, other.coef_, 1e-5)
        assert_agrees(name, intercepts, other.intercept_, 1e-5)
        identity = f"{name}/C {c}"
        figures.add_case(
            {
                "id": identity,
                "data": f"data/{name}.csv",
                "model": "binary" if binary(coefficients) else "multinomial",
                "classes": classes.tolist(),
                "options": {"C": c},
                "mean": figures.add_tensor(f"{name}/mean", mean),
                "deviation": figures.add_tensor(f"{name}/deviation", deviation),
                "coefficients": figures.add_tensor(f"{identity}/coefficients", coefficients),
                "intercepts": figures.add_tensor(f"{identity}/intercepts", intercepts),
                "objective": figures.add_tensor(
                    f"{identity}/objective", objective(coefficients, intercepts, standardised, labels, c)
                ),
            }
        )

if __name__ == "__main__":
    figures.write(__file__)
