"""The built-in data sets: one file each, with its reader, its files, their checksums and where to download them.

To add one, write its file and name it here. Other packages add theirs by the entry-point group ``aen.data_sets``; see
`aen.data.registry`.
"""

from aen.data.sets import (
    asl,
    cifar10,
    digits,
    emnist,
    fashion_mnist,
    galaxy10,
    isic,
    kmnist,
    mnist,
    rotmnist,
    svhn,
)
from aen.data.source import Source

# In the order in which `aen data list` shows them.
SOURCES: dict[str, Source] = {
    name: source
    for module in (digits, mnist, fashion_mnist, kmnist, emnist, cifar10, svhn, galaxy10, isic, asl, rotmnist)
    for name, source in module.SOURCES.items()
}

__all__ = ["SOURCES"]
