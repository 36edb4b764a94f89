"""Measure how invariant the network of a finished run is, and export it to plain torch.

Run: python examples/invariance.py RUN, where RUN is the folder of a search over G-CNN children (configs/gcnn/), whose
best network may be invariant as a whole.
"""

import argparse
from pathlib import Path

import torch

import aen
from aen.children import GCNNChild
from aen.data import load_dataset
from aen.errors import AenError


def main() -> None:
    """Print the largest relative change of the logits for each element of the group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder")
    try:
        child = aen.load(parser.parse_args().run)
    except AenError as error:
        parser.error(str(error))
    if not isinstance(child, GCNNChild):
        parser.error("this run's network is not a G-CNN; dense networks have check_equivariance().")
    images = load_dataset(child.spec.data).validation.images[:256]
    print(f"{child.spec.name}, head {child.spec.head}: largest change of the logits, relative to the largest logit")
    for element, error in child.check_invariance(images).items():
        print(f"  {element:<12} {error:.1e}")
    plain = child.export()
    with torch.no_grad():
        print(f"exported to plain torch, largest difference: {float((plain(images) - child(images)).abs().max()):.1e}")


if __name__ == "__main__":
    main()
