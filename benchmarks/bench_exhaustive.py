"""All classes of the published space on G-MNIST `multi-3`, cold, as `aen search ... agent=exhaustive` does it.

Real MNIST where AEN_DATA has it; random images written as MNIST files otherwise (the time is the same, the accuracies
mean nothing). The yardstick is a plain PyTorch MLP of the same shape, trained once and multiplied by the number of
classes. Run: python benchmarks/bench_exhaustive.py [--workers 2] [--device cpu] [--population 1].
"""

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import print_table
from torch import nn

from aen.data.find import data_folders

CONFIG = ["paper/dense", "data.name=gmnist-multi-3", "name=gmnist_multi-3"]
CLASSES = 216


def has_mnist() -> bool:
    """Say whether MNIST is here."""
    return any(
        (folder / "MNIST" / "raw" / f"train-images-idx3-ubyte{ending}").is_file()
        for folder in data_folders()
        for ending in ("", ".gz")
    )


def write_noise(folder: Path) -> None:
    """Write random images in MNIST's format."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, n in (("train", 60_000), ("t10k", 10_000)):
        images = np.array([2051, n, 28, 28], ">i4").tobytes() + rng.integers(0, 256, n * 784, dtype=np.uint8).tobytes()
        labels = np.array([2049, n], ">i4").tobytes() + rng.integers(0, 10, n, dtype=np.uint8).tobytes()
        for name, content in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            with gzip.open(raw / f"{name}.gz", "wb", compresslevel=1) as file:
                file.write(content)


def plain_child_seconds() -> float:
    """Time one plain MLP at the same budget, with all cores."""
    images, labels = torch.randn(4000, 784), torch.randint(0, 10, (4000,))
    model = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    started = time.perf_counter()
    for _ in range(4):
        for batch in torch.split(torch.randperm(4000), 64):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    return time.perf_counter() - started


def main() -> None:
    """Run the search in a process of its own, with an empty cache."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--population", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        environment = os.environ | {"AEN_CACHE": f"{place}/cache"}
        if not has_mnist():
            write_noise(Path(place) / "data")
            environment["AEN_DATA"] = f"{place}/data"
        plain = min(plain_child_seconds() for _ in range(3))
        command = [str(Path(sys.executable).with_name("aen")), "search", *CONFIG, "agent=exhaustive"]
        command += [f"evaluator.workers={options.workers}", f"evaluator.device={options.device}"]
        command += [f"evaluator.population={options.population}", "--out", f"{place}/run"]
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        whole = time.perf_counter() - started
        summary = json.loads((Path(place) / "run" / "summary.json").read_text())
        clock = summary["seconds"]
        explored = whole - clock["total"] + clock["explore"]
    # The largest process and as many workers: an upper bound of what they held together.
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    rows = [
        ("all classes, from the start of the process", f"{explored:.0f} s"),
        ("one class", f"{explored / CLASSES:.2f} s"),
        ("plain MLP of the same shape and budget, all cores", f"{plain:.2f} s"),
        ("ratio", f"{explored / CLASSES / plain:.2f}"),
        ("the whole search: also selection on fresh seeds, test, report", f"{whole:.0f} s"),
        ("peak memory, at most", f"{(options.workers + 1) * largest:.2f} GiB"),
    ]
    title = f"{CLASSES} classes of gmnist_multi-3, 4,000 images x 4 epochs, cold, {options.workers} workers"
    print_table(f"{title}, {options.device}", ["what", ""], rows)


if __name__ == "__main__":
    main()
