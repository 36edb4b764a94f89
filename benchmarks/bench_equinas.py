"""EquiNAS: the price of an offspring and of a step of differentiable search, beside plain convolutions.

Run: python benchmarks/bench_equinas.py [threads].
"""

import contextlib
import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from common import print_table
from torch import nn
from torch.nn.functional import cross_entropy

from aen.children import EquiNASChild, EquiNASSpec, TrainingSpec
from aen.training import available_cores, cpu_threads, save_weights
from aen.training.architecture import ArchitectureSteps, weights_alone
from aen.training.inheritance import inherit
from aen.training.optimisers import state_by_name, weight_optimiser
from aen.training.weights import Progress

SIX = ("D4", "C4", "D2", "C2", "D1", "C1")
BATCH = 16
SLICE = ("C4", "C2", "C1")


def images(count: int = BATCH) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random images and labels."""
    source = torch.Generator().manual_seed(0)
    return torch.randn(count, 1, 28, 28, generator=source), torch.randint(10, (count,), generator=source)


def trained(spec: EquiNASSpec) -> tuple[EquiNASChild, torch.optim.Optimizer]:
    """Return a child after one step, so that its optimiser has a state."""
    child = EquiNASChild(spec)
    optimiser = weight_optimiser(child, spec.training)
    x, labels = images()
    cross_entropy(child(x), labels).backward()
    optimiser.step()
    return child, optimiser


def offspring(width: int, optimiser_name: str) -> list[str]:
    """Time making offspring: the last convolution relaxed step by step, in memory and from the parent's file."""
    momentum = 0.9 if optimiser_name == "sgd" else 0.0
    training = TrainingSpec(epochs=0.2, batch_size=BATCH, optimiser=optimiser_name, momentum=momentum)
    parent, optimiser = trained(EquiNASSpec(width=width, training=training))
    in_memory, from_file = [], []
    with tempfile.TemporaryDirectory() as folder:
        save_weights(
            parent, Path(folder) / f"{parent.spec.key}.safetensors", Progress(1, state_by_name(parent, optimiser))
        )
        for _ in range(7):
            for group in SLICE:
                own = copy.deepcopy(optimiser, {id(p): p for p in parent.parameters()})
                started = time.perf_counter()
                parent.relaxed(7, group, own)
                in_memory.append(time.perf_counter() - started)
                spec = replace(parent.spec.relaxed(7, group), parent=parent.spec.key)
                started = time.perf_counter()
                with torch.no_grad():
                    inherit(spec, Path(folder), None, "cpu")
                from_file.append(time.perf_counter() - started)
    return [f"{1000 * statistics.median(times):.1f} ms" for times in (in_memory, from_file)]


def plain_step(child: EquiNASChild) -> Callable[[], None]:
    """Return a training step of the same network made of plain convolutions."""
    return weight_step(child.export().train(), child.spec.training)


def weight_step(network: nn.Module, training: TrainingSpec) -> Callable[[], None]:
    """Return a step of the weights on one batch."""
    optimiser = (
        weight_optimiser(network, training)
        if isinstance(network, EquiNASChild)
        else torch.optim.Adam(network.parameters(), training.learning_rate, fused=True)
    )
    x, labels = images()

    def step() -> None:
        with weights_alone(network.architecture() if isinstance(network, EquiNASChild) else None):
            loss = cross_entropy(network(x), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

    return step


def both_steps(child: EquiNASChild) -> Callable[[], None]:
    """Return a step of the weights and one of alpha, as `aen.training.autograd.fit` takes them."""
    architecture = child.architecture()
    assert architecture is not None
    x, labels = images()
    steps = ArchitectureSteps(architecture, child, child.spec, len(labels), x.device)
    weights = weight_step(child, child.spec.training)
    count = iter(range(10**9))

    def step() -> None:
        weights()
        with weights_alone(architecture):
            steps.step(x, labels, next(count), contextlib.nullcontext())

    return step


def in_turns(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each, taken in turns, since the machine's speed varies."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 2):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if number > 1:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(own) for name, own in times.items()}


def main(threads: int) -> None:
    """Time offspring and steps."""
    rows = [
        (f"{width} and {2 * width} fields", name, *offspring(width, name))
        for width in (4, 16)
        for name in ("sgd", "adam")
    ]
    heads = ["28x28 backbone", "optimiser", "relaxed in memory", "from the parent's file"]
    print_table(
        f"One offspring: the last convolution relaxed, with the optimiser's state, {threads} threads", heads, rows
    )

    rows = []
    for width in (4, 8):
        training = TrainingSpec(batch_size=BATCH, learning_rate=1e-3)
        plain = EquiNASChild(EquiNASSpec(width=width, training=training))
        mixed = EquiNASChild(EquiNASSpec(width=width, mixed=SIX, training=training)).train()
        timed = in_turns(
            {"plain": plain_step(plain), "weights": weight_step(mixed, training), "both": both_steps(mixed)}, 25
        )
        ratios = [f"{1000 * timed[name]:.0f} ms ({timed[name] / timed['plain']:.2f})" for name in ("weights", "both")]
        rows.append((f"{width} and {2 * width} fields", f"{1000 * timed['plain']:.0f} ms", *ratios))
    heads = ["28x28 backbone, six groups", "plain", "step of the weights (ratio)", "weights and alpha (ratio)"]
    print_table(f"One step of EquiNAS_D, batch {BATCH}, {threads} threads", heads, rows)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else available_cores()
    with cpu_threads(count):
        main(count)
