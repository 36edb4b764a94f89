"""Training children and measuring them."""

from aen.training.dense.population import population_bytes, train_population
from aen.training.device import available_cores, check_device, check_threads, choose_device, idle_gpus
from aen.training.longer import Epoch, LongTraining, train_longer
from aen.training.loop import train_child
from aen.training.measuring import Measured, measure, measure_test
from aen.training.required_memory import training_bytes
from aen.training.threads import cpu_threads
from aen.training.weights import load_child, save_weights

__all__ = [
    "Epoch",
    "LongTraining",
    "Measured",
    "available_cores",
    "check_device",
    "check_threads",
    "choose_device",
    "cpu_threads",
    "idle_gpus",
    "load_child",
    "measure",
    "measure_test",
    "population_bytes",
    "save_weights",
    "train_child",
    "train_longer",
    "train_population",
    "training_bytes",
]
