"""The layout of stored weights.

A live `SymmetrizedLinear` keeps its parameters in the order in which its product reads them, and its `state_dict` is
these parameters. Files hold them in the orbits' own order, which depends on the group alone, so that they can be read
whichever product computes the layer.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from aen.nn.linear import SymmetrizedLinear


def stored_state(module: nn.Module) -> dict[str, Tensor]:
    """Return a module's state in the layout of files. Tensors of other layers are the module's own."""
    state = dict(module.state_dict())
    for key, layer, name in _ordered(module, state):
        state[key] = layer.to_orbit_order(name, state[key])
    return state


def load_stored_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy a state in the layout of files into a module.

    Raises:
        RuntimeError: the state has other names or shapes; torch's own message says which.
    """
    live = dict(state)
    for key, layer, name in _ordered(module, live):
        if live[key].shape == layer.orders[name].shape:  # else load_state_dict says what is wrong
            live[key] = layer.from_orbit_order(name, live[key])
    module.load_state_dict(live)


def _ordered(module: nn.Module, state: Mapping[str, Tensor]) -> Iterator[tuple[str, SymmetrizedLinear, str]]:
    for place, layer in module.named_modules(remove_duplicate=False):
        for name in layer.orders if isinstance(layer, SymmetrizedLinear) else ():
            key = f"{place}.{name}" if place else name
            if key in state:
                yield key, layer, name
