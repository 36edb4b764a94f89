"""Recognising errors that mean that memory ran out."""

import torch

# Parts of the messages where torch raises a plain RuntimeError: CPU allocator, CUDA's driver and libraries.
_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "defaultcpuallocator",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "could not create a primitive",  # oneDNN, of a convolution on a CPU
    "could not create a memory object",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that the machine or the device had too little memory for what was asked."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)
