"""The network of a finished search: training it longer, evaluating it, and predicting images with it."""

from aen_agents.network.evaluate import Evaluated, evaluate_run
from aen_agents.network.models import Model, find_model, find_run_model
from aen_agents.network.predict import Prediction, predict
from aen_agents.network.settings import TrainSettings
from aen_agents.network.train import train_run

__all__ = [
    "Evaluated",
    "Model",
    "Prediction",
    "TrainSettings",
    "evaluate_run",
    "find_model",
    "find_run_model",
    "predict",
    "train_run",
]
