"""Checks of the arguments of `symmetry_test`."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from aen._fields import shown
from aen.errors import DataError, GroupError
from aen.groups.alphabet import ALPHABETS, Alphabet
from aen.groups.decomposition import Decomposition
from aen.groups.factors import Factor
from aen.groups.grid import as_grid, is_signal

# Tested where nothing else is asked for, as far as they fit the images: the published alphabet and small groups.
DEFAULT_FACTORS = (
    *ALPHABETS["published"],
    *("rot180", "transpose", "hflip x vflip", "rot90 x| hflip", "swap_lr x swap_tb", "hshift(4) x vshift(4)"),
)
Factors = str | Decomposition | Alphabet | Iterable[str | Factor | Decomposition]
_IMAGE_AXES = (3, 4)


def checked_images(images: object) -> Tensor:
    """Return images as a CPU tensor ``[n, channels, rows, columns]``; uint8 stays uint8, all else becomes float32.

    Raises:
        DataError: they are not images, or not finite, or no image has two different values.
    """
    tensor = _as_tensor("images", images)
    if tensor.ndim not in _IMAGE_AXES or 0 in tensor.shape:
        raise DataError(
            f"images has shape {list(tensor.shape)}; give [n, rows, columns] or [n, channels, rows, columns], "
            "with at least one image."
        )
    if tensor.is_complex():
        raise DataError("images has complex numbers; give their real parts or magnitudes.")
    tensor = tensor[:, None] if tensor.ndim == _IMAGE_AXES[0] else tensor
    if tensor.dtype != torch.uint8:
        tensor = tensor.float()
        broken = (~tensor.isfinite()).flatten(1).any(dim=1).nonzero()
        if len(broken):
            raise DataError(
                f"images has values that are not finite (NaN or infinite), first in image {int(broken[0])}; "
                "remove or repair them."
            )
    flat = tensor.flatten(2)
    if bool((flat == flat[:, :, :1]).all()):
        raise DataError("images are constant: no image has two different values, so moving cells changes nothing.")
    return tensor


def checked_labels(labels: object, images: int) -> Tensor:
    """Return labels as whole numbers ``[n]``.

    Raises:
        DataError: another number of labels than images, or no whole numbers.
    """
    text = _first_text(labels)
    if text is not None:
        raise DataError(
            f"labels are text, such as {shown(text)}, but must be whole numbers, one for each class; give "
            "np.unique(labels, return_inverse=True)[1]."
        )
    tensor = _as_tensor("labels", labels)
    if tensor.ndim != 1 or len(tensor) != images:
        raise DataError(f"labels has shape {list(tensor.shape)} but there are {images} images; give one label each.")
    if tensor.is_floating_point() or tensor.is_complex():
        raise DataError(
            f"labels are {str(tensor.dtype).removeprefix('torch.')} but must be whole numbers, one for each class."
        )
    return tensor.long()


def checked_number(name: str, value: object, least: int) -> int:
    """Return a whole number.

    Raises:
        DataError: it is none, or below `least`.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise DataError(f"{name} is {shown(value)} but must be a whole number, such as {max(least, 1)}.")
    if value < least:
        raise DataError(f"{name} is {value}; it must be at least {least}.")
    return int(value)


def default_factors(images: Tensor) -> tuple[str, ...]:
    """Return the factors to test where none are named.

    On signals these are those of the alphabet ``signal``, which leave the channels in place. The sign is among
    them if the lower half of the rows is the negative of the upper one; see `aen.data.lift_sign`.

    Args:
        images: ``[n, channels, rows, columns]``.
    """
    rows, columns = images.shape[2:]
    if not is_signal(as_grid((rows, columns))):
        return DEFAULT_FACTORS
    lifted = (
        rows % 2 == 0
        and images.is_floating_point()
        and torch.equal(images[:, :, : rows // 2], -images[:, :, rows // 2 :])
    )
    return tuple(factor for factor in ALPHABETS["signal"] if lifted or "sign" not in factor)


def factors_of(factors: Factors) -> tuple[Decomposition, ...]:
    """Return the factors to test, each as the decomposition whose group is tested.

    Args:
        factors: an alphabet or its name, a factor, or several factors or decompositions. A decomposition in a list is
            tested as one group; a decomposition alone, too.

    Raises:
        GroupError: none, one twice, or one that does not exist.
    """
    if isinstance(factors, str):
        factors = ALPHABETS.get(factors, (factors,))
    if isinstance(factors, Alphabet):
        factors = factors.factors
    if isinstance(factors, Decomposition | Factor):
        factors = (factors,)
    if not isinstance(factors, Iterable) or isinstance(factors, Mapping | bytes):
        raise GroupError(f"factors is {shown(factors)} but must be a list such as ['rot90', 'hflip x vflip'].")
    found = tuple(item if isinstance(item, Decomposition) else Decomposition.of([item]) for item in factors)
    if not found:
        raise GroupError("factors is empty; name at least one, such as ['rot90'], or leave it out.")
    for item in found:
        if not item.factors:
            raise GroupError("factors has a decomposition without factors, which moves nothing; leave it out.")
        if found.count(item) > 1:
            raise GroupError(f"factors has {item.name!r} more than once; give each once.")
    return found


def _as_tensor(name: str, value: object) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().cpu()
    try:
        array = np.asarray(value)
        if array.dtype.kind in "iu" and array.dtype != np.uint8:  # also types and byte orders that torch lacks
            array = array.astype(np.int64)
        elif array.dtype.kind == "f":
            array = array.astype(np.float64)
        return torch.from_numpy(np.ascontiguousarray(array))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is no array of numbers ({error}); give a NumPy array or a tensor.") from error


def _first_text(labels: object) -> str | None:
    """Return the first label if the labels are text."""
    if isinstance(labels, Tensor):
        return None
    try:
        array = np.asarray(labels)
    except (TypeError, ValueError):  # which is said of all that is no array
        return None
    first = array.flat[0] if array.size else None
    if isinstance(first, bytes):
        return first.decode(errors="replace")
    return str(first) if isinstance(first, str) else None
