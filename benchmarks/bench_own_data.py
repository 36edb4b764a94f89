"""How long own data takes to load, beside reading its files.  Run: python benchmarks/bench_own_data.py [IMAGES]."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import print_table
from PIL import Image

CLASSES, SIDE = 10, 32
LOAD = """
import resource, sys, time
started = time.perf_counter()
import aen.data
from aen.data import data_spec, load_dataset
import PIL.Image
imported = time.perf_counter()
data = load_dataset(data_spec(sys.argv[1]))
seconds, cpu = time.perf_counter() - imported, time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(seconds, imported - started, peak, cpu)
"""


def write_folder(root: Path, images: int) -> None:
    """Write colour images of smooth noise, as class folders of PNG files."""
    draw = np.random.default_rng(0)
    for label in range(CLASSES):
        (root / f"class_{label}").mkdir(parents=True)
    for number in range(images):
        coarse = Image.fromarray(draw.integers(256, size=(8, 8, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE)).save(root / f"class_{number % CLASSES}" / f"{number}.png")


def load(folder: Path, cache: Path) -> list[float]:
    """Load a folder in a new process: seconds, seconds of imports, bytes of memory, CPU seconds in all."""
    environment = os.environ | {"AEN_CACHE": str(cache)}
    found = subprocess.run(
        [sys.executable, "-c", LOAD, str(folder)], env=environment, check=True, capture_output=True, text=True
    )
    return [float(word) for word in found.stdout.split()]


def main() -> None:
    """Time the first and the second load."""
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as scratch:
        folder, cache = Path(scratch) / "images", Path(scratch) / "cache"
        write_folder(folder, images)
        started = time.perf_counter()
        for path in folder.rglob("*.png"):
            path.read_bytes()
        reading = time.perf_counter() - started
        rows = []
        for name in ("first load", "second load"):
            seconds, imports, peak, cpu = load(folder, cache)
            rows.append((name, f"{seconds:.1f} s", f"{imports:.1f} s", f"{cpu:.1f} s", f"{peak / 2**30:.2f} GiB"))
        rows.append(("reading the files alone", f"{reading:.1f} s", "", "", ""))
    print_table(
        f"{images:,} colour images of {SIDE}x{SIDE} in class folders (PNG)",
        ["what", "time", "imports, not counted", "processor time, imports included", "peak memory"],
        rows,
    )


if __name__ == "__main__":
    main()
