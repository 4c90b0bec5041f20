"""The training of examples/digits.rs, in PyTorch or scikit-learn, as its users would write it.

usage: digits.py torch|sklearn DATA.csv

Hidden layers of 64 and 32, ReLU, batches of 32, momentum 0.9, 50 epochs, on standardised features
and a split of 80 to 20.
"""

import importlib.metadata
import sys
from itertools import pairwise

import numpy

HIDDEN, BATCH, LEARNING_RATE, MOMENTUM, WEIGHT_DECAY, EPOCHS = (64, 32), 32, 0.05, 0.9, 1e-3, 50


def main():
    peer, data = sys.argv[1:]
    if data == "--versions":
        package = {"torch": "torch", "sklearn": "scikit-learn"}[peer]
        return print(f"{package} {importlib.metadata.version(package)}")
    table = numpy.loadtxt(data, delimiter=",", skiprows=1, dtype=numpy.float32)
    table = numpy.random.default_rng(0).permutation(table)
    features, labels = table[:, :-1], table[:, -1].astype(numpy.int64)
    count = len(table) * 4 // 5
    spread = features[:count].std(axis=0)
    features = (features - features[:count].mean(axis=0)) / numpy.where(spread > 0, spread, 1)
    train, test = (features[:count], labels[:count]), (features[count:], labels[count:])
    accuracy = {"torch": torch_accuracy, "sklearn": sklearn_accuracy}[peer](train, test)
    print(f"test accuracy {accuracy:.4f}")


def torch_accuracy(train, test):
    import torch
    from torch import nn

    torch.manual_seed(0)
    features, labels = map(torch.from_numpy, train)
    sizes = [features.shape[1], *HIDDEN, 10]
    model = nn.Sequential(nn.Linear(sizes[0], sizes[1]))
    for inputs, outputs in pairwise(sizes[1:]):
        model.extend([nn.ReLU(), nn.Linear(inputs, outputs)])
    optimizer = torch.optim.SGD(
        model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    cross_entropy = nn.CrossEntropyLoss()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(features)).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(model(features[batch]), labels[batch]).backward()
            optimizer.step()
    features, labels = map(torch.from_numpy, test)
    return (model(features).argmax(dim=1) == labels).float().mean().item()


def sklearn_accuracy(train, test):
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    # Its penalty is alpha / 2 · |weights|² / batch.
    model = MLPClassifier(
        HIDDEN,
        solver="sgd",
        learning_rate_init=LEARNING_RATE,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        alpha=WEIGHT_DECAY * BATCH,
        batch_size=BATCH,
        max_iter=EPOCHS,
        tol=0.0,
        n_iter_no_change=EPOCHS,
        random_state=0,
    )
    # Fifty epochs are what is asked for, converged or not.
    warnings.simplefilter("ignore", ConvergenceWarning)
    return model.fit(*train).score(*test)


if __name__ == "__main__":
    main()
