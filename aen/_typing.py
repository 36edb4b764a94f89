"""Array types with shapes in the signature: checked when tests run, any type where jaxtyping is not installed."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Num
else:
    try:
        from jaxtyping import Float, Int, Num
    except ImportError:

        class _AnyShape:
            def __class_getitem__(cls, item: object) -> object:
                return Any

        Float = Int = Num = _AnyShape

IntArray = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int32]
JsonDict = dict[str, Any]

__all__ = ["Float", "Int", "IntArray", "JsonDict", "Labels", "Num"]
