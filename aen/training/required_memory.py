"""Predicts how much memory of a device a training needs, before it is started."""

from typing import Any

import torch
from torch import Tensor

from aen.children.child import build_child
from aen.children.spec import ChildSpec
from aen.data.dataset import Dataset
from aen.training.dense.population import population_bytes
from aen.training.measuring import EVALUATION_BATCH

# Bytes per parameter: value, gradient, two moments of Adam.
_BYTES_PER_PARAMETER = 16
# What is kept for the backward pass is counted once more for gradients and workspaces of convolutions.
_GRADIENTS = 2
_IMAGES = 2  # on which the forward pass is measured; batch norm needs more than one


def training_bytes(spec: ChildSpec, dataset: Dataset, *, population: int = 1) -> int:
    """Predict the bytes of device memory that a worker needs to train a child, with the images.

    A forward pass on two images is run on the CPU to measure what it keeps for the backward pass.

    Args:
        spec: of the child.
        dataset: that it is trained on.
        population: number of children that are trained together.
    """
    images = sum(split.images.nbytes + split.labels.nbytes for split in (dataset.train, dataset.validation))
    prepared = 2 * images  # as they are read and as the child takes them
    if spec.population_key is not None:
        return prepared + population_bytes(spec, population)
    child = build_child(spec)
    kept: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage: Any = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    rows = child.prepare(dataset.train.images[:1].expand(_IMAGES, -1, -1, -1))
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        child.train().forward_prepared(rows)
    weights = {parameter.untyped_storage().data_ptr() for parameter in child.parameters()}
    per_image = sum(size for place, size in kept.items() if place not in weights) // _IMAGES
    batch = max(spec.training.batch_size, min(child.evaluation_batch, EVALUATION_BATCH, len(dataset.validation.labels)))
    return prepared + _GRADIENTS * batch * per_image + _BYTES_PER_PARAMETER * child.parameter_count()
