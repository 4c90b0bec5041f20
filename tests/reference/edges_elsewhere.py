"""Prints what PyTorch makes of the edges that the losses crate's documentation lists.

    python tests/reference/edges_elsewhere.py
"""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

INF = float("inf")


def show(case, loss, logits):
    logits = torch.tensor(logits, requires_grad=True)
    value = loss(logits)
    (gradient,) = torch.autograd.grad(value, logits)
    print(f"{case}: loss {value.item()}, gradient {gradient.flatten().tolist()}")


print("PyTorch", torch.__version__)
label = torch.tensor([0])
masked = [[2.0, 2.0, -INF]]
certain = torch.tensor([[1.0, 0.0, 0.0]])
show("masked class, distribution", lambda x: cross_entropy(x, certain), masked)
show("masked class, label smoothing", lambda x: cross_entropy(x, label, label_smoothing=0.1), masked)
show("binary, −∞ and target 0", lambda x: binary_cross_entropy_with_logits(x, torch.zeros(1)), [-INF])
show("binary, +∞ and target 1", lambda x: binary_cross_entropy_with_logits(x, torch.ones(1)), [INF])
show("every label ignored", lambda x: cross_entropy(x, label, ignore_index=0), [[1.0, 2.0]])
show("every weight 0", lambda x: cross_entropy(x, label, weight=torch.zeros(2)), [[1.0, 2.0]])
show("empty batch", lambda x: cross_entropy(x.reshape(0, 3), torch.zeros(0, dtype=torch.long)), [])
show("a row of −∞", lambda x: cross_entropy(x, label), [[-INF, -INF]])
