import helpers.planar_cases as cases
import pytest
import torch
from helpers.inheritance_cases import SPEC, in_file

from aen.data.dataset import Dataset, Split


def random_data(spec, n=24):
    """Random images and labels for a child."""

    def split(seed):
        labels = torch.randint(spec.classes, (n,), generator=cases.source(seed))
        images = cases.images(n, spec.channels, spec.side, spec.side, seed=seed, dtype=torch.float32)
        return Split(images, labels)

    return Dataset(spec.data, spec.classes, split(1), split(2))


@pytest.fixture(scope="session")
def data_of():
    return random_data


@pytest.fixture
def kept(tmp_path):
    """The file of a parent's weights."""
    in_file(SPEC, tmp_path)
    return tmp_path / f"{SPEC.key}.safetensors"
