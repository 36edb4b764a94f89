r"""Initial values of tied filters.

The free values of a filter bank are the filters of one channel per field; copies of them make the full filters. An
initialisation is named by what decides on the size of the free values:

- ``fan_in``: uniform within :math:`\pm 1/\sqrt{c k^2}` with c the number of input *channels*, the range of an ordinary
  convolution with the same full filters. Groups of any order start with full filters of the same size.
- ``uniform_by_fields``: uniform within :math:`\pm 1/\sqrt{f k^2}` with f the number of input *fields*.
- ``normal_by_fields``: normal with variance :math:`1/(f_{out} f_{in})`, whatever the kernel size. Between the same
  channels, full filters are then as large as the order of the group: 8 : 4 : 4 : 2 : 2 : 1 for D4, C4, D2, C2, D1, C1.
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from aen._typing import Float
from aen.errors import SpecError, did_you_mean
from aen.nn.fields import FieldType

FilterInitialisation = Literal["fan_in", "uniform_by_fields", "normal_by_fields"]


def check_initialisation(name: str) -> None:
    """Check that an initialisation of filters exists.

    Raises:
        SpecError: it does not.
    """
    known = get_args(FilterInitialisation)
    if name not in known:
        raise SpecError(f"unknown initialisation {name!r}{did_you_mean(str(name), known)}.")


def initial_filters(
    name: FilterInitialisation,
    in_type: FieldType,
    out_type: FieldType,
    kernel_size: int,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "fields in k k"]:
    """Draw the filters of one channel per field, on the CPU whatever the device.

    Args:
        name: of the initialisation.
        in_type: the channels that the convolution takes; the group of `out_type` acts on them.
        out_type: the channels that it gives.
        kernel_size: side of the filters.
        generator: source of the values; None takes torch's global one.
    """
    values = torch.empty(out_type.fields, in_type.channels, kernel_size, kernel_size)
    if name == "normal_by_fields":
        return values.normal_(0, 1 / math.sqrt(out_type.fields * in_type.fields), generator=generator)
    return values.uniform_(-1, 1, generator=generator).mul_(_bound(name, in_type, kernel_size))


def initial_biases(
    name: FilterInitialisation,
    in_type: FieldType,
    out_type: FieldType,
    kernel_size: int,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " fields"]:
    """Draw one bias per field, from the range of the filters; with ``normal_by_fields`` from that of ``fan_in``."""
    bound = _bound(name, in_type, kernel_size)
    return torch.empty(out_type.fields).uniform_(-1, 1, generator=generator).mul_(bound)


def _bound(name: FilterInitialisation, in_type: FieldType, kernel_size: int) -> float:
    inputs = in_type.fields if name == "uniform_by_fields" else in_type.channels
    return 1 / math.sqrt(inputs * kernel_size**2)
