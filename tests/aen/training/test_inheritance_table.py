"""Every kind of inheriting child, optimiser and relaxation: it relaxes, and the optimiser's state follows."""

from dataclasses import replace

import helpers.planar_cases as cases
import pytest
import torch
from helpers.inheritance_cases import ADAM, MODES, MOMENTUM, SMALL, in_file, inherited, same_state

from aen.children import EquiNASSpec
from aen.groups.planar import PlanarGroup
from aen.nn.module import TiedModule
from aen.training import train_child
from aen.training.autograd import fit

OPTIMISERS = {"adam": ADAM, "sgd": replace(MOMENTUM, momentum=0.0), "momentum": MOMENTUM}
CHILDREN = {
    "tied": {},
    "drawn as D4": {"drawn_as": "D4", "groups": ("D4",) * 6 + ("C4", "C4")},
    "published": {"published": True},
    "published, drawn as D4": {"published": True, "drawn_as": "D4", "groups": ("D4",) * 6 + ("C4", "C4")},
}


def pairs(names):
    """Every name with every optimiser; the fast tests have each name once and every optimiser at least once."""
    return [
        pytest.param(name, optimiser, marks=() if (i - j) % 3 == 0 else pytest.mark.slow, id=f"{name}-{optimiser}")
        for i, name in enumerate(names)
        for j, optimiser in enumerate(OPTIMISERS)
    ]


SUBGROUPS = ("C1", "C4", "D1v", "D2d")
# Groups of the eight convolutions, and of the dense layer where there is a tied one.
RELAXATIONS = {
    "unchanged": (("D4",) * 8, "D4"),
    **{f"the last to {name}": (("D4",) * 7 + (name,), name) for name in SUBGROUPS},
    "the head": (("D4",) * 8, "C2"),
    "the last two": (("D4",) * 6 + ("C2", "C1"), "C1"),
    "from the middle": (("D4",) * 3 + ("D2", "D2", "C2", "C1", "C1"), "C1"),
    "all": (("C1",) * 8, "C1"),
}


def spec_of(child, training, groups=None, head_group=""):
    options = CHILDREN[child] if groups is None else {"groups": groups, "head_group": head_group}
    published = CHILDREN[child].get("published", False)
    if published:
        options = {key: value for key, value in options.items() if key != "head_group"}
    return EquiNASSpec(**SMALL | options | {"published": published, "training": training})


def full_state(layer, name, key, values):
    """What an optimiser keeps for one position of the full weights; a free value's gradient is a sum over several."""
    table = layer.tables().get(name) if isinstance(layer, TiedModule) else None
    if table is None or key == "step":
        return values
    return table.expand(values.reshape(-1) / table.sizes() ** (2 if key == "exp_avg_sq" else 1))


def check_state(parent, child, before, after):
    """The state of every parameter fits it and is that of the parent, moved as the weights are."""
    assert after.keys() == before.keys()
    parameters = dict(child.named_parameters())
    for name, state in after.items():
        assert state.keys() == before[name].keys()
        assert all(value.shape == parameters[name].shape for key, value in state.items() if key != "step"), name
        place, _, own = name.removeprefix("layers.layers.").partition(".")
        if not name.startswith("layers."):
            same_state({name: state}, {name: before[name]})
            continue
        ours, theirs = (network.layers[int(place)] for network in (child, parent))
        for key, value in state.items():
            cases.assert_near(full_state(ours, own, key, value), full_state(theirs, own, key, before[name][key]), 1e-5)


@pytest.mark.parametrize(("child", "optimiser"), pairs(CHILDREN))
def test_every_relaxation_carries_the_state(child, optimiser, tmp_path):
    training = OPTIMISERS[optimiser]
    spec = spec_of(child, training)
    parent, progress = in_file(spec, tmp_path)
    assert bool(progress.optimiser) == (optimiser != "sgd")
    x, labels = cases.images(8, 1, 8, 8, seed=5, dtype=torch.float32), torch.arange(8) % 3
    expected, tried = parent(x).detach(), 0
    for groups, head_group in RELAXATIONS.values():
        wanted = spec_of(child, training, groups, head_group)
        if not all(new <= old.group for new, old in zip(groups_of(wanted), tied(parent), strict=True)):
            continue
        heir, carried = inherited(wanted, parent, tmp_path, x)
        cases.assert_near(heir(x), expected, 1e-4)
        check_state(parent, heir, progress.optimiser, carried.optimiser)
        before = {name: values.clone() for name, values in heir.named_parameters()}
        fitted = fit(heir, heir.spec, x, labels, carried)
        assert fitted.finite
        assert fitted.progress.optimiser.keys() == progress.optimiser.keys()
        assert any(not torch.equal(values, before[name]) for name, values in heir.named_parameters())
        tried += 1
    assert tried == (len(RELAXATIONS) if "drawn" not in child else 3)


def tied(child):
    return [child.layers[place] for place in child.places]


def groups_of(spec):
    return [PlanarGroup.of(name) for name in spec.layer_groups]


@pytest.mark.parametrize(("mode", "optimiser"), pairs([name for name, options in MODES.items() if "mixed" in options]))
def test_mixed_children_continue_and_are_discretised(mode, optimiser, data_of, tmp_path):
    training = OPTIMISERS[optimiser]
    for published in (False, True):
        folder = tmp_path / str(published)
        spec = EquiNASSpec(**SMALL, **MODES[mode], published=published, training=training)
        parent, progress = in_file(spec, folder)
        _, carried = inherited(replace(spec, seed=1), parent, folder, cases.images(8, 1, 8, 8, dtype=torch.float32))
        same_state(carried.optimiser, progress.optimiser)
        assert train_child(replace(spec, parent=spec.key), data_of(spec), parents_folder=folder).status == "ok"
        if mode == "penalty":  # it has no alpha to choose by
            continue
        groups = parent.discretise().spec
        chosen, found = inherited(groups, parent, folder)
        assert found.optimiser == {}
        warm = replace(chosen.spec, parent=spec.key)
        assert train_child(warm, data_of(spec), parents_folder=folder).status == "ok"


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9, nesterov=True),
        lambda p: torch.optim.Adam(p, 1e-2, amsgrad=True),
        lambda p: torch.optim.AdamW(p, 1e-2),
        lambda p: torch.optim.NAdam(p, 1e-2),
        lambda p: torch.optim.RAdam(p, 1e-2),
        lambda p: torch.optim.RMSprop(p, 1e-2, centered=True, momentum=0.9),
    ],
)
@pytest.mark.parametrize("child", ["tied", "published"])
def test_other_optimisers_of_torch_go_along(make, child, tmp_path):
    spec = spec_of(child, ADAM)
    parent, _ = in_file(spec, tmp_path)
    optimiser = make(list(parent.parameters()))
    for _ in range(2):
        optimiser.zero_grad()
        parent(cases.images(4, 1, 8, 8, dtype=torch.float32)).square().sum().backward()
        optimiser.step()
    relaxed = parent.relaxed(7, "C1", optimiser)
    own = list(relaxed.parameters())
    assert all(one is other for one, other in zip(optimiser.param_groups[0]["params"], own, strict=True))
    for parameter in own:
        for key, value in optimiser.state[parameter].items():
            assert not torch.is_tensor(value) or value.dim() == 0 or value.shape == parameter.shape, key
    relaxed(cases.images(4, 1, 8, 8, dtype=torch.float32)).square().sum().backward()
    optimiser.step()
