"""Writes `clipping.safetensors`: gradients clipped by PyTorch. See README.md for the schema."""

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from figures import Figures, generator, to_torch

GRADIENTS = {
    "weight": generator("clip weight").standard_normal((3, 4)),
    "bias": generator("clip bias").standard_normal(4),
}
figures = Figures()


def parameters():
    """Fresh parameters by name, with the gradients above."""
    made = {name: torch.nn.Parameter(torch.zeros(gradient.shape)) for name, gradient in GRADIENTS.items()}
    for name, parameter in made.items():
        parameter.grad = to_torch(GRADIENTS[name])
    return made


def add(clip, limit, clipped, norms, p=2.0):
    identity = f"{clip}/{limit}" if p == 2.0 else f"{clip} of {p}/{limit}"
    figures.add_case(
        {
            "id": identity,
            "clip": clip,
            "options": {"limit": limit, "p": str(p)},
            "inputs": figures.add_tensors("gradient", GRADIENTS),
            "outputs": figures.add_tensors(identity, {name: parameter.grad for name, parameter in clipped.items()}),
            "norms": figures.add_tensors(f"{identity}/norm", norms),
        }
    )


for limit in [0.5, 5.0, 1e3]:
    clipped = parameters()
    norm = clip_grad_norm_(clipped.values(), limit)
    add("global_norm", limit, clipped, {"all": norm})
for p in [1.0, 1.5, 3.0, torch.inf]:
    for limit in [0.5, 1e3]:
        clipped = parameters()
        norm = clip_grad_norm_(clipped.values(), limit, norm_type=p)
        add("global_norm", limit, clipped, {"all": norm}, p)
for limit in [2.0, 3.0, 1e3]:
    clipped = parameters()
    norms = {name: clip_grad_norm_([parameter], limit) for name, parameter in clipped.items()}
    add("norm_of_each", limit, clipped, norms)
for limit in [0.5, 1.0, 1e3]:
    clipped = parameters()
    clip_grad_value_(clipped.values(), limit)
    add("value", limit, clipped, {})

if __name__ == "__main__":
    figures.write(__file__)
