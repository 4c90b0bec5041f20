"""The cases of benches/cases.rs in PyTorch, torch.compile and JAX, one line of JSON each.

usage: peers.py torch|torch-compile|jax --versions
       peers.py torch|torch-compile|jax [CASE-PREFIX ...]
"""

import importlib.metadata
import json
import statistics
import sys
import time
from functools import partial
from itertools import pairwise

CROSS_ENTROPY = [(32, 10), (1024, 10), (4096, 1000), (512, 32000), (128, 128256)]
PERCEPTRONS = [
    ("moons", 100, [2, 16, 16, 2]),
    ("digits", 32, [64, 32, 10]),
    ("mnist-s", 64, [784, 128, 10]),
    ("mnist-l", 256, [784, 512, 512, 10]),
]
LINEAR_CROSS_ENTROPY = [(1024, 256, 32000), (2048, 512, 32000)]
PRODUCTS = [(256, 784, 512), (1024, 1024, 1024)]
# The transformer: sizes of a batch of names and of the model.
NAMES, PLACES, SYMBOLS, WIDTH, HEADS = 64, 12, 27, 48, 4
PACKAGES = {"torch": ["torch"], "torch-compile": ["torch"], "jax": ["jax", "optax"]}

# Seconds for which the repetitions of a case go on: of an ordinary one, and of a large one.
BUDGET, LARGE_BUDGET = 1.5, 6


def main():
    peer, *arguments = sys.argv[1:]
    if arguments == ["--versions"]:
        versions = (f"{name} {importlib.metadata.version(name)}" for name in PACKAGES[peer])
        return print(", ".join(versions))
    cases = jax_cases() if peer == "jax" else torch_cases(compiled=peer == "torch-compile")
    for name, budget, set_up in cases:
        if not arguments or name.startswith(tuple(arguments)):
            median, least = (round(seconds * 1e6, 2) for seconds in measure(budget, set_up()))
            line = {"peer": peer, "case": name, "median_us": median, "min_us": least}
            print(json.dumps(line), flush=True)


def measure(budget, step):
    """The median and the least of the seconds for one step, in samples of some 20 ms, at least 5
    and at most 60 of them."""

    def sample(steps):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - start) / steps

    sample(2)
    once = max(sample(1), 1e-7)
    steps = max(1, int(0.02 / once))
    count = min(60, max(5, int(budget / (once * steps))))
    samples = [sample(steps) for _ in range(count)]
    return statistics.median(samples), min(samples)


def random_numbers():
    import numpy

    generator = numpy.random.default_rng(0)

    def normal(*shape, standard_deviation=1.0):
        return (generator.normal(size=shape) * standard_deviation).astype(numpy.float32)

    return normal, lambda count, classes: generator.integers(0, classes, count)


def torch_cases(compiled):
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy, scaled_dot_product_attention

    normal, labels = random_numbers()

    def compile_if_asked(function):
        if not compiled:
            return function
        # For the shapes of this case alone: what was compiled for others counts against a limit.
        torch.compiler.reset()
        return torch.compile(function)

    def parameter(values):
        return torch.from_numpy(values).requires_grad_()

    def cross_entropy_step(rows, classes):
        logits, targets = parameter(normal(rows, classes)), torch.from_numpy(labels(rows, classes))
        loss = compile_if_asked(cross_entropy)

        def step():
            logits.grad = None
            loss(logits, targets).backward()

        return step

    def training_step(batch, sizes, optimizer):
        model = nn.Sequential(nn.Linear(sizes[0], sizes[1]))
        for inputs, outputs in pairwise(sizes[1:]):
            model.extend([nn.ReLU(), nn.Linear(inputs, outputs)])
        features = torch.from_numpy(normal(batch, sizes[0]))
        targets = torch.from_numpy(labels(batch, sizes[-1]))
        parameters = model.parameters()
        if optimizer == "sgd":
            optimizer = torch.optim.SGD(parameters, lr=1e-3)
        else:
            optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(features), targets).backward()
            optimizer.step()

        return compile_if_asked(step)

    class Block(nn.Module):
        """A block as GPT-2 has it, its attention by PyTorch's fused kernel."""

        def __init__(self):
            super().__init__()
            self.attention_norm, self.feed_forward_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
            self.output = nn.Linear(WIDTH, WIDTH)
            layers = nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
            self.feed_forward = nn.Sequential(*layers)

        def forward(self, x):
            parts = self.query_key_value(self.attention_norm(x)).chunk(3, dim=-1)
            heads = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
            found = scaled_dot_product_attention(*heads, is_causal=True)
            x = x + self.output(found.transpose(1, 2).flatten(-2))
            return x + self.feed_forward(self.feed_forward_norm(x))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.symbols, self.places = nn.Embedding(SYMBOLS, WIDTH), nn.Embedding(16, WIDTH)
            self.blocks = nn.Sequential(Block(), Block())
            self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, SYMBOLS))
            self.range = torch.arange(PLACES)

        def forward(self, x):
            return self.head(self.blocks(self.symbols(x) + self.places(self.range)))

    def transformer_step():
        inputs = torch.from_numpy(labels(NAMES * PLACES, SYMBOLS)).reshape(NAMES, PLACES)
        targets = torch.from_numpy(labels(NAMES * PLACES, SYMBOLS))
        return adam_step(Transformer(), 60_027, inputs, targets)

    def convolution_step():
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 10),
        )
        images = torch.from_numpy(normal(32, 1, 8, 8))
        return adam_step(model, 9_930, images, torch.from_numpy(labels(32, 10)))

    def adam_step(model, parameter_count, inputs, targets):
        assert sum(parameter.numel() for parameter in model.parameters()) == parameter_count
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(model(inputs).flatten(end_dim=-2), targets).backward()
            optimizer.step()

        return compile_if_asked(step)

    def linear_cross_entropy_step(rows, inner, classes):
        hidden = parameter(normal(rows, inner))
        weight = parameter(normal(classes, inner, standard_deviation=0.05))
        targets = torch.from_numpy(labels(rows, classes))
        loss = compile_if_asked(lambda hidden, weight: cross_entropy(hidden @ weight.t(), targets))

        def step():
            hidden.grad = weight.grad = None
            loss(hidden, weight).backward()

        return step

    def product_step(rows, inner, columns):
        left, right = torch.randn(rows, inner), torch.randn(inner, columns)
        return lambda: left @ right

    yield from table(
        cross_entropy_step, training_step, linear_cross_entropy_step, product_step
    )
    yield "cnn/digits", BUDGET, convolution_step
    yield "transformer/names", BUDGET, transformer_step


def jax_cases():
    import jax
    import optax
    from jax import numpy as jnp
    from optax import softmax_cross_entropy_with_integer_labels as cross_entropy

    normal, labels = random_numbers()

    def cross_entropy_step(rows, classes):
        logits, targets = jnp.asarray(normal(rows, classes)), jnp.asarray(labels(rows, classes))
        loss = jax.jit(jax.value_and_grad(lambda logits: cross_entropy(logits, targets).mean()))
        return lambda: jax.block_until_ready(loss(logits))

    def training_step(batch, sizes, optimizer):
        def layer(inputs, outputs):
            return jnp.asarray(normal(inputs, outputs) / inputs**0.5), jnp.zeros(outputs)

        def loss(parameters, features, targets):
            *hidden, (weight, bias) = parameters
            x = features
            for hidden_weight, hidden_bias in hidden:
                x = jax.nn.relu(x @ hidden_weight + hidden_bias)
            return cross_entropy(x @ weight + bias, targets).mean()

        @jax.jit
        def update(parameters, state, features, targets):
            value, gradients = jax.value_and_grad(loss)(parameters, features, targets)
            updates, state = optimizer.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), state, value

        parameters = [layer(*pair) for pair in pairwise(sizes)]
        features = jnp.asarray(normal(batch, sizes[0]))
        targets = jnp.asarray(labels(batch, sizes[-1]))
        optimizer = optax.sgd(1e-3) if optimizer == "sgd" else optax.adam(1e-4)
        state = optimizer.init(parameters)

        def step():
            nonlocal parameters, state
            parameters, state, value = update(parameters, state, features, targets)
            jax.block_until_ready(value)

        return step

    def linear_cross_entropy_step(rows, inner, classes):
        hidden = jnp.asarray(normal(rows, inner))
        weight = jnp.asarray(normal(classes, inner, standard_deviation=0.05))
        targets = jnp.asarray(labels(rows, classes))
        value = lambda hidden, weight: cross_entropy(hidden @ weight.T, targets).mean()
        loss = jax.jit(jax.value_and_grad(value, argnums=(0, 1)))
        return lambda: jax.block_until_ready(loss(hidden, weight))

    def product_step(rows, inner, columns):
        left, right = jnp.asarray(normal(rows, inner)), jnp.asarray(normal(inner, columns))
        product = jax.jit(jnp.matmul)
        return lambda: jax.block_until_ready(product(left, right))

    return table(cross_entropy_step, training_step, linear_cross_entropy_step, product_step)


def table(cross_entropy_step, training_step, linear_cross_entropy_step, product_step):
    """Yields the name, the budget and the set-up of each case."""
    for shape in CROSS_ENTROPY:
        yield f"ce/{by(shape)}", BUDGET, partial(cross_entropy_step, *shape)
    for name, batch, sizes in PERCEPTRONS:
        for optimizer in ("sgd", "adam"):
            step = partial(training_step, batch, sizes, optimizer)
            yield f"mlp/{name}/{optimizer}", BUDGET, step
    for shape in LINEAR_CROSS_ENTROPY:
        yield f"flce/{by(shape)}", LARGE_BUDGET, partial(linear_cross_entropy_step, *shape)
    for shape in PRODUCTS:
        yield f"gemm/{by(shape)}", BUDGET, partial(product_step, *shape)


def by(shape):
    return "x".join(map(str, shape))


if __name__ == "__main__":
    main()
