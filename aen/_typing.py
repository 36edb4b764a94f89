"""Types that several packages name. Arrays with shapes are checked when tests run, where jaxtyping is installed."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Num
else:
    try:
        from jaxtyping import Bool, Float, Int, Num
    except ImportError:

        class _AnyShape:
            def __class_getitem__(cls, item: object) -> object:
                return Any

        Bool = Float = Int = Num = _AnyShape

IntArray = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
JsonDict = dict[str, Any]
# How the weights of a tied layer are drawn; see `aen.nn.SymmetrizedLinear`.
Initialisation = Literal["fan_in", "published"]
# What a mixed layer makes of its strengths alpha; see `aen.nn.MixedConv2d`.
Weighting = Literal["softmax", "sum"]

__all__ = ["Bool", "Float", "Initialisation", "Int", "IntArray", "JsonDict", "Labels", "Num", "Weighting"]
