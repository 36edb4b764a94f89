"""Presets of earlier versions that became overrides of others: error messages name the command to use instead."""

from collections.abc import Mapping

_VARIANTS = ("none", *(f"multi-{i}" for i in range(1, 6)))
_DATA = {"gmnist": "mnist", "gfashion": "fashion_mnist"}
_GCNN = ("asl", "cifar10", "emnist", "fashion_mnist", "kmnist", "mnist", "rotmnist", "svhn")
_EQUINAS = {
    "cifar10": ("data.train=45000", "data.validation=5000", "data.test=10000"),
    "galaxy10": (),
    "isic": (),
    "mnist": ("data.train=54000", "data.validation=6000", "data.test=10000"),
    "rotmnist": (),
}


def _dense(data: str, variant: str) -> tuple[str, ...]:
    benchmark = {"gmnist": "gmnist", "gfashion": "gfashion_mnist"}[data]
    name = _DATA[data] if variant == "none" else f"{benchmark}-{variant}"
    changes = (f"data.name={name}", f"name={data}_{variant}")
    return ("paper/dense", *(() if (data, variant) == ("gmnist", "none") else changes))


def _gcnn(data: str) -> tuple[str, ...]:
    if data == "rotmnist":
        return ("paper/gcnn",)
    name = "emnist-balanced" if data == "emnist" else data
    size = ("data.test=7000",) if data == "asl" else ()
    return ("paper/gcnn", f"data.name={name}", *size, f"name=gcnn_{data}")


def _equinas(data: str, method: str) -> tuple[str, ...]:
    if not _EQUINAS[data]:
        return (f"paper/equinas_{method}{'' if data == 'rotmnist' else f'_{data}'}",)
    epochs = ("training.epochs=50",) if method == "d" else ()
    return (f"paper/equinas_{method}", f"data.name={data}", *_EQUINAS[data], *epochs, f"name=equinas_{method}_{data}")


# Words for `aen search`, by the name of the preset that they replace.
FORMER: Mapping[str, tuple[str, ...]] = {
    **{f"paper/{data}_{variant}": _dense(data, variant) for data in _DATA for variant in _VARIANTS},
    **{f"gcnn/{data}": _gcnn(data) for data in _GCNN},
    **{f"equinas/{data}_{method}": _equinas(data, method) for data in _EQUINAS for method in "de"},
}
