"""GCNNSpace: G-CNN children, one for each choice of group, augmentations and sizes."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import Literal, TypeVar

from aen.children.gcnn import GCNNSpec
from aen.children.gcnn_widths import LEVEL, POOL, parameter_count, sides_of
from aen.children.spec import ChildSpec
from aen.data.augmentation import AUGMENTATIONS, check_augmentations
from aen.errors import AenError, SpecError
from aen.groups.planar import PlanarElement, PlanarGroup
from aen.spaces.base import Space, SpaceClass

# What the published group bits stand for, in their order, and other moves by which images may have been moved.
GROUP_BITS = ("rot90", "vflip", "hflip")
_MOVES: Mapping[str, PlanarElement] = {
    "rot90": PlanarElement(Fraction(1, 4)),
    "rot180": PlanarElement(Fraction(1, 2)),
    "hflip": PlanarElement(flip=True),
    "vflip": PlanarElement(Fraction(1, 2), flip=True),
    "transpose": PlanarElement(Fraction(1, 4), flip=True),
}
PLANAR_MOVES: tuple[str, ...] = tuple(_MOVES)
SIZES = (1.0, 1.5)

GroupChoices = Literal["bits"] | Sequence[str]
_Choice = TypeVar("_Choice", bound=Hashable)


@dataclass(frozen=True)
class Place:
    """One thing that a state chooses.

    Attributes:
        name: what is chosen.
        choices: by name, that of the baseline first.
    """

    name: str
    choices: tuple[str, ...]

    def label(self, choice: int) -> str:
        """Return what to call a choice: the place's name alone where it is but on or off."""
        return self.name if self.choices == ("no", "yes") else f"{self.name} {self.choices[choice]}"


def group_of_moves(moves: Sequence[str]) -> PlanarGroup | None:
    """Return the planar group that moves generate, by name; None if one of them is not in `PLANAR_MOVES`."""
    if any(move not in _MOVES for move in moves):
        return None
    return PlanarGroup.generated_by(_MOVES[move] for move in moves)


class GCNNSpace(Space):
    """The G-CNN design space of AEN (arXiv 2104.04848), and wider ones.

    A state has, in this order, three places for the group (rot90, vflip, hflip) or one that names it; one for each
    augmentation on offer; and, where several are offered, one for the size, one for the kernel size and one for the
    width of each stage. Choice 0 everywhere is the baseline: C1, no augmentation, x1, the first kernel size, stages x1.

    The published space has 1,024 states and 768 classes: rot90 with any flip generates D4.

    Args:
        child: all else about the children; its own choices are not used.
        groups: ``bits``, or the names of the groups on offer, C1 among them.
        augmentations: names of those on offer; None: all six.
        size_factors: factors on all widths, 1 among them.
        kernel_sizes: of the convolutions; None: the child's alone.
        stage_widths: factors on the widths of each stage, 1 among them.

    Raises:
        SpecError: a choice that no child can have, one that is offered twice, or no C1 or factor 1 among them.
    """

    baseline_name: str = "plain"  # neither tied nor augmented nor wide

    def __init__(
        self,
        child: GCNNSpec,
        *,
        groups: GroupChoices = "bits",
        augmentations: Sequence[str] | None = None,
        size_factors: Sequence[float] = SIZES,
        kernel_sizes: Sequence[int] | None = None,
        stage_widths: Sequence[float] = (1.0,),
    ) -> None:
        if isinstance(groups, str) and groups != "bits":
            raise SpecError(f"groups is {groups!r}; give 'bits', or a list of names such as ['C1', 'C4', 'D4'].")
        self.group_names = None if groups == "bits" else _first("groups", groups, "C1")
        self.kernel_sizes = tuple(kernel_sizes) if kernel_sizes is not None else (child.kernel_size,)
        _check_different("kernel_sizes", self.kernel_sizes)
        self.stage_widths = _first("stage_widths", [float(factor) for factor in stage_widths], 1.0)
        self.augmentations = AUGMENTATIONS if augmentations is None else check_augmentations(augmentations)
        self.size_factors = _first("size_factors", [float(factor) for factor in size_factors], 1.0)
        self._stages = len(child.stages)
        self.child = self._checked(child)

    def _checked(self, child: GCNNSpec) -> GCNNSpec:
        """Return the baseline; every choice is tried, on which the others do not depend."""
        try:
            plain = child.with_choice(
                group="C1", augmentations=(), size=1.0, stages=(1.0,) * self._stages, kernel_size=self.kernel_sizes[0]
            )
            for kernel_size in self.kernel_sizes:
                plain.with_choice(kernel_size=kernel_size)
            for size in self.size_factors:
                plain.with_choice(size=size)
            for factor in self.stage_widths:
                plain.with_choice(stages=(factor,) * self._stages)
        except AenError as error:
            raise SpecError(f"the space's baseline or one of its sizes cannot be built: {error}") from error
        for name in self._codes:
            try:
                plain.with_choice(group=name)
            except AenError as error:
                remedy = " Name the groups to choose among in space.groups." if self.group_names is None else ""
                raise SpecError(f"group {name} is on offer but cannot be built: {error}{remedy}") from error
        return plain

    def with_seed(self, seed: int) -> "GCNNSpace":
        """Return the same space whose children have another seed."""
        return GCNNSpace(
            self.child.with_seed(seed),
            groups=self.group_names or "bits",
            augmentations=self.augmentations,
            size_factors=self.size_factors,
            kernel_sizes=self.kernel_sizes,
            stage_widths=self.stage_widths,
        )

    @property
    def _group_places(self) -> int:
        """How many places choose the group; a single one on offer needs none."""
        return len(GROUP_BITS) if self.group_names is None else int(len(self.group_names) > 1)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """What a state chooses, in order."""
        bit = ("no", "yes")
        places = [Place(name, bit) for name in GROUP_BITS]
        if self.group_names is not None:
            places = [Place("group", self.group_names)][: self._group_places]
        places += [Place(f"augment {name}", bit) for name in self.augmentations]
        if len(self.size_factors) > 1:
            places.append(Place("size", tuple(f"x{size:g}" for size in self.size_factors)))
        if len(self.kernel_sizes) > 1:
            places.append(Place("kernel", tuple(f"{size}x{size}" for size in self.kernel_sizes)))
        if len(self.stage_widths) > 1:
            factors = tuple(f"x{factor:g}" for factor in self.stage_widths)
            places += [Place(f"stage {stage + 1}", factors) for stage in range(self._stages)]
        return tuple(places)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of choices of each place; two everywhere in the published space."""
        return tuple(len(place.choices) for place in self.places)

    @property
    def states(self) -> int:
        """Number of states."""
        return prod(self.sizes)

    @cached_property
    def _codes(self) -> dict[str, list[tuple[int, ...]]]:
        """How each group can be chosen, the way with the fewest changes first."""
        if self.group_names is not None:
            return {name: [(number,)[: self._group_places]] for number, name in enumerate(self.group_names)}
        codes: dict[str, list[tuple[int, ...]]] = {}
        # Of several ways with equally many, the one that counts least as a bit mask stands first.
        for code in sorted(product((0, 1), repeat=len(GROUP_BITS)), key=lambda code: (sum(code), code[::-1])):
            codes.setdefault(self._group_of(code), []).append(code)
        return codes

    def _group_of(self, code: Sequence[int]) -> str:
        if self.group_names is not None:
            return self.group_names[code[0] if code else 0]
        chosen = [move for move, bit in zip(GROUP_BITS, code, strict=True) if bit]
        return PlanarGroup.generated_by(_MOVES[move] for move in chosen).name

    @cached_property
    def classes(self) -> tuple[SpaceClass, ...]:
        """The different networks; the baseline first, those with more changes later.

        Different sizes and stages may come to the same numbers of fields: then they are one network.
        """
        rest = self.sizes[self._group_places :]
        found: dict[str, list[tuple[int, ...]]] = {}
        counts: Counter[str] = Counter()
        for codes in self._codes.values():
            for others in product(*(range(size) for size in rest)):
                state = (*codes[0], *others)
                key = self.spec_of(state).class_key
                found.setdefault(key, []).append(state)
                counts[key] += len(codes)

        def changes(state: tuple[int, ...]) -> tuple[int, int]:
            return sum(map(bool, state)), self.number_of(state)

        first = {key: min(states, key=changes) for key, states in found.items()}
        return tuple(SpaceClass(key, first[key], counts[key]) for key in sorted(first, key=lambda k: changes(first[k])))

    @property
    def baseline(self) -> SpaceClass:
        """The child of C1, not augmented, of size x1."""
        return SpaceClass(self.child.class_key, (0,) * len(self.sizes), len(self._codes["C1"]))

    def spec_of(self, state: Sequence[int]) -> GCNNSpec:
        """Return the child of a state."""
        choices = iter(state)
        code = [next(choices) for _ in range(self._group_places)]
        augmentations = tuple(name for name in self.augmentations if next(choices))
        size = self.size_factors[next(choices) if len(self.size_factors) > 1 else 0]
        kernel_size = self.kernel_sizes[next(choices) if len(self.kernel_sizes) > 1 else 0]
        several = len(self.stage_widths) > 1
        stages = tuple(self.stage_widths[next(choices) if several else 0] for _ in range(self._stages))
        return self.child.with_choice(
            group=self._group_of(code), augmentations=augmentations, size=size, kernel_size=kernel_size, stages=stages
        )

    def spec_of_moves(self, moves: Sequence[str]) -> GCNNSpec | None:
        """Return the baseline with the group that these moves generate; None unless all are in `PLANAR_MOVES`.

        The group need not be on offer.

        Raises:
            SpecError: the child's backend has no such group, or its published widths have none for it.
        """
        group = group_of_moves(moves)
        return None if group is None else self.child.with_choice(group=group.name)

    def labels(self, state: Sequence[int]) -> tuple[str, ...]:
        """Return what to call each choice of a state."""
        return tuple(place.label(choice) for place, choice in zip(self.places, state, strict=True))

    def remarks(self) -> tuple[str, ...]:
        """Name the kernel sizes with which pooling leaves a row and a column out, which breaks the groups a little."""
        found = []
        for kernel_size in self.kernel_sizes:
            shrink = 0 if self.child.padding == "same" else kernel_size - 1
            sides = sides_of(self.child.side, kernel_size, padded=shrink == 0)
            odd = [side - shrink for side in sides[::2] if (side - shrink) % POOL]
            if odd:
                found.append(
                    f"with kernel_size {kernel_size} maps of side {odd[0]} are pooled by {POOL}: their last row and "
                    "column are not seen, so convolutions are equivariant up to that only; images of another side, or "
                    "another kernel_size or padding, would do"
                )
        plain = parameter_count(self.child, self.child.group, self.child.fields)
        for name in self._codes if self.child.widths == "level" else ():
            child = self.child.with_choice(group=name)
            ratio = parameter_count(child, name, child.fields) / plain
            if abs(ratio - 1) > LEVEL:
                found.append(
                    f"at width {self.child.width} the child of {name} has {ratio:.2f} times the parameters of C1's: "
                    "so few fields cannot be levelled; a larger child.width can"
                )
        return tuple(found)

    def factors(self, spec: ChildSpec) -> Mapping[str, str]:
        """Return group, augmentations and sizes of a child; what all children have alike is left out."""
        if not isinstance(spec, GCNNSpec):
            return {}
        chosen = {"group": spec.group}
        chosen |= {f"augment {name}": "yes" if name in spec.augmentations else "no" for name in self.augmentations}
        if len(self.size_factors) > 1:
            chosen["size"] = f"x{spec.size:g}"
        if len(self.kernel_sizes) > 1:
            chosen["kernel"] = f"{spec.kernel_size}x{spec.kernel_size}"
        if len(self.stage_widths) > 1:
            chosen |= {f"stage {stage + 1}": f"x{factor:g}" for stage, factor in enumerate(spec.stages)}
        return chosen


def _check_different(what: str, choices: Sequence[Hashable]) -> None:
    twice = [choice for choice, count in Counter(choices).items() if count > 1]
    if twice:
        raise SpecError(f"{what} is {list(choices)}, which offers {twice[0]!r} more than once; name each once.")
    if not choices:
        raise SpecError(f"{what} is empty; offer at least one choice.")


def _first(what: str, choices: Sequence[_Choice], first: _Choice) -> tuple[_Choice, ...]:
    """Return the choices with the baseline's first."""
    _check_different(what, choices)
    if first not in choices:
        raise SpecError(
            f"{what} is {list(choices)}, without {first!r}; add it: the baseline, by which all others are measured, "
            "has it."
        )
    return (first, *(choice for choice in choices if choice != first))
