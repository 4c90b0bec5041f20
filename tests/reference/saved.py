"""Writes `saved_outputs.safetensors`: what PyTorch computes from a model that `save` wrote. See README.md."""

from importlib.metadata import version

import numpy as np
import torch
from figures import HERE, generator, to_torch, write_safetensors
from safetensors.torch import load_file
from torch import nn

path = HERE / "saved.safetensors"
# The line of the documentation of `save`.
state = {k: v.T if v.ndim == 2 and k.endswith("weight") else v for k, v in load_file(path).items()}

# The model of saved.rs. A square matrix does not show by its shape which way it lies.
module = nn.Sequential(
    nn.Linear(4, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 3)
)
module.load_state_dict(state)
inputs = np.float32(generator("saved").standard_normal((5, 4)))
with torch.no_grad():
    outputs = module(to_torch(inputs)).numpy()
metadata = {"script": "tests/reference/saved.py", "torch": version("torch")}
write_safetensors(HERE / "saved_outputs.safetensors", {"input": inputs, "output": outputs}, metadata)
