"""The cost rule of tied layers: every product of some layers, timed, beside what the rule estimates for it.

Run: python benchmarks/bench_products.py.
"""

import torch
from common import median_seconds, print_table

from aen.groups import ALPHABETS, Decomposition, layer_orbits
from aen.nn.choice import Choice, choice_of, products_for
from aen.nn.tying import OrbitTable
from aen.training import cpu_threads

CASES = [
    *(("hflip",), ("rot90",), ("hflip", "vflip"), ("rot90", "hflip"), ("swap_tb_left",), ("hshift(4)",)),
    *(
        ("swap_tb_left", "swap_lr_bottom"),
        ("quadrants", "swap_tb_left"),
        ("hflip", "hshift(4)"),
        ALPHABETS["published"],
    ),
]
BATCH = 64


def seconds_of(choice: Choice, inputs: int, outputs: int) -> float:
    """Time what a step does with a layer: gather, multiply, both gradients, sum over orbits."""
    table = OrbitTable(choice.runs, choice.run)
    weight = torch.randn(len(choice.order))
    h, d_output = torch.randn(inputs, BATCH), torch.randn(outputs, BATCH)

    def step() -> None:
        _, saved = choice.product.forward(table.expand(weight), choice.product.encode(h))
        values, features = choice.product.gradient(saved, d_output, features=True)
        table.sums(values)
        choice.product.encode_gradient(features)

    return median_seconds(lambda: [step() for _ in range(20)], runs=7) / 20


def main() -> None:
    """Time them all on one core."""
    rows = []
    with cpu_threads(1), torch.no_grad():
        for names in CASES:
            decomposition = Decomposition.of(names)
            for i, o in ((28, 20), (20, 20)):
                orbits = layer_orbits(decomposition.generators, i, o)
                timed = []
                for product in products_for(orbits, i, o):
                    choice = choice_of(product, orbits, i, o)
                    timed.append((choice.nanoseconds, seconds_of(choice, i * i, o * o), choice))
                chosen = min(timed, key=lambda item: item[0])
                fastest = min(timed, key=lambda item: item[1])
                label = "all twelve" if len(names) > 4 else decomposition.name
                shown = ", ".join(
                    f"{type(c.product).__name__.removesuffix('Product')} {len(c.product.slots):,}: "
                    f"{1e6 * seconds:.0f} ({nanoseconds / 1000:.0f})"
                    for nanoseconds, seconds, c in timed
                )
                rows.append((label, f"{i} -> {o}", shown, f"{chosen[1] / fastest[1]:.2f}"))
    heads = ["decomposition", "layer", "product and its slots: microseconds (estimated)", "chosen / fastest"]
    print_table(f"Products of one layer, forward and gradients, batch {BATCH}, 1 thread", heads, rows)


if __name__ == "__main__":
    main()
