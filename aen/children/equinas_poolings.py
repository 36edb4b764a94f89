"""Where EquiNAS's backbone pools: which convolutions are followed by a pooling, and how large the maps then are."""

from collections.abc import Sequence

from aen.errors import SpecError

# What the last maps are pooled by as published, and the side down to which maps are pooled by default.
LAST_POOL = 4
# Which convolutions are followed by a pooling, by how many poolings there are.
_POOLINGS = ((), (7,), (5, 7), (3, 5, 7), (3, 5, 6, 7), (3, 4, 5, 6, 7), (2, 3, 4, 5, 6, 7), (1, 2, 3, 4, 5, 6, 7))


def default_poolings(side: int) -> tuple[int, ...]:
    """Return the convolutions, counted from 1, behind which maps are pooled by default: down to a side of 4 or more.

    Args:
        side: of the images.

    Raises:
        SpecError: the images are so large that there are not enough convolutions.
    """
    count, now = 0, side
    while _halved(now) >= LAST_POOL and now > LAST_POOL:
        count, now = count + 1, _halved(now)
    if count >= len(_POOLINGS):
        raise SpecError(
            f"side is {side}, and by default there are up to {len(_POOLINGS) - 1} poolings, which bring "
            f"{LAST_POOL * 2 ** (len(_POOLINGS) - 1)} down to {LAST_POOL}; name the poolings, or use smaller images."
        )
    return _POOLINGS[count]


def sides_along(side: int, poolings: Sequence[int], layers: int) -> tuple[int, ...]:
    """Return the side of the maps that each convolution takes, and last that of the maps behind all poolings.

    Args:
        side: of the images.
        poolings: convolutions, counted from 1, that are followed by a pooling.
        layers: number of convolutions.
    """
    found = [side]
    for number in range(1, layers + 1):
        found.append(_halved(found[-1]) if number in poolings else found[-1])
    return tuple(found)


def check_poolings(poolings: Sequence[int], side: int, layers: int, *, published: bool) -> tuple[int, ...]:
    """Return the poolings in ascending order.

    Args:
        poolings: as in `sides_along`.
        side: of the images.
        layers: number of convolutions.
        published: whether the published last pooling follows, for which the maps must be large enough.

    Raises:
        SpecError: a convolution that does not exist or is named twice, or maps that are too small.
    """
    given = list(poolings)
    if len(set(given)) < len(given) or not set(given) <= set(range(1, layers + 1)):
        raise SpecError(f"poolings is {given}; name convolutions from 1 to {layers}, each once.")
    sides = sides_along(side, given, layers)
    for number in sorted(given):
        if sides[number - 1] == 1:
            raise SpecError(
                f"poolings is {given}, but the maps of {side}x{side} images are a single cell before the pooling "
                f"behind convolution {number}; leave it out, or use larger images."
            )
    if published and sides[-1] < LAST_POOL:
        raise SpecError(
            f"poolings is {given}, after which maps of {side}x{side} are {sides[-1]}x{sides[-1]}; that is too small "
            f"for the published last pooling, {LAST_POOL}x{LAST_POOL}. Leave some out, use larger images, or leave "
            "published out."
        )
    return tuple(sorted(given))


def _halved(side: int) -> int:
    return (side + 1) // 2
