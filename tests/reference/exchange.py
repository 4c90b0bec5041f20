"""Checks that PyTorch computes from a model that an example has saved what predict does.

    cargo build --release --example digits --example predict
    python3 tests/reference/exchange.py

The other way, from PyTorch's files to models here, is tested on `state_dict.safetensors`.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open
from safetensors.torch import load_file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARIES = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")),
                        "release", "examples")
DATA = os.path.join(ROOT, "data", "digits.csv")


def main():
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "digits.safetensors")
        run = lambda name, *arguments: subprocess.run(
            [os.path.join(BINARIES, name), *arguments], check=True, cwd=ROOT, text=True,
            stdout=subprocess.PIPE).stdout
        run("digits", "--quiet", "--epochs", "10", "--save", path)
        answers = list(csv.DictReader(run("predict", "--model", path, "--data", DATA,
                                          "--csv").splitlines()))
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            notes = file.metadata()
    module = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    # What this project calls layers.1 is the third of the module; its matrices are transposed.
    state = {name.replace("layers.1", "2").replace("layers.0", "0"):
             tensor.T if tensor.ndim == 2 else tensor for name, tensor in tensors.items()}
    module.load_state_dict(state)

    with open(DATA) as file:
        rows = list(csv.DictReader(file))
    features, classes = json.loads(notes["features"]), json.loads(notes["classes"])
    x = torch.tensor([[float(row[name]) for name in features] for row in rows])
    scaling = json.loads(notes["scaling"])["columns"]
    of = lambda name: torch.tensor([column[name] for column in scaling], dtype=torch.float64)
    x = ((x.double() / of("unit") - of("origin")) - of("mean")) / of("standard_deviation")
    with torch.no_grad():
        probabilities = module(x.float()).softmax(-1)
    largest, chosen = probabilities.max(-1)
    same = sum(classes[c] == answer["class"] for c, answer in zip(chosen, answers))
    theirs = torch.tensor([float(answer["probability"]) for answer in answers])
    difference = (largest - theirs).abs().max().item()
    print(f"torch {torch.__version__}: {same} of {len(answers)} classes are the same, and no "
          f"probability differs by more than {difference:.1e}")
    sys.exit(same != len(answers) or difference > 1e-6)


if __name__ == "__main__":
    main()
