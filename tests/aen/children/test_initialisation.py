"""Published initial weights and given alphas of children: specs, keys, and what is drawn."""

import json
import math
from dataclasses import replace

import pytest
import torch

from aen.children import ChildSpec, DenseSpec, EquiNASSpec, GCNNSpec, build_child
from aen.errors import SpecError
from aen.groups.decomposition import Decomposition
from aen.nn import stored_state
from aen.training.dense.parameter_layout import ParameterLayout

SMALL = EquiNASSpec(side=8, width=2, kernel_size=3, dense=8)
MIXED = replace(SMALL, mixed=("D4", "C4", "C1"), skip=True, groups=(), head_group="")
COUNTS = (3, 4, 4, 4, 3, 4, 4, 4, 3)
ALPHA = tuple(tuple(0.1 * place for place in range(count)) for count in COUNTS)


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (SMALL, "6597235ec4b6af542a037423"),
        (replace(SMALL, drawn_as="D4", groups=("C1",) * 8, head_group=""), "1d59d0175ef4e28efe141b98"),
        (replace(MIXED, prior=True), "a6307982afeaceca2490df80"),
        (GCNNSpec(group="D4"), "b7be83dad2e23e6ab6a897a6"),
        (GCNNSpec(group="C4", norm="batch", side=32, channels=3), "8190d304d7a3696e0bdf9007"),
        (DenseSpec(bias="scalar_after_relu", decomposition=Decomposition.of(["rot90"])), "fd25b37032f731b54653cdaf"),
        (DenseSpec(initialisation="published"), "de94099f886fbd2f9bf688d2"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_keys_of_earlier_children_are_the_same(spec: ChildSpec, key: str) -> None:
    assert spec.key == key
    newer = {"initialisation", "alpha", "alpha_gradient"} - ({"initialisation"} if spec.kind == "dense" else set())
    assert not newer & set(spec.to_json())


@pytest.mark.parametrize(
    "spec",
    [
        replace(SMALL, initialisation="published"),
        replace(MIXED, alpha=ALPHA, alpha_learning_rate=0),
        replace(MIXED, alpha_gradient="permuted"),
        GCNNSpec(initialisation="published"),
    ],
    ids=lambda spec: spec.kind,
)
def test_new_fields_are_in_the_key_and_read_back(spec: ChildSpec) -> None:
    former = SMALL if isinstance(spec, EquiNASSpec) and not spec.mixed else MIXED
    assert spec.key != (GCNNSpec() if spec.kind == "gcnn" else former).key
    assert ChildSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_published_initial_weights_reach_every_convolution() -> None:
    published = replace(SMALL, initialisation="published", width=8)
    child, ours = build_child(published), build_child(replace(published, initialisation="fan_in"))
    for number in range(8):
        layer = child.convolution(number)  # type: ignore[operator]
        deviation = 1 / math.sqrt(layer.out_type.fields * layer.in_type.fields)
        assert float(layer.weight.detach().std()) == pytest.approx(deviation, rel=0.25)
        assert not torch.equal(layer.weight, ours.convolution(number).weight)  # type: ignore[operator]
    mixed = build_child(replace(MIXED, initialisation="published", width=8))
    norms = [
        layer.mixture.norms / layer.mixture.norms.new_tensor([own.numel() for own in layer.mixture.values]).sqrt()
        for layer in mixed.mixed_layers()[1:8]  # type: ignore[operator]
    ]
    for own in norms:
        assert (own / own[-1]).tolist() == pytest.approx([8, 4, 1], rel=0.15)


@pytest.mark.parametrize("group", ["C1", "D4"])
def test_published_initial_weights_of_gcnns(group: str) -> None:
    child = build_child(GCNNSpec(group=group, initialisation="published"))
    layers = [layer for layer in child.convolutions if hasattr(layer, "weight_table")]  # type: ignore[union-attr]
    assert len(layers) == 4
    for layer in layers:
        bound = 1 / math.sqrt(layer.in_type.fields * 9)
        assert 0.8 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert 0 < float(layer.bias.detach().abs().max()) <= bound


def test_escnn_draws_its_own_initial_weights() -> None:
    with pytest.raises(SpecError, match="initialisation is 'published', but backend='escnn' draws its own"):
        GCNNSpec(backend="escnn", initialisation="published")


@pytest.mark.parametrize("factors", [[], ["rot90"]])
def test_published_scalar_biases(factors: list[str]) -> None:
    spec = DenseSpec(
        grids=(8, 6, 6),
        bias="scalar_after_relu",
        initialisation="published",
        decomposition=Decomposition.of(factors),
    )
    drawn = torch.stack([build_child(spec.with_seed(seed)).scalar_bias.detach() for seed in range(40)])  # type: ignore[union-attr]
    for own, layer in zip(drawn.T, build_child(spec).tied_layers, strict=True):  # type: ignore[arg-type]
        bound = 1 / math.sqrt(len(layer.weight))
        assert 0.7 * bound < float(own.abs().max()) <= bound
    state, values = stored_state(build_child(spec)), ParameterLayout(spec)
    fast = values.stored_state(values.initial_values())
    for name, own in state.items():
        assert torch.equal(own, fast[name]), name
    assert not build_child(replace(spec, initialisation="fan_in")).scalar_bias.any()  # type: ignore[union-attr]
    # Other initial values than before under the same fields: another version of the key.
    assert spec.key_version == "child-5"
    assert replace(spec, bias="orbit").key_version == replace(spec, initialisation="fan_in").key_version == "child-4"


def test_a_given_alpha_is_where_training_starts() -> None:
    spec = replace(MIXED, alpha=ALPHA)
    assert spec.branches == COUNTS
    for alpha, own in zip(build_child(spec).alphas(), ALPHA, strict=True):  # type: ignore[operator]
        assert alpha.tolist() == pytest.approx(own)
    assert spec.with_groups(("D4",) * 8).alpha == ()
    published = replace(MIXED, published=True, poolings=(7,), skip=False)
    assert published.branches == (3,) * 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": ALPHA[:8]}, r"alpha has \[3, 4, .*\] numbers in its 8 lists; the 9 mixed layers have \[3, 4, "),
        ({"alpha": ((0.0,) * 3,) * 9}, "branches: give one number for each"),
        ({"alpha": ((math.nan, 0, 0), *ALPHA[1:])}, "alpha has nan; give finite numbers"),
        ({"alpha": (("a", 0, 0), *ALPHA[1:])}, "alpha has 'a'; give finite numbers"),
        ({"alpha": (1.0, 2.0)}, "give a list of numbers for each mixed layer"),
        ({"alpha": ALPHA, "prior": True}, "alpha is given, but prior is true"),
        ({"alpha": ALPHA, "weighting": "sum"}, "alpha is given, but weighting is 'sum'"),
        ({"alpha_gradient": "random"}, "unknown alpha_gradient 'random'"),
        ({"initialisation": "fan-in"}, "unknown initialisation 'fan-in'.*did you mean 'fan_in'"),
    ],
)
def test_values_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        replace(MIXED, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"alpha": ALPHA}, {"alpha_gradient": "permuted"}], ids=str)
def test_only_mixed_children_have_alpha(changes: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="which only mixed layers have"):
        replace(SMALL, **changes)  # type: ignore[arg-type]
