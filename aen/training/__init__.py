"""Training children and measuring them."""

from aen._machine import available_cores
from aen.training.dense.population import population_bytes, train_population
from aen.training.device import check_device, check_threads, choose_device, idle_gpus
from aen.training.longer import Epoch, LongTraining, train_longer
from aen.training.loop import train_child
from aen.training.measuring import Measured, measure, measure_images, measure_test, right_images
from aen.training.moved_quality import MovedQuality, layer_errors, moved_quality
from aen.training.quality import Quality, logits_of, quality_of
from aen.training.required_memory import training_bytes
from aen.training.threads import cpu_threads
from aen.training.weights import children_by_epoch, load_child, save_weights

__all__ = [
    "Epoch",
    "LongTraining",
    "Measured",
    "MovedQuality",
    "Quality",
    "available_cores",
    "check_device",
    "check_threads",
    "children_by_epoch",
    "choose_device",
    "cpu_threads",
    "idle_gpus",
    "layer_errors",
    "load_child",
    "logits_of",
    "measure",
    "measure_images",
    "measure_test",
    "moved_quality",
    "population_bytes",
    "quality_of",
    "right_images",
    "save_weights",
    "train_child",
    "train_longer",
    "train_population",
    "training_bytes",
]
