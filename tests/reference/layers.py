"""Writes `layers.safetensors` and `state_dict.safetensors`: PyTorch's layers. See README.md for the schema."""

from importlib.metadata import version

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from figures import HERE, Figures, assert_agrees, generator, to_torch, write_safetensors

figures = Figures()


def fill(name, module):
    """Random parameters that depend on the case's name alone, in place of PyTorch's initialisation."""
    rng = generator(f"{name}/parameters")
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(to_torch(0.5 * rng.standard_normal(parameter.shape)))
    return module


def normal(name, *shape):
    return generator(name).standard_normal(shape)


def add(layer, name, options, module, inputs, forward=None, outputs=("output",)):
    """One forward and backward pass of a module in the state it is in.

    The gradients are those of Σ over the outputs of Σ upstream · output, for every float input and every
    parameter. The buffers, the running statistics, are stored as they are before the pass and after it.
    """
    identity = f"{layer}/{name}"
    tensors = {role: to_torch(array, array.dtype.kind == "f") for role, array in inputs.items()}
    parameters = dict(module.named_parameters())
    module.zero_grad()
    buffers_before = {key: value.clone() for key, value in module.named_buffers()}
    values = (forward or module)(*tensors.values())
    values = dict(zip(outputs, values if isinstance(values, tuple) else (values,), strict=True))
    upstreams = {role: normal(f"{identity}/upstream {role}", *value.shape) for role, value in values.items()}
    sum((to_torch(upstreams[role]) * value).sum() for role, value in values.items()).backward()

    gradients = {role: tensor.grad for role, tensor in tensors.items() if tensor.requires_grad}
    gradients |= {key: parameter.grad for key, parameter in parameters.items()}
    for tensor in [*values.values(), *gradients.values()]:
        assert torch.isfinite(tensor).all(), identity
    case = {
        "id": identity,
        "layer": layer,
        "dtype": "f64",
        "options": options,
        "inputs": figures.add_tensors(identity, inputs),
        "parameters": figures.add_tensors(f"{identity}/parameter", parameters),
        "outputs": figures.add_tensors(f"{identity}/output", values),
        "upstreams": figures.add_tensors(f"{identity}/upstream", upstreams),
        "gradients": figures.add_tensors(f"{identity}/gradient", gradients),
        "buffers_before": figures.add_tensors(f"{identity}/buffer before", buffers_before),
        "buffers_after": figures.add_tensors(f"{identity}/buffer after", dict(module.named_buffers())),
    }
    figures.add_case(case)
    return values


def dense():
    for name, shape, bias in [("2-D", (5, 3), True), ("no bias", (5, 3), False), ("3-D", (2, 4, 3), True)]:
        options = {"in_features": 3, "out_features": 2, "bias": bias}
        add(
            "Linear",
            name,
            options,
            fill(f"Linear {name}", nn.Linear(3, 2, bias)),
            {"input": normal(f"Linear {name}", *shape)},
        )
    for name, indices in [("1-D", [3, 0, 3, 4]), ("2-D", [[1, 1, 2], [0, 4, 1]])]:
        options = {"num_embeddings": 6, "embedding_dim": 3}
        add("Embedding", name, options, fill(f"Embedding {name}", nn.Embedding(6, 3)), {"input": np.array(indices)})


def normalisation():
    for name, shape, epsilon in [("2-D", (4, 5), 1e-5), ("3-D", (2, 3, 6), 1e-5), ("large epsilon", (3, 4), 0.1)]:
        options = {"normalized_shape": [shape[-1]], "epsilon": epsilon}
        for layer, kind in [("LayerNorm", nn.LayerNorm), ("RMSNorm", nn.RMSNorm)]:
            module = fill(f"{layer} {name}", kind(shape[-1], eps=epsilon))
            add(layer, name, options, module, {"input": 2.0 * normal(f"{layer} {name}", *shape) + 0.5})
    for name, shape, normalized, bias in [
        ("two axes", (2, 3, 4), (3, 4), True),
        ("three axes", (2, 2, 3, 2), (2, 3, 2), True),
        ("square axes", (2, 3, 3), (3, 3), True),
        ("no bias", (3, 5), (5,), False),
    ]:
        module = fill(f"LayerNorm {name}", nn.LayerNorm(normalized, bias=bias))
        options = {"normalized_shape": normalized, "epsilon": 1e-5}
        add("LayerNorm", name, options, module, {"input": 2.0 * normal(f"LayerNorm {name}", *shape) + 0.5})
    for layer, kind, shape in [("BatchNorm1d", nn.BatchNorm1d, (6, 3)), ("BatchNorm2d", nn.BatchNorm2d, (4, 3, 2, 3))]:
        for momentum, epsilon in [(0.1, 1e-5), (0.3, 1e-2)]:
            module = fill(f"{layer} {momentum}", kind(3, eps=epsilon, momentum=momentum))
            options = {"num_features": 3, "epsilon": epsilon, "momentum": momentum}
            for step, training in [("first batch", True), ("second batch", True), ("evaluation", False)]:
                module.train(training)
                name = f"momentum {momentum} {step}"
                inputs = {"input": 2.0 * normal(f"{layer} {name}", *shape) + 0.5}
                add(layer, name, {**options, "training": training}, module, inputs)


def convolution():
    for name, channels, kernel, image, options in [
        ("plain", (2, 3), (3, 3), (5, 6), {}),
        ("no bias", (2, 3), (3, 3), (5, 5), {"bias": False}),
        ("kernel 1", (3, 2), (1, 1), (4, 3), {}),
        ("padding", (1, 2), (3, 3), (4, 4), {"padding": (1, 1)}),
        ("stride", (2, 2), (3, 3), (7, 6), {"stride": (2, 2)}),
        ("stride and padding", (2, 4), (3, 3), (6, 5), {"stride": (2, 2), "padding": (1, 1)}),
        ("dilation", (2, 2), (3, 3), (7, 8), {"dilation": (2, 2)}),
        ("dilation and padding", (1, 2), (3, 3), (5, 5), {"dilation": (2, 2), "padding": (2, 2)}),
        ("groups", (4, 6), (3, 3), (5, 5), {"groups": 2, "padding": (1, 1)}),
        ("depthwise", (3, 6), (3, 3), (5, 4), {"groups": 3}),
        ("uneven", (2, 2), (2, 3), (6, 7), {"stride": (2, 1), "padding": (0, 1), "dilation": (1, 2)}),
        ("everything", (4, 4), (3, 2), (8, 7), {"stride": (2, 2), "padding": (2, 1), "dilation": (2, 1), "groups": 2}),
        ("same", (2, 3), (3, 5), (4, 6), {"padding": "same"}),
        ("same, even kernel", (1, 2), (2, 4), (5, 4), {"padding": "same"}),
        ("same, dilation", (2, 2), (2, 3), (6, 5), {"padding": "same", "dilation": (3, 2)}),
    ]:
        full = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, "bias": True, **options}
        module = fill(f"Conv2d {name}", nn.Conv2d(*channels, kernel, **full))
        options = {"in_channels": channels[0], "out_channels": channels[1], "kernel_size": kernel, **full}
        add("Conv2d", name, options, module, {"input": normal(f"Conv2d {name}", 2, channels[0], *image)})


def pooling():
    variants = [
        ("kernel 2", (2, 2), (2, 2), (0, 0), (6, 4)),
        ("ragged", (2, 2), (2, 2), (0, 0), (5, 7)),
        ("overlapping", (3, 3), (1, 1), (0, 0), (5, 5)),
        ("padding", (3, 3), (2, 2), (1, 1), (6, 5)),
        ("uneven", (2, 3), (1, 2), (1, 0), (4, 7)),
    ]
    for name, kernel, stride, padding, image in variants:
        options = {"kernel_size": kernel, "stride": stride, "padding": padding}
        inputs = {"input": normal(f"pooling {name}", 2, 3, *image)}
        add("MaxPool2d", name, options, nn.MaxPool2d(kernel, stride, padding), inputs)
        for counted in [True, False] if padding != (0, 0) else [True]:
            module = nn.AvgPool2d(kernel, stride, padding, count_include_pad=counted)
            case = name if counted else f"{name}, not counted"
            add("AvgPool2d", case, {**options, "count_include_pad": counted}, module, inputs)


    for name, size, image in [
        ("whole", (1, 1), (3, 4)),
        ("divided", (2, 3), (4, 6)),
        ("overlapping", (3, 2), (5, 7)),
        ("larger", (4, 5), (3, 3)),
    ]:
        inputs = {"input": normal(f"adaptive {name}", 2, 3, *image)}
        add("AdaptiveAvgPool2d", name, {"output_size": size}, nn.AdaptiveAvgPool2d(size), inputs)


def causal_attention(attention, input):
    mask = nn.Transformer.generate_square_subsequent_mask(input.shape[1], dtype=torch.float64)
    return attention(input, input, input, attn_mask=mask, is_causal=True, need_weights=False)[0]


def attention_by_hand(attention, heads, input):
    """The same from its parts, so that the order of the stored rows is what the README says."""
    batch, time, width = input.shape
    projected = F.linear(input, attention.in_proj_weight, attention.in_proj_bias)

    def split(part):
        return part.reshape(batch, time, heads, width // heads).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(*map(split, projected.chunk(3, -1)), is_causal=True)
    return attention.out_proj(mixed.transpose(1, 2).reshape(batch, time, width))


class Block(nn.Module):
    """A pre-norm transformer block, as in GPT-2."""

    def __init__(self, width, heads, hidden, approximate):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.approximate = approximate

    def forward(self, input):
        input = input + causal_attention(self.attention, self.norm1(input))
        return input + self.fc2(F.gelu(self.fc1(self.norm2(input)), approximate=self.approximate))


def transformer():
    for name, width, heads, shape in [
        ("one head", 3, 1, (2, 4)),
        ("two heads", 6, 2, (2, 5)),
        ("one token", 4, 4, (3, 1)),
    ]:
        module = fill(f"attention {name}", nn.MultiheadAttention(width, heads, batch_first=True))
        inputs = {"input": normal(f"attention {name}", *shape, width)}
        values = add(
            "SelfAttention",
            name,
            {"width": width, "heads": heads, "causal": True, "padding": None},
            module,
            inputs,
            lambda input: causal_attention(module, input),
        )
        by_hand = attention_by_hand(module, heads, to_torch(inputs["input"]))
        assert_agrees(name, values["output"].detach(), by_hand.detach(), 1e-13)
    for name, width, heads, padding, causal in [
        ("everything seen", 6, 2, None, False),
        ("padding", 6, 3, [[False] * 4, [False, False, True, True], [True, False, False, True]], False),
        ("causal, padding", 4, 2, [[False] * 4, [False, False, True, True], [False, True, False, True]], True),
    ]:
        module = fill(f"attention {name}", nn.MultiheadAttention(width, heads, batch_first=True))
        inputs = {"input": normal(f"attention {name}", 3, 4, width)}
        mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64) if causal else None
        if padding is not None:
            hidden = torch.tensor(padding)
            hidden = torch.zeros(hidden.shape, dtype=torch.float64).masked_fill(hidden, -torch.inf)
        options = {"width": width, "heads": heads, "causal": causal, "padding": padding}
        add(
            "SelfAttention",
            name,
            options,
            module,
            inputs,
            lambda input: module(
                input,
                input,
                input,
                attn_mask=mask,
                key_padding_mask=None if padding is None else hidden,
                need_weights=False,
            )[0],
        )
    for name, approximate in [("exact GELU", "none"), ("tanh GELU", "tanh")]:
        module = fill(f"block {name}", Block(6, 2, 8, approximate))
        options = {"width": 6, "heads": 2, "hidden": 8, "gelu": "exact" if approximate == "none" else "tanh"}
        add("TransformerBlock", name, options, module, {"input": normal(f"block {name}", 2, 4, 6)})


def recurrent():
    for name, start in [("from zeros", False), ("from a state", True)]:
        module = fill(f"GRU {name}", nn.GRU(3, 4, batch_first=True))
        inputs = {"input": normal(f"GRU {name}", 2, 5, 3)}
        if start:
            inputs["state"] = normal(f"GRU {name} state", 2, 4)
        options = {"input_size": 3, "hidden_size": 4}

        def forward(input, state=None):
            output, last = module(input, None if state is None else state[None])
            return output, last[0]

        add("GRU", name, options, module, inputs, forward, outputs=("output", "last_state"))
    for name, start in [("from zeros", False), ("from a state", True)]:
        module = fill(f"LSTM {name}", nn.LSTM(3, 4, batch_first=True))
        inputs = {"input": normal(f"LSTM {name}", 2, 5, 3)}
        if start:
            inputs |= {role: normal(f"LSTM {name} {role}", 2, 4) for role in ["hidden", "cell"]}

        def forward(input, *state):
            output, (hidden, cell) = module(input, tuple(part[None] for part in state) or None)
            return cell[0], hidden[0], output

        options = {"input_size": 3, "hidden_size": 4}
        add("LSTM", name, options, module, inputs, forward, outputs=("last_cell", "last_hidden", "output"))
    for layer, kind in [("GRU", nn.GRU), ("LSTM", nn.LSTM)]:
        module = fill(f"{layer} bidirectional", kind(3, 4, batch_first=True, bidirectional=True))
        inputs = {"input": normal(f"{layer} bidirectional", 2, 5, 3)}
        options = {"input_size": 3, "hidden_size": 4, "layer": layer}
        add("Bidirectional", layer, options, module, inputs, lambda input: module(input)[0])


class Everything(nn.Module):
    """An image read by convolution, its rows read in order by a GRU."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.gru = nn.GRU(8, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, input):
        image = torch.relu(self.norm(self.conv(input)))
        rows = image.transpose(1, 2).flatten(2)
        return self.head(self.gru(rows)[0][:, -1])


def state_dict():
    """A module as PyTorch would save it, in f32; its output is computed in f64 from those weights."""
    module = fill("state_dict", Everything())
    rng = generator("running statistics")
    for _ in range(3):
        module(to_torch(rng.standard_normal((4, 1, 6, 4))))
    saved = {name: value.float() if value.is_floating_point() else value for name, value in module.state_dict().items()}
    metadata = {"format": "pt", "script": "tests/reference/layers.py", "torch": version("torch")}
    write_safetensors(HERE / "state_dict.safetensors", {name: value.numpy() for name, value in saved.items()}, metadata)

    module.load_state_dict(saved)
    module.eval()
    inputs = np.float32(normal("state_dict input", 2, 1, 6, 4))
    with torch.no_grad():
        output = module(to_torch(inputs))
    figures.add_case(
        {
            "id": "state_dict",
            "layer": "state_dict",
            "dtype": "f32",
            "options": {"file": "state_dict.safetensors"},
            "inputs": figures.add_tensors("state_dict", {"input": inputs}),
            "outputs": figures.add_tensors("state_dict", {"output": output}),
            **{key: {} for key in ["parameters", "upstreams", "gradients", "buffers_before", "buffers_after"]},
        }
    )


dense()
normalisation()
convolution()
pooling()
transformer()
recurrent()
state_dict()

if __name__ == "__main__":
    figures.write(__file__)
