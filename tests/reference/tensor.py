"""Writes `tensor.safetensors`: values and gradients of tensor operations. See README.md for the schema."""

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from figures import Figures, assert_agrees, generator, to_torch

figures = Figures()


def add(operation, name, function, options, **arrays):
    identity = f"{operation}/{name}"
    with torch.no_grad():
        shape = function(**{role: to_torch(array) for role, array in arrays.items()}).shape
    figures.differentiate(
        {"id": identity, "operation": operation, "dtype": "f64", "options": options},
        function,
        arrays,
        list(arrays),
        generator(f"{identity}/upstream").standard_normal(shape),
    )


def normal(name, *shape):
    return 1.5 * generator(name).standard_normal(shape)


# 1 + erf(x) cancels for negative x, as does 1 + tanh(x); these are PyTorch's functions without that.
def gelu(input):
    return 0.5 * input * torch.special.erfc(-input / math.sqrt(2.0))


def gelu_tanh(input):
    return input * torch.sigmoid(2.0 * math.sqrt(2.0 / math.pi) * (input + 0.044715 * input**3))


# PyTorch's softplus is the identity from 20 on, where e⁻²⁰ is still 2e-9.
def softplus(input):
    return torch.logaddexp(input, torch.zeros_like(input))


ELEMENTWISE = {
    "gelu": (gelu, F.gelu),
    "gelu_tanh": (gelu_tanh, lambda x: F.gelu(x, approximate="tanh")),
    "silu": (F.silu, lambda x: x * torch.sigmoid(x)),
    "softplus": (softplus, lambda x: F.softplus(x, threshold=1000.0)),
    "log_sigmoid": (F.logsigmoid, lambda x: -softplus(-x)),
    "sigmoid": (torch.sigmoid, torch.special.expit),
}
WIDE = np.array(
    [-700.0, -40.0, -20.5, -8.0, -3.0, -1.0, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 1.0, 3.0, 8.0, 20.5, 40.0, 700.0]
)
for operation, (function, other) in ELEMENTWISE.items():
    for name, values in [("3x4", normal(operation, 3, 4)), ("wide", WIDE)]:
        assert_agrees(operation, function(to_torch(values)), other(to_torch(values)), 1e-14)
        add(operation, name, function, {}, input=values)
for name, values in [("3x4", normal("leaky_relu", 3, 4)), ("2x1x5", normal("leaky_relu", 2, 1, 5))]:
    add("leaky_relu", name, partial(F.leaky_relu, negative_slope=0.01), {"negative_slope": 0.01}, input=values)

cube = normal("cube", 2, 3, 4)
huge = cube * 1e4
masked = np.where(generator("masked").random(cube.shape) < 0.3, -np.inf, cube)
masked[..., 0], masked[0], masked[:, 0] = cube[..., 0], cube[0], cube[:, 0]

for axes in [[0], [1], [2], [0, 2], [0, 1, 2]]:
    for keep_axes in [False, True]:
        name = f"axes {axes}{' kept' if keep_axes else ''}"
        function = partial(torch.logsumexp, dim=axes, keepdim=keep_axes)
        add("log_sum_exp", name, function, {"axes": axes, "keep_axes": keep_axes}, input=cube)
for name, values in [("huge", huge), ("masked", masked)]:
    add("log_sum_exp", name, partial(torch.logsumexp, dim=2), {"axes": [2], "keep_axes": False}, input=values)
for operation, function in [("softmax", torch.softmax), ("log_softmax", torch.log_softmax)]:
    for axis in [0, 1, 2]:
        add(operation, f"axis {axis}", partial(function, dim=axis), {"axis": axis}, input=cube)
    add(operation, "huge", partial(function, dim=2), {"axis": 2}, input=huge)
add("softmax", "masked", partial(torch.softmax, dim=2), {"axis": 2}, input=masked)

for ddof in [0, 1]:
    for axes in [[0], [2], [0, 2], [0, 1, 2]]:
        function = partial(torch.var, dim=axes, correction=ddof)
        add("variance", f"axes {axes} ddof {ddof}", function, {"axes": axes, "ddof": ddof}, input=cube)

for left, right in [
    [(3, 4), (4, 2)],
    [(2, 3, 4), (2, 4, 5)],
    [(2, 3, 4), (4, 5)],
    [(3, 4), (2, 4, 5)],
    [(2, 1, 3, 4), (3, 4, 2)],
    [(1, 1), (1, 1)],
]:
    name = f"{'x'.join(map(str, left))} {'x'.join(map(str, right))}"
    arrays = {"left": normal(f"left {name}", *left), "right": normal(f"right {name}", *right)}
    add("matmul", name, lambda left, right: left @ right, {}, **arrays)

NORMS = {"l1": 1, "l2": 2, "max": math.inf}
for axes in [[0], [2], [0, 2], [0, 1, 2]]:
    for ddof in [0, 1]:
        function = partial(torch.std, dim=axes, correction=ddof)
        add("std", f"axes {axes} ddof {ddof}", function, {"axes": axes, "ddof": ddof}, input=cube)
    for norm, order in NORMS.items():
        function = partial(torch.linalg.vector_norm, ord=order, dim=axes)
        for name, values in [("", cube), (" of a part of zeros", np.where(np.arange(4) < 2, cube, 0.0))]:
            # Of several largest values PyTorch gives each a share, and so all of a row of zeros.
            if norm != "max" or not name:
                add("norm", f"{norm} axes {axes}{name}", function, {"norm": norm, "axes": axes}, input=values)
add("norm", "l2 of zeros", torch.linalg.vector_norm, {"norm": "l2", "axes": [0]}, input=np.zeros(3))

for axis in [0, 1, 2]:
    options = {"axis": axis}
    add("sort", f"axis {axis}", lambda input: torch.sort(input, dim=axis).values, options, input=cube)
    add("cumsum", f"axis {axis}", partial(torch.cumsum, dim=axis), options, input=cube)
    for k in [1, 2]:
        largest = lambda input: torch.topk(input, k, dim=axis).values
        add("top_k", f"{k} of axis {axis}", largest, {**options, "k": k}, input=cube)


def power(base, exponent):
    return base**exponent


base, exponent = np.exp(normal("base", 2, 3)), normal("exponent", 2, 3)
add("pow", "2x3", power, {}, base=base, exponent=exponent)
add("pow", "2x3 3", power, {}, base=base, exponent=normal("one row of exponents", 3))
add("pow", "of 0", power, {}, base=np.zeros(4), exponent=np.array([0.0, 1.0, 2.0, 3.5]))

if __name__ == "__main__":
    figures.write(__file__)
