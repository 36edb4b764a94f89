import numpy as np
import pytest
import torch


@pytest.fixture
def source():
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _nobody_draws_from_a_global_source():
    """What escnn draws while it builds must not be seen by anyone who draws from NumPy's or torch's own source."""
    before, torch_before = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    yield
    after = np.random.get_state()  # noqa: NPY002
    assert before[2:] == after[2:]
    assert np.array_equal(before[1], after[1])
    assert torch.equal(torch_before, torch.get_rng_state())
