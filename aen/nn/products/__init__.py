"""Products ``x W`` with a tied matrix, computed in different ways; all give the same results up to rounding."""

from aen.nn.products.base import Product, multiply
from aen.nn.products.expanded import ExpandedProduct
from aen.nn.products.merged import MergedProduct
from aen.nn.products.spectral import SpectralProduct
from aen.nn.products.split import SplitProduct

__all__ = ["ExpandedProduct", "MergedProduct", "Product", "SpectralProduct", "SplitProduct", "multiply"]
