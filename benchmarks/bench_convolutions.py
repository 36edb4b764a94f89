"""Group convolutions beside plain ones of the same width, and escnn's.

Run: python benchmarks/bench_convolutions.py [threads].
"""

import statistics
import sys
import time
from collections.abc import Callable, Mapping

import torch
from common import median_seconds, print_table
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aen.children import GCNNSpec, build_child
from aen.groups.planar import PlanarGroup
from aen.nn import (
    EquivariantModule,
    EquivariantSequential,
    FieldType,
    GroupBatchNorm2d,
    GroupConv2d,
    InvariantLinear,
    LiftingConv2d,
    MixedConv2d,
    MixedInvariantLinear,
    Pointwise,
    SpatialPool2d,
    relax,
)
from aen.training import available_cores, cpu_threads

CLASSES = 10
SIX = ("C1", "C2", "C4", "D1", "D2", "D4")
D4 = PlanarGroup.of("D4")


def four_layers(fields: int) -> EquivariantSequential:
    """Return four 3x3 convolutions tied by D4, with pooling after the second and the fourth."""
    image, maps = FieldType.trivial(D4, 1), FieldType.regular(D4, fields)
    layers: list[EquivariantModule] = []
    for number in range(4):
        kind = GroupConv2d if number else LiftingConv2d
        layers += [kind(maps if number else image, maps, 3, padding="same"), Pointwise(maps, nn.ReLU())]
        if number % 2:
            layers.append(SpatialPool2d(maps, 2))
    return EquivariantSequential(*layers, InvariantLinear(maps, CLASSES))


def backbone(fields: int, groups: tuple[str, ...]) -> EquivariantSequential:
    """Return the backbone of EquiNAS for 28x28 images: eight 5x5 convolutions, mixed if there are several groups."""
    group = PlanarGroup.of(groups[0])
    here = FieldType(group, D4, 1, "trivial")
    layers: list[EquivariantModule] = []
    side = 28
    for number in range(8):
        maps = FieldType(group, D4, fields if number < 4 else 2 * fields)
        if len(groups) > 1:
            layers.append(MixedConv2d(here, maps, groups, 5, padding="same", bias=False))
        else:
            layers.append((GroupConv2d if number else LiftingConv2d)(here, maps, 5, padding="same", bias=False))
        layers += [GroupBatchNorm2d(maps), Pointwise(maps, nn.ReLU())]
        if number in (2, 4, 6):
            window = {"kernel_size": 2} if side % 2 == 0 else {"kernel_size": 3, "stride": 2, "padding": 1}
            layers.append(SpatialPool2d(maps, **window, kind="mean"))
            side = (side + 1) // 2
        here = maps
    head = MixedInvariantLinear(here, CLASSES, groups) if len(groups) > 1 else InvariantLinear(here, CLASSES)
    return EquivariantSequential(*layers, head)


def stepper(model: nn.Module, batch: int, channels: int = 1) -> Callable[[], None]:
    """Return a function that takes a training step with fused Adam on random images."""
    images, labels = torch.randn(batch, channels, 28, 28), torch.randint(CLASSES, (batch,))
    optimiser = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    model.train()

    def step() -> None:
        loss = cross_entropy(model(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def in_turns(functions: Mapping[str, Callable[[], object]], rounds: int = 25) -> dict[str, float]:
    """Time functions in turns, so that a machine that changes its speed does so for all; return the median seconds."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def shown(seconds: Mapping[str, float], yardstick: str) -> list[str]:
    """Return milliseconds and ratios to the yardstick."""
    plain = seconds[yardstick]
    return [
        f"{1000 * own:.1f} ms" + ("" if name == yardstick else f" ({own / plain:.2f})") for name, own in seconds.items()
    ]


def steerable_layers(fields: int) -> nn.Module:
    """Return the same four layers on escnn's filters, unpadded as they are there."""
    from aen.nn.steerable import SteerableFeatures

    features = SteerableFeatures("D4", (fields,) * 4)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * fields, CLASSES))


def main(threads: int) -> None:
    """Time training steps, the morphism, building and inference."""
    rows = []
    for fields in (4, 8):
        native = four_layers(fields)
        steerable = steerable_layers(fields)
        timed = in_turns({"plain": stepper(native.export(), 64), "native": stepper(native, 64)})
        theirs = in_turns(
            {
                "plain": stepper(nn.Sequential(steerable[0].export().train(), *steerable[1:]), 64),
                "escnn": stepper(steerable, 64),
            }
        )
        rows.append((f"{fields} fields, {8 * fields} channels", *shown(timed, "plain"), *shown(theirs, "plain")))
    heads = ["D4", "plain", "native (ratio)", "plain, unpadded", "escnn's filters (ratio)"]
    print_table(f"Training step, four 3x3 convolutions, 28x28, batch 64, {threads} threads", heads, rows)

    rows = []
    for fields in (4, 8):
        mixed, discrete = backbone(fields, SIX), backbone(fields, ("D4",))
        timed = in_turns(
            {
                "plain": stepper(discrete.export().train(), 16),
                "discrete": stepper(discrete, 16),
                "mixed": stepper(mixed, 16),
            },
            rounds=40,
        )
        rows.append((f"{fields} and {2 * fields} fields", *shown(timed, "plain")))
    heads = ["EquiNAS backbone", "plain", "D4 (ratio)", "mixed over six groups (ratio)"]
    print_table(f"Training step, eight 5x5 convolutions, 28x28, batch 16, {threads} threads", heads, rows)

    rows = []
    for fields in (4, 8):
        maps = FieldType.regular(D4, 2 * fields)
        layer = GroupConv2d(maps, maps, 5, padding="same", bias=False)
        milliseconds = {h: 1000 * median_seconds(lambda h=h, layer=layer: relax(layer, h), runs=15) for h in SIX[:-1]}
        rows.append((f"{2 * fields} fields, 5x5", *(f"{value:.1f} ms" for value in milliseconds.values())))
    print_table("relax() of one D4 convolution", ["layer", *(f"to {h}" for h in SIX[:-1])], rows)

    rows = []
    for backend in ("native", "escnn"):
        specs = [GCNNSpec(group="D4", head=head, backend=backend) for head in ("flatten", "invariant")]
        for spec in specs:
            build_child(spec)
        rows.append((backend, *(f"{1000 * median_seconds(lambda s=s: build_child(s), runs=15):.1f} ms" for s in specs)))
    print_table("Building a D4 child, bases and tables known", ["backend", "flatten", "invariant"], rows)

    rows = []
    for fields in (4, 8):
        native = four_layers(fields).eval()
        plain = plain_twin(native.export()).eval()
        images = torch.randn(64, 1, 28, 28)

        def ask(model: nn.Module, images: Tensor = images) -> Tensor:
            with torch.inference_mode():
                return model(images)

        exported = native.export()
        models = {"plain": plain, "exported": exported, "tied": native}
        timed = in_turns({name: lambda model=model: ask(model) for name, model in models.items()})
        rows.append((f"{fields} fields", *shown(timed, "plain")))
    heads = ["D4", "plain", "exported (ratio)", "as it was trained (ratio)"]
    print_table(f"Inference, batch 64, {threads} threads", heads, rows)


def plain_twin(model: nn.Module) -> nn.Module:
    """Return the same plain modules with other weights."""
    import copy

    twin = copy.deepcopy(model)
    for parameter in twin.parameters():
        nn.init.normal_(parameter.data, std=0.05)
    return twin


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else min(available_cores(), 2)
    with cpu_threads(count):
        main(count)
