"""Training children and measuring them."""

from aen.training.device import check_device, check_threads
from aen.training.loop import cpu_threads, measure, measure_test, train_child
from aen.training.weights import load_child, save_weights

__all__ = [
    "check_device",
    "check_threads",
    "cpu_threads",
    "load_child",
    "measure",
    "measure_test",
    "save_weights",
    "train_child",
]
