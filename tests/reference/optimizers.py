"""Writes `optimizers.safetensors`: trajectories of every optimizer on one problem. See README.md for the schema."""

import jax
import numpy as np
import optax
import torch
import torch.nn.functional as F

from figures import Figures, generator, to_torch

jax.config.update("jax_enable_x64", True)

STEPS = 50
LBFGS_STEPS = 15
figures = Figures()

# The problem: 12 samples, 3 features → 4 tanh units → 3 classes, cross-entropy, always the full batch.
rng = generator("problem")
PROBLEM = {
    "features": rng.standard_normal((12, 3)),
    "labels": rng.integers(0, 3, 12),
    "hidden.weight": 0.5 * rng.standard_normal((4, 3)),
    "hidden.bias": 0.1 * rng.standard_normal(4),
    "output.weight": 0.5 * rng.standard_normal((3, 4)),
    "output.bias": 0.1 * rng.standard_normal(3),
}
NAMES = ["hidden.weight", "hidden.bias", "output.weight", "output.bias"]
MATRICES = ["hidden.weight", "output.weight"]


def problem_loss(weights):
    hidden = torch.tanh(F.linear(to_torch(PROBLEM["features"]), weights["hidden.weight"], weights["hidden.bias"]))
    logits = F.linear(hidden, weights["output.weight"], weights["output.bias"])
    return F.cross_entropy(logits, to_torch(PROBLEM["labels"]))


def rosenbrock_loss(weights):
    x, y = weights["point"]
    return (1.0 - x) ** 2 + 100.0 * (y - x**2) ** 2


def start(values, disturbance=0.0):
    """The initial weights, multiplied by 1 ± a disturbance of the size of rounding."""
    rng = generator("disturbance")
    disturbed = {
        name: values[name] * (1.0 + disturbance * rng.choice([-1.0, 1.0], values[name].shape)) for name in values
    }
    return {name: to_torch(value, requires_grad=True) for name, value in disturbed.items()}


def trajectory(make_optimizer, weights):
    """The weights before each step and after the last, and the loss at each of them."""
    optimizer = make_optimizer(weights)
    path, losses = {name: [] for name in weights}, []
    for step in range(STEPS + 1):
        loss = problem_loss(weights)
        losses.append(loss.item())
        for name, weight in weights.items():
            path[name].append(weight.detach().numpy().copy())
            weight.grad = None
        if step < STEPS:
            loss.backward()
            optimizer.step()
    return {name: np.stack(values) for name, values in path.items()}, np.array(losses)


def add(optimizer, name, options, make_optimizer):
    initial = {name: PROBLEM[name] for name in NAMES}
    path, losses = trajectory(make_optimizer, start(initial))
    # If rounding grew over the steps, no other implementation could follow to 1e-10.
    disturbed, _ = trajectory(make_optimizer, start(initial, 1e-15))
    for weight in NAMES:
        difference = np.abs(path[weight] - disturbed[weight]).max()
        assert difference < 2e-13, f"{optimizer}/{name}: {weight} differs by {difference}"
    identity = f"{optimizer}/{name}"
    figures.add_case(
        {
            "id": identity,
            "optimizer": optimizer,
            "problem": "network",
            "options": options,
            "steps": STEPS,
            "inputs": figures.add_tensors("problem", PROBLEM),
            "weights": figures.add_tensors(f"{identity}/weights", path),
            "losses": figures.add_tensor(f"{identity}/losses", losses),
            "evaluations": None,
        }
    )


def torch_optimizer(optimizer, kind, defaults, renames, variants):
    """One case a variant: its options over `defaults`, handed to PyTorch under its own names."""
    for name, changes in variants:
        options = {**defaults, **changes}
        named = {renames.get(option, option): value for option, value in options.items()}
        if "beta1" in named:
            named["betas"] = (named.pop("beta1"), named.pop("beta2"))
        add(optimizer, name, options, lambda weights: kind(list(weights.values()), foreach=False, **named))


RENAMES = {
    "learning_rate": "lr",
    "epsilon": "eps",
    "learning_rate_decay": "lr_decay",
    "initial_accumulator": "initial_accumulator_value",
}


def first_order():
    torch_optimizer(
        "Sgd",
        torch.optim.SGD,
        {"learning_rate": 0.1, "momentum": 0.0, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0},
        RENAMES,
        [
            ("plain", {}),
            ("momentum", {"momentum": 0.9}),
            ("momentum and dampening", {"momentum": 0.9, "dampening": 0.5}),
            ("nesterov", {"momentum": 0.9, "nesterov": True}),
            ("weight_decay", {"weight_decay": 0.05}),
            ("nesterov and weight_decay", {"momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
            ("dampening and weight_decay", {"momentum": 0.8, "dampening": 0.3, "weight_decay": 0.05}),
        ],
    )
    torch_optimizer(
        "Adagrad",
        torch.optim.Adagrad,
        {
            "learning_rate": 0.1,
            "learning_rate_decay": 0.0,
            "weight_decay": 0.0,
            "initial_accumulator": 0.0,
            "epsilon": 1e-10,
        },
        RENAMES,
        [
            ("plain", {}),
            ("learning_rate_decay", {"learning_rate_decay": 0.05}),
            ("weight_decay", {"weight_decay": 0.05}),
            ("epsilon", {"epsilon": 1e-2}),
            ("initial_accumulator", {"initial_accumulator": 0.3}),
            (
                "everything",
                {"learning_rate_decay": 0.02, "weight_decay": 0.05, "initial_accumulator": 0.1, "epsilon": 1e-3},
            ),
        ],
    )
    torch_optimizer(
        "RmsProp",
        torch.optim.RMSprop,
        {
            "learning_rate": 0.01,
            "alpha": 0.99,
            "epsilon": 1e-8,
            "weight_decay": 0.0,
            "momentum": 0.0,
            "centered": False,
        },
        RENAMES,
        [
            ("plain", {}),
            ("alpha and epsilon", {"alpha": 0.9, "epsilon": 1e-3}),
            ("centered", {"centered": True}),
            ("momentum", {"momentum": 0.9}),
            ("weight_decay", {"weight_decay": 0.05}),
            ("everything", {"alpha": 0.95, "centered": True, "momentum": 0.8, "weight_decay": 0.05}),
        ],
    )
    adam = {"learning_rate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0, "amsgrad": False}
    torch_optimizer(
        "Adam",
        torch.optim.Adam,
        adam,
        RENAMES,
        [
            ("plain", {}),
            ("betas", {"beta1": 0.8, "beta2": 0.95}),
            ("epsilon", {"epsilon": 1e-2}),
            ("amsgrad", {"amsgrad": True, "beta2": 0.9}),
            ("weight_decay", {"weight_decay": 0.05}),
            ("everything", {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3, "weight_decay": 0.05, "amsgrad": True}),
        ],
    )
    torch_optimizer(
        "AdamW",
        torch.optim.AdamW,
        {**adam, "weight_decay": 0.01},
        RENAMES,
        [
            ("plain", {}),
            ("weight_decay", {"weight_decay": 0.5}),
            ("amsgrad", {"amsgrad": True, "beta2": 0.9}),
            ("everything", {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3, "weight_decay": 0.2, "amsgrad": True}),
        ],
    )


class OptaxLion:
    """optax's Lion on PyTorch's weights and gradients."""

    def __init__(self, weights, learning_rate, beta1, beta2, weight_decay):
        self.weights = weights
        self.transformation = optax.lion(learning_rate, b1=beta1, b2=beta2, weight_decay=weight_decay)
        self.state = self.transformation.init(self.values())

    def values(self):
        return {name: jax.numpy.asarray(weight.detach().numpy()) for name, weight in self.weights.items()}

    def step(self):
        gradients = {name: jax.numpy.asarray(weight.grad.numpy()) for name, weight in self.weights.items()}
        updates, self.state = self.transformation.update(gradients, self.state, self.values())
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight += to_torch(updates[name])


def lion():
    defaults = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.99, "weight_decay": 1e-3}
    for name, changes in [
        ("plain", {}),
        ("no weight_decay", {"weight_decay": 0.0}),
        ("betas", {"beta1": 0.8, "beta2": 0.95}),
        ("weight_decay", {"weight_decay": 0.5}),
    ]:
        options = {**defaults, **changes}
        add("Lion", name, options, lambda weights: OptaxLion(weights, **options))


def newton_schulz(update, coefficients, steps, epsilon):
    """PyTorch's orthogonalisation, which PyTorch itself does in bfloat16."""
    a, b, c = coefficients
    matrix = update.numpy()
    tall = matrix.shape[0] > matrix.shape[1]
    matrix = matrix.T if tall else matrix
    matrix = matrix / max(np.linalg.norm(matrix), epsilon)
    for _ in range(steps):
        gram = matrix @ matrix.T
        matrix = a * matrix + (b * gram + c * gram @ gram) @ matrix
    return torch.from_numpy(matrix.T if tall else matrix)


def muon():
    """PyTorch's Muon on the two matrices, in f64 throughout; the biases stay as they are."""
    module = torch.optim._muon
    in_bfloat16 = module._zeropower_via_newtonschulz
    for shape in [(4, 3), (3, 4), (5, 5)]:
        matrix = to_torch(generator(f"newton_schulz {shape}").standard_normal(shape))
        arguments = ((3.4445, -4.7750, 2.0315), 5, 1e-7)
        np.testing.assert_allclose(
            newton_schulz(matrix, *arguments), in_bfloat16(matrix, *arguments).double(), atol=0.05
        )
    module._zeropower_via_newtonschulz = newton_schulz

    defaults = {
        "learning_rate": 0.02,
        "momentum": 0.95,
        "nesterov": True,
        "weight_decay": 0.1,
        "ns_coefficients": [3.4445, -4.7750, 2.0315],
        "ns_steps": 5,
        "epsilon": 1e-7,
        "adjust_learning_rate": "original",
    }
    for name, changes in [
        ("plain", {}),
        ("no nesterov", {"nesterov": False}),
        ("no weight_decay", {"weight_decay": 0.0}),
        ("momentum", {"momentum": 0.8}),
        ("ns_steps", {"ns_steps": 3}),
        ("match_rms_adamw", {"adjust_learning_rate": "match_rms_adamw"}),
    ]:
        options = {**defaults, **changes}
        named = {RENAMES.get(option, option): value for option, value in options.items()}
        named["adjust_lr_fn"] = named.pop("adjust_learning_rate")
        add("Muon", name, options, lambda weights: torch.optim.Muon([weights[name] for name in MATRICES], **named))
    module._zeropower_via_newtonschulz = in_bfloat16


def lbfgs_run(loss_of, initial, options, steps, disturbance=0.0):
    """A run of `steps` iterations: the weights, the loss there, and how often the loss was evaluated.

    With `iterations_a_step` it is a run of `steps` steps, each of as many iterations, within PyTorch's own limit of
    evaluations.
    """
    iterations = options["iterations_a_step"]
    limits = {"max_iter": steps, "max_eval": 10**6} if iterations is None else {"max_iter": iterations}
    weights = start(initial, disturbance)
    optimizer = torch.optim.LBFGS(
        weights.values(),
        lr=options["learning_rate"],
        history_size=options["history_size"],
        **limits,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss = loss_of(weights)
        loss.backward()
        return loss

    for _ in range(min(steps, 1) if iterations is None else steps):
        optimizer.step(closure)
    values = {name: weight.detach().numpy().copy() for name, weight in weights.items()}
    state = optimizer.state.get(next(iter(weights.values())), {})
    return values, loss_of(weights).item(), state.get("func_evals", 0)


def lbfgs():
    network = {name: PROBLEM[name] for name in NAMES}
    rosenbrock = {"point": np.array([-1.2, 1.0])}
    for name, problem, loss_of, initial, steps, history_size, iterations in [
        ("network", "network", problem_loss, network, LBFGS_STEPS, 10, None),
        ("network, short history", "network", problem_loss, network, LBFGS_STEPS, 3, None),
        ("rosenbrock", "rosenbrock", rosenbrock_loss, rosenbrock, 35, 10, None),
        ("network, one iteration a step", "network", problem_loss, network, LBFGS_STEPS, 10, 1),
        ("rosenbrock, one iteration a step", "rosenbrock", rosenbrock_loss, rosenbrock, 12, 10, 1),
        ("rosenbrock, five iterations a step", "rosenbrock", rosenbrock_loss, rosenbrock, 7, 10, 5),
    ]:
        options = {"learning_rate": 1.0, "history_size": history_size, "iterations_a_step": iterations}
        runs = [lbfgs_run(loss_of, initial, options, step) for step in range(steps + 1)]
        path, losses, evaluations = zip(*runs, strict=True)
        for step, values in enumerate(path):
            disturbed, _, _ = lbfgs_run(loss_of, initial, options, step, 1e-15)
            assert all(np.abs(values[key] - disturbed[key]).max() < 1e-11 for key in initial), f"{name} step {step}"
        identity = f"Lbfgs/{name}"
        figures.add_case(
            {
                "id": identity,
                "optimizer": "Lbfgs",
                "problem": problem,
                "options": options,
                "steps": steps,
                "inputs": figures.add_tensors("problem", PROBLEM) if loss_of is problem_loss else {},
                "weights": figures.add_tensors(
                    f"{identity}/weights", {key: np.stack([values[key] for values in path]) for key in initial}
                ),
                "losses": figures.add_tensor(f"{identity}/losses", np.array(losses)),
                "evaluations": figures.add_tensor(f"{identity}/evaluations", np.array(evaluations)),
            }
        )


first_order()
lion()
muon()
lbfgs()

if __name__ == "__main__":
    figures.write(__file__)
