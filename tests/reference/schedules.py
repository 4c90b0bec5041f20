"""Writes `schedules.safetensors`: learning rates of PyTorch's schedulers. See README.md for the schema."""

import numpy as np
import torch
from torch.optim import lr_scheduler

from figures import Figures, generator

BASE = 0.1
STEPS = 60
figures = Figures()


def optimizer(learning_rate=BASE):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=learning_rate)


def learning_rates(scheduler, metrics=None, option="lr"):
    """The rate, or another option, of each step: of step 0 before the scheduler is called, of step t after t calls."""
    rates = [scheduler.optimizer.param_groups[0][option]]
    for step in range(STEPS - 1):
        scheduler.optimizer.step()
        scheduler.step() if metrics is None else scheduler.step(metrics[step])
        rates.append(scheduler.optimizer.param_groups[0][option])
    return np.array(rates, np.float64)


def add(schedule, name, options, scheduler, metrics=None, momentum=None):
    """A scheduler's rates; `momentum`, where it has one, is that of the same steps."""
    identity = f"{schedule}/{name}"
    case = {"id": identity, "schedule": schedule, "options": options, "inputs": {}}
    if metrics is not None:
        case["inputs"]["metrics"] = figures.add_tensor(f"{identity}/metrics", metrics)
    rates = learning_rates(scheduler, metrics)
    case["learning_rates"] = figures.add_tensor(f"{identity}/learning_rates", rates)
    case["momentum"] = None if momentum is None else figures.add_tensor(f"{identity}/momentum", momentum)
    figures.add_case(case)


def step_by_step():
    for step_size, gamma in [(10, 0.5), (1, 0.9), (25, 0.1)]:
        options = {"learning_rate": BASE, "step_size": step_size, "gamma": gamma}
        add("step", f"every {step_size}", options, lr_scheduler.StepLR(optimizer(), step_size, gamma))
    for milestones, gamma in [([10, 30, 45], 0.3), ([1, 2], 0.5)]:
        options = {"learning_rate": BASE, "milestones": milestones, "gamma": gamma}
        add("multi_step", f"at {milestones}", options, lr_scheduler.MultiStepLR(optimizer(), milestones, gamma))
    for gamma in [0.95, 0.5]:
        options = {"learning_rate": BASE, "gamma": gamma}
        add("exponential", f"gamma {gamma}", options, lr_scheduler.ExponentialLR(optimizer(), gamma))
    for total, power in [(40, 1.0), (40, 2.0), (100, 0.5)]:
        options = {"learning_rate": BASE, "total_steps": total, "power": power}
        scheduler = lr_scheduler.PolynomialLR(optimizer(), total, power)
        add("polynomial", f"power {power} over {total}", options, scheduler)


def cosine():
    # PyTorch's rate rises again after the last step of the period; that is left out.
    for period, minimum in [(STEPS, 0.0), (STEPS, 0.01), (STEPS - 1, 0.001), (200, 0.0)]:
        options = {"learning_rate": BASE, "total_steps": period, "minimum": minimum}
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer(), period, minimum)
        add("cosine", f"over {period} to {minimum}", options, scheduler)
    for first, factor, minimum in [(20, 1, 0.0), (5, 2, 0.01), (8, 3, 0.0)]:
        options = {"learning_rate": BASE, "first_period": first, "period_factor": factor, "minimum": minimum}
        scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer(), first, factor, minimum)
        add("cosine_with_restarts", f"{first} times {factor}", options, scheduler)


def warm_up():
    for start, end, total in [(0.1, 1.0, 10), (1e-3, 1.0, 25), (1.0, 0.2, 30)]:
        options = {"learning_rate": BASE, "start_factor": start, "end_factor": end, "total_steps": total}
        scheduler = lr_scheduler.LinearLR(optimizer(), start, end, total)
        add("linear", f"{start} to {end} over {total}", options, scheduler)
    warmed = optimizer()
    scheduler = lr_scheduler.SequentialLR(
        warmed, [lr_scheduler.LinearLR(warmed, 0.1, 1.0, 10), lr_scheduler.CosineAnnealingLR(warmed, 50)], [10]
    )
    options = {
        "learning_rate": BASE,
        "milestone": 10,
        "first": {"schedule": "linear", "start_factor": 0.1, "end_factor": 1.0, "total_steps": 10},
        "second": {"schedule": "cosine", "total_steps": 50, "minimum": 0.0},
    }
    add("chain", "linear then cosine", options, scheduler)


def one_cycle():
    for anneal in ["cosine", "linear"]:
        for fraction, division, final_division, three_phases in [
            (0.3, 25.0, 1e4, False),
            (0.2, 10.0, 100.0, False),
            (0.25, 25.0, 1e4, True),
        ]:
            options = {
                "max_learning_rate": BASE,
                "total_steps": STEPS,
                "warm_up_fraction": fraction,
                "anneal": anneal,
                "initial_division": division,
                "final_division": final_division,
                "three_phases": three_phases,
                "least_momentum": 0.85,
                "most_momentum": 0.95,
            }

            def scheduler():
                return lr_scheduler.OneCycleLR(
                    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE, momentum=0.9),
                    max_lr=BASE,
                    total_steps=STEPS,
                    pct_start=fraction,
                    anneal_strategy="cos" if anneal == "cosine" else "linear",
                    base_momentum=options["least_momentum"],
                    max_momentum=options["most_momentum"],
                    div_factor=division,
                    final_div_factor=final_division,
                    three_phase=three_phases,
                )

            momentum = learning_rates(scheduler(), option="momentum")
            name = f"{anneal} {fraction}{' three phases' if three_phases else ''}"
            add("one_cycle", name, options, scheduler(), momentum=momentum)


def reduce_on_plateau():
    rng = generator("metrics")
    falling = 2.0 * np.exp(-0.15 * np.arange(STEPS - 1)) + 0.5 + 0.02 * rng.standard_normal(STEPS - 1)
    for name, changes in [
        ("minimum", {"patience": 3}),
        ("maximum", {"mode": "max", "patience": 4}),
        ("absolute threshold", {"patience": 2, "threshold": 0.05, "threshold_mode": "absolute"}),
        ("cooldown", {"patience": 2, "cooldown": 5}),
        ("no patience", {"patience": 0, "factor": 0.8, "minimum": 0.02}),
        (
            "maximum, absolute threshold",
            {"mode": "max", "patience": 2, "threshold": 0.05, "threshold_mode": "absolute"},
        ),
    ]:
        options = {
            "learning_rate": BASE,
            "mode": "min",
            "factor": 0.5,
            "patience": 10,
            "threshold": 1e-4,
            "threshold_mode": "relative",
            "cooldown": 0,
            "minimum": 0.0,
            "epsilon": 1e-8,
            **changes,
        }
        scheduler = lr_scheduler.ReduceLROnPlateau(
            optimizer(),
            mode=options["mode"],
            factor=options["factor"],
            patience=options["patience"],
            threshold=options["threshold"],
            threshold_mode=options["threshold_mode"][:3],
            cooldown=options["cooldown"],
            min_lr=options["minimum"],
            eps=options["epsilon"],
        )
        add("reduce_on_plateau", name, options, scheduler, falling if options["mode"] == "min" else 4.0 - falling)


step_by_step()
cosine()
warm_up()
one_cycle()
reduce_on_plateau()

if __name__ == "__main__":
    figures.write(__file__)
