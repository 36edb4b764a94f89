"""Errors that mean too little memory, each caused for real, and those that do not."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from aen.training.memory import is_out_of_memory

HUGE = 2**50


def caught(function):
    try:
        function()
    except Exception as error:  # noqa: BLE001 - of any kind
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(HUGE, dtype=torch.uint8),
        lambda: torch.ones(1).expand(HUGE).clone(),
        lambda: torch.zeros(2**24, 1) @ torch.zeros(1, 2**24),
        lambda: np.empty(HUGE, dtype=np.uint8),
        lambda: bytearray(HUGE),
        pytest.param(
            lambda: torch.empty(HUGE, dtype=torch.uint8, device="cuda"),
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
        ),
    ],
    ids=["empty", "clone", "product", "numpy", "python", "cuda"],
)
def test_an_allocation_that_cannot_succeed_is_one(allocate):
    assert is_out_of_memory(caught(allocate))


@pytest.mark.skipif(os.name != "posix", reason="needs limits of processes")
@pytest.mark.slow
def test_a_limit_of_the_process_is_one():
    code = (
        "import resource, torch\n"
        "from aen.training.memory import is_out_of_memory\n"
        "now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (now + 2**28, now + 2**28))\n"
        "try:\n"
        "    torch.zeros(2**30, dtype=torch.uint8)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, is_out_of_memory(error))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout == "RuntimeError True\n", found.stderr


@pytest.mark.parametrize(
    "error",
    [
        # As torch words them where no such device is at hand.
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError(),
    ],
    ids=["torch", "driver", "cublas", "cudnn", "python"],
)
def test_words_of_cuda_are_known(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "fail",
    [
        lambda: torch.zeros(2, 3) @ torch.zeros(2, 3),
        lambda: torch.zeros(3).index_select(0, torch.tensor([7])),
        lambda: torch.zeros(3).view(2),
        [].pop,
        lambda: {}["DefaultCPUAllocator: can't allocate memory"],
    ],
    ids=["shapes", "index", "view", "list", "words in another kind of error"],
)
def test_other_errors_are_none(fail):
    assert not is_out_of_memory(caught(fail))
