r"""The equivariance relaxation morphism (EquiNAS, arXiv 2210.05484) and its inverse.

A layer tied by G becomes one tied by a subgroup H with the same full weights, hence the same function, and more
freedom: with F the full weights, each free value of the relaxed layer is the value of F where it stands. Channels keep
their places (`aen.nn.fields.FieldType`), so the layers around are not touched. The inverse is a projection: each free
value of the layer tied by the larger group is the mean of F over its orbit.

An optimiser's state goes along: the gradient of a free value is the sum of F's gradient over its orbit, so what is
carried like a gradient (momentum) is divided by the number of orbits that one orbit falls into, [G:H] for group
convolutions, and what is carried like its square (Adam's second moment) by the square of that.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from aen.errors import SpecError
from aen.groups.planar import PlanarGroup
from aen.nn.group_norm import GroupBatchNorm2d
from aen.nn.group_pool import FreeModule, GroupPool
from aen.nn.module import EquivariantModule, TiedModule
from aen.nn.sequential import EquivariantSequential

Tied = TypeVar("Tied", bound=EquivariantModule)

# The optimiser state that torch's SGD, Adam, AdamW and RMSprop keep of each parameter, by how it follows the gradient.
_LIKE_GRADIENT = ("momentum_buffer", "exp_avg", "grad_avg")
_LIKE_ITS_SQUARE = ("exp_avg_sq", "max_exp_avg_sq", "square_avg")


def relax(layer: Tied, subgroup: PlanarGroup | str) -> Tied:
    """Return a layer that computes the same, tied by a subgroup only.

    Args:
        layer: a convolution, batch norm, invariant dense layer or one without parameters.
        subgroup: a subgroup of the layer's group.

    Raises:
        GroupError: it is none.
        SpecError: a layer that cannot be relaxed: a pooling over the group, whose outputs would be others.
    """
    subgroup = PlanarGroup.of(subgroup)
    layer.group.check_subgroup(subgroup)
    if isinstance(layer, GroupPool):
        remedy = (
            "leave it out and end with InvariantLinear, which can"
            if layer.kind == "mean"
            else "use a mean, in InvariantLinear"
        )
        raise SpecError(f"a {layer.kind} over {layer.group} cannot be relaxed to {subgroup}: {remedy}.")
    return _moved(layer, subgroup)


def project(layer: Tied, group: PlanarGroup | str) -> Tied:
    """Return the layer tied by a larger group whose full weights are nearest: their mean over the group.

    Args:
        layer: a convolution, batch norm or invariant dense layer. (A batch norm's variances are averaged as they are.)
        group: contains the layer's group and is a subgroup of the base of its channels.

    Raises:
        GroupError: it does not contain the layer's group, or the channels are not laid out for it.
    """
    group = PlanarGroup.of(group)
    group.check_subgroup(layer.group)
    return _moved(layer, group)


@torch.no_grad()
def _moved(layer: Tied, group: PlanarGroup) -> Tied:
    if not isinstance(layer, TiedModule):
        if isinstance(layer, FreeModule):
            free = layer.regrouped(group)
            free.training = layer.training
            return free
        raise SpecError(f"{type(layer).__name__} has no group to change; relax the layers in it.")
    other = layer.regrouped(group)
    theirs = other.tables()
    for name, table in layer.tables().items():
        values, target = _named(layer, name), _named(other, name)
        full = table.expand(values.reshape(-1))
        # The mean over each orbit. Where all of its values are equal anyway, one of them: exactly the same function.
        down = group <= layer.group
        found = theirs[name].first(full) if down else theirs[name].sums(full) / theirs[name].sizes()
        target.copy_(found.view(target.shape))
    for name, values in _untied(layer):
        _named(other, name).copy_(values)
    return other


def _named(layer: nn.Module, name: str) -> Tensor:
    """Return a parameter or buffer of a layer or of a module in it, such as ``function.weight``."""
    value: Tensor = attrgetter(name)(layer)
    return value


def _untied(layer: TiedModule) -> Iterable[tuple[str, Tensor]]:
    return ((name, values) for name, values in layer.named_parameters() if name not in layer.tables())


@torch.no_grad()
def distance_to(layer: TiedModule, group: PlanarGroup | str) -> float:
    """Return how far a layer's weights are from those of a layer tied by a larger group, relative to their size.

    It is ``|F - P F| / |F|`` with F the full weights and P the projection: 0 if the layer is equivariant to the group,
    and at most 1.

    Raises:
        GroupError: as `project`.
    """
    other = project(layer, group)
    full = layer.tables()["weight"].expand(_named(layer, "weight").reshape(-1))
    nearest = other.tables()["weight"].expand(_named(other, "weight").reshape(-1))
    norm = torch.linalg.vector_norm(full)
    return float(torch.linalg.vector_norm(full - nearest) / norm.clamp_min(torch.finfo(norm.dtype).tiny))


@contextmanager
def restoring(optimiser: torch.optim.Optimizer | None) -> Iterator[None]:
    """Give an optimiser its parameters and state back if what happens inside fails."""
    if optimiser is None:
        yield
        return
    params, state = [list(group["params"]) for group in optimiser.param_groups], dict(optimiser.state)
    try:
        yield
    except BaseException:
        for group, own in zip(optimiser.param_groups, params, strict=True):
            group["params"] = own
        optimiser.state.clear()
        optimiser.state.update(state)
        raise


@torch.no_grad()
def carry_state(optimiser: torch.optim.Optimizer, layer: EquivariantModule, relaxed: EquivariantModule) -> None:
    """Replace the parameters that an optimiser holds by those of a relaxed layer, with the state of the old ones.

    Args:
        optimiser: any of torch's that keep moments of the gradient: SGD, Adam, AdamW, RMSprop.
        layer: the layer that the optimiser holds.
        relaxed: what `relax` made of it.

    Raises:
        SpecError: the optimiser does not hold the layer, or keeps state of an unknown kind.
    """
    theirs = dict(relaxed.named_parameters())
    held = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
    carried: dict[str, dict[str, Any]] = {}
    for name, parameter in layer.named_parameters():
        if id(parameter) not in held:
            raise SpecError("the optimiser does not hold the layer's parameters; make it from network.parameters().")
        if parameter in optimiser.state:
            carried[name] = _carried(optimiser, layer, relaxed, name)
    # Nothing was changed before all is known to work.
    for name, parameter in layer.named_parameters():
        for group in optimiser.param_groups:
            group["params"] = [theirs[name] if own is parameter else own for own in group["params"]]
        optimiser.state.pop(parameter, None)
        if name in carried:
            optimiser.state[theirs[name]] = carried[name]


def _carried(
    optimiser: torch.optim.Optimizer, layer: EquivariantModule, relaxed: EquivariantModule, name: str
) -> dict[str, Any]:
    """Return the state of a relaxed layer's parameter."""
    before, after = _named(layer, name), _named(relaxed, name)
    state = optimiser.state[before]
    old = layer.tables().get(name) if isinstance(layer, TiedModule) else None
    new = relaxed.tables().get(name) if isinstance(relaxed, TiedModule) else None
    carried: dict[str, Any] = {}
    for key, value in state.items():
        if not isinstance(value, Tensor) or value.shape != before.shape or old is None or new is None:
            carried[key] = value
            continue
        power = 1 if key in _LIKE_GRADIENT else 2 if key in _LIKE_ITS_SQUARE else None
        if key == "momentum_buffer" and "square_avg" in state:
            power = 0  # RMSprop's: of gradients that were divided by their own size
        if power is None:
            raise SpecError(
                f"{type(optimiser).__name__} keeps {key!r}, of which it is not known how it follows the gradient; "
                "use SGD, Adam, AdamW or RMSprop, or start a new optimiser."
            )
        # Of one position of the full weights, and from there of all positions that share the new value.
        single = old.expand((value.reshape(-1) / old.sizes() ** power).to(value.dtype))
        found = new.first(single) * new.sizes() ** power
        carried[key] = found.to(value.dtype).view(after.shape)
    return carried


def relax_network(
    network: EquivariantSequential,
    at: int,
    subgroup: PlanarGroup | str,
    optimiser: torch.optim.Optimizer | None = None,
) -> EquivariantSequential:
    """Return a network with one of its tied layers relaxed, and the batch norm and pointwise layers that follow it.

    In evaluation mode it computes the same. (In training mode a relaxed batch norm takes its statistics from fewer
    channels.) Layers that are not touched are shared with the network given, not copied.

    Args:
        network: the network.
        at: place of the layer.
        subgroup: a subgroup of the layer's group; groups only shrink along a network, so every later convolution must
            have been relaxed to one of its subgroups before.
        optimiser: from then on holds the new network's parameters; see `carry_state`.

    Raises:
        SpecError: there is no tied layer at this place, a later layer has a larger group, or a pooling over the group
            would have to be relaxed.
        GroupError: not a subgroup.
    """
    subgroup = PlanarGroup.of(subgroup)
    layers = list(network)
    tied = [place for place, layer in enumerate(layers) if isinstance(layer, TiedModule)]
    if at not in tied:
        raise SpecError(f"at is {at}; the layers with tied parameters are at {', '.join(map(str, tied))}.")
    relaxed = list(layers)
    relaxed[at] = relax(layers[at], subgroup)
    for place in range(at + 1, len(layers)):
        layer = layers[place]
        if layer.in_type == relaxed[place - 1].out_type:
            break
        # Norms, pooling over space and pointwise functions. A convolution may have the same type before and after, too.
        follows = layer.in_type == layer.out_type and isinstance(layer, FreeModule | GroupBatchNorm2d)
        if not follows:
            if layer.group <= subgroup:
                break
            raise SpecError(
                f"layer {place}, {type(layer).__name__}, has the group {layer.group}, which is no subgroup of "
                f"{subgroup}; along a network groups only shrink. Relax layer {place} to {subgroup} first."
            )
        relaxed[place] = relax(layer, subgroup)
    if optimiser is not None:
        with restoring(optimiser):
            for old, new in zip(layers, relaxed, strict=True):
                if new is not old:
                    carry_state(optimiser, old, new)
    return EquivariantSequential(*relaxed).train(network.training)
