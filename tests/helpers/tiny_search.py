"""A search that runs in a few seconds, as its config says it."""

from aen._typing import JsonDict

TINY: JsonDict = {
    "name": "tiny",
    "data": {"train": 120, "validation": 120, "test": 120, "moves": ["rot90", "hflip"]},
    "alphabet": ["rot90", "hflip", "vflip", "swap_lr"],
    "child": {"hidden": [8]},
    "training": {"epochs": 2},
    "environment": {"horizon": 4},
    "budget": {"children": 6, "steps": 80},
    "agent": {"name": "dqn", "learn_after": 4, "batch_size": 8, "layers": [16]},
    "selection": {"top": 2, "seeds": 2},
}
