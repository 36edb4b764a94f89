"""The names of augmentations, which specs check; what augments images, and needs torch for it, is beside."""

from collections.abc import Iterable

from aen._fields import shown
from aen.errors import SpecError, did_you_mean
from aen.groups.planar import PlanarGroup

# In the order in which they are applied to an image.
AUGMENTATIONS: tuple[str, ...] = ("rotation", "hflip", "vflip", "translation", "scale", "shear")


def check_augmentations(names: Iterable[str]) -> tuple[str, ...]:
    """Return the augmentations in the order of `AUGMENTATIONS`, each once.

    Raises:
        SpecError: an augmentation that does not exist.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise SpecError(f"augmentations is {shown(names)} but must be a list of {', '.join(AUGMENTATIONS)}.")
    chosen = set()
    for name in names:
        if name not in AUGMENTATIONS:
            raise SpecError(f"unknown augmentation {name!r}{did_you_mean(str(name), AUGMENTATIONS)}.")
        chosen.add(name)
    return tuple(name for name in AUGMENTATIONS if name in chosen)


def check_group(name: str) -> str:
    """Return the usual name of the group, or nothing for none and for ``C1``, which moves nothing.

    Raises:
        SpecError: a group that does not act exactly on pixels.
    """
    if not name:
        return ""
    group = PlanarGroup.of(name)
    if not group.is_exact:
        raise SpecError(f"augment is {group}, which does not act exactly on pixels; use D4 or one of its subgroups.")
    return group.name if group.order > 1 else ""
