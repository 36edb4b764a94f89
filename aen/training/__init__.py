"""Training children and measuring them."""

from aen.training.dense.population import population_bytes, train_population
from aen.training.device import available_cores, check_device, check_threads, choose_device, idle_gpus
from aen.training.loop import train_child
from aen.training.measuring import Measured, measure, measure_images, measure_test, right_images
from aen.training.required_memory import training_bytes
from aen.training.threads import cpu_threads
from aen.training.weights import load_child, save_weights

__all__ = [
    "Measured",
    "available_cores",
    "check_device",
    "check_threads",
    "choose_device",
    "cpu_threads",
    "idle_gpus",
    "load_child",
    "measure",
    "measure_images",
    "measure_test",
    "population_bytes",
    "right_images",
    "save_weights",
    "train_child",
    "train_population",
    "training_bytes",
]
