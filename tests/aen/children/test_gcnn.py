"""The G-CNN child: how wide, what it computes, what names it."""

import json
import math
import pickle
from dataclasses import fields, replace

import helpers.planar_cases as cases
import pytest
import torch
from torch import nn

from aen.children import ChildSpec, DenseSpec, GCNNChild, GCNNSpec, TrainingSpec, build_child
from aen.children.gcnn_widths import parameter_count, published_fields, sides_of
from aen.data.augmentation import AffineAugmenter
from aen.data.spec import DataSpec
from aen.errors import GroupError, SpecError
from aen.nn.fields import FieldType

IMAGES = {"28x28x1": {"side": 28, "channels": 1}, "32x32x3": {"side": 32, "channels": 3}}
# Small, so that children are made in milliseconds; a side of 20 leaves no rest in a pooling.
SMALL = {"side": 20, "width": 10}
every_group = pytest.mark.parametrize("group", cases.EXACT)
few_groups = pytest.mark.parametrize("group", ["C1", "D1d", "C4", "D4"])
every_head = pytest.mark.parametrize("head", ["flatten", "invariant"])


def spec_of(group="D4", **options):
    return GCNNSpec(group=group, **(SMALL | options))


def child_of(group="D4", **options):
    return build_child(spec_of(group, **options))


def images(child, n=3, dtype=torch.float64):
    return cases.images(n, child.spec.channels, child.spec.side, child.spec.side, dtype=dtype)


def used(child):
    """In evaluation mode, with statistics that are not those of the start."""
    return cases.randomise(child.double()).eval() if child.spec.norm == "batch" else child.double().eval()


# Widths


@every_head
@pytest.mark.parametrize("size", [1, 1.5])
@pytest.mark.parametrize("data", IMAGES)
def test_children_of_all_groups_have_as_many_parameters(data, size, head):
    plain = GCNNSpec(group="C1", size=size, head=head, **IMAGES[data])
    assert plain.fields == (math.floor(20 * size),) * 4
    target = parameter_count(plain.shape, "C1", plain.fields)
    counts = {}
    for group in cases.EXACT:
        spec = GCNNSpec(group=group, size=size, head=head, **IMAGES[data])
        counts[group] = parameter_count(spec.shape, group, spec.fields) / target
    assert all(0.9 < count < 1.1 for count in counts.values()), counts
    widths = [
        GCNNSpec(group=group, size=size, head=head, **IMAGES[data]).fields[0] for group in ("C1", "C2", "C4", "D4")
    ]
    assert widths == sorted(widths, reverse=True)  # the larger the group, the fewer fields
    assert len(set(widths)) == 4


@pytest.mark.parametrize("norm", ["none", "batch"])
@every_head
@few_groups
def test_parameter_count_is_that_of_the_child(group, head, norm):
    child = child_of(group, head=head, norm=norm, channels=3)
    expected = sum(parameter.numel() for parameter in child.parameters())
    assert parameter_count(child.spec.shape, group, child.spec.fields) == expected == child.parameter_count()


@pytest.mark.parametrize(("group", "factor"), [("C1", 1), ("D1", 1.8), ("D1v", 1.8), ("C4", 3), ("D2", 3), ("D4", 6)])
@pytest.mark.parametrize("size", [0.5, 1, 1.5, 2])
def test_published_widths(group, factor, size):
    spec = GCNNSpec(group=group, size=size, widths="published")
    assert spec.fields == (math.floor(20 * size / factor + 1e-9),) * 4


def test_published_widths_of_whole_numbers():
    assert published_fields("D1", 18) == (10,) * 4  # 18 / 1.8 is a hair below 10
    assert published_fields("D4", 1) == (1,) * 4


# Free values by hand, for 32x32x3 images in ten classes: filters and biases of four convolutions, then dense layers.
# 67,026 and 99,617 are the counts that are known of the authors' code, for all three group bits.
@pytest.mark.parametrize(
    ("group", "widths", "small", "large"),
    [
        ("C1", "published", 67_080, 105_890),
        ("D1", "published", 67_535, 99_980),
        ("C4", "published", 69_734, 116_770),
        ("D2", "published", 69_734, 116_770),
        ("D4", "published", 67_697, 111_215),
        ("D4", "published_doubled", 67_026, 99_617),
    ],
)
def test_published_parameters_of_32x32_colour_images(group, widths, small, large):
    order, dense = {"published": 1, "published_doubled": 2}[widths], (76 if widths == "published_doubled" else 100)
    order *= {"C1": 1, "D1": 2, "C4": 4, "D2": 4, "D4": 8}[group]
    for size, expected in ((1.0, small), (1.5, large)):
        spec = GCNNSpec(side=32, channels=3, group=group, widths=widths, size=size)
        fields = spec.fields[0]
        convolutions = 3 * fields * 9 + 3 * fields**2 * order * 9 + 4 * fields
        layers = (fields * order * 25 + 1) * dense + (dense + 1) * 50 + 51 * 10
        assert expected == convolutions + layers
        assert expected == build_child(spec).parameter_count() == parameter_count(spec.shape, group, spec.fields)


@pytest.mark.parametrize("norm", ["none", "batch"])
@every_head
def test_a_doubled_child_computes_what_its_first_copies_do(head, norm):
    child = used(child_of("D4", widths="published_doubled", width=20, head=head, norm=norm))
    assert child.parameter_count() == parameter_count(child.spec.shape, "D4", child.spec.fields)
    maps = child.convolutions(images(child)).unflatten(1, (-1, 2, 8))
    if norm == "none":  # random statistics of a norm differ between the copies; trained ones do not
        torch.testing.assert_close(maps[:, :, 0], maps[:, :, 1])
    assert max(child.check_equivariance().values()) < 1e-9
    torch.testing.assert_close(child.export()(images(child)), child(images(child)))


def test_a_doubled_child_is_a_class_of_its_own():
    plain, doubled = (GCNNSpec(group="D4", widths=widths) for widths in ("published", "published_doubled"))
    assert (plain.fields, doubled.fields) == ((3,) * 4, (2,) * 4)
    narrow = GCNNSpec(group="D4", widths="published", width=12)
    assert narrow.fields == doubled.fields
    assert narrow.class_key != doubled.class_key
    assert (plain.name, doubled.name) == ("D4, no augmentation, x1", "D4 twice, no augmentation, x1")
    assert ChildSpec.from_json(json.loads(json.dumps(doubled.to_json()))) == doubled


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "C4"}, "widths is 'published_doubled', which is for group 'D4', but group is 'C4'"),
        ({"backend": "escnn", "side": 28}, "widths is 'published_doubled', but backend is 'escnn'"),
        ({"stages": (2, 1)}, "the published widths have none"),
    ],
)
def test_doubled_children_that_cannot_be(options, message):
    with pytest.raises(SpecError, match=message):
        spec_of(**({"group": "D4", "widths": "published_doubled"} | options))


def test_stages_widen_the_first_and_the_last_convolutions():
    assert spec_of("C1", stages=(1, 2)).fields == (10, 10, 20, 20)
    assert spec_of("C1", stages=(0.5, 1), size=2).fields == (10, 10, 20, 20)
    wide = spec_of("C4", width=20, stages=(1, 2)).fields
    assert wide[0] == wide[1] < wide[2]


@pytest.mark.parametrize(
    ("side", "kernel_size", "padded", "sides"),
    [(28, 3, False, (26, 12, 10, 4)), (32, 3, False, (30, 14, 12, 5)), (28, 5, True, (28, 14, 14, 7))],
)
def test_sides(side, kernel_size, padded, sides):
    assert sides_of(side, kernel_size, padded=padded) == sides
    spec = GCNNSpec(side=side, kernel_size=kernel_size, padding="same" if padded else "none", width=1)
    child = build_child(spec)
    now, shape = [], (1, 1, side, side)
    for layer in child.convolutions:
        shape = layer.evaluate_output_shape(shape)
        now.append(shape[2])
    assert now[-1] == sides[-1]
    assert child.head[0].in_features == spec.fields[-1] * sides[-1] ** 2


# What it computes


@pytest.mark.parametrize("norm", ["none", "batch"])
@every_group
def test_features_are_equivariant(group, norm):
    child = used(child_of(group, norm=norm, channels=2))
    assert child.features(images(child)).count_nonzero() > 40
    errors = child.check_equivariance()
    assert len(errors) == child.convolutions.group.order - 1
    assert max(errors.values(), default=0.0) < 1e-12
    for options in ({"padding": "same"}, {"kernel_size": 2, "side": 18}) if norm == "batch" else ():
        child = used(child_of(group, norm=norm, **options))
        assert max(child.check_equivariance().values(), default=0.0) < 1e-12, options


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("group", ["D1a", "C2", "D2d", "C4", "D4"])
def test_an_invariant_head_is_invariant_and_a_flat_one_is_not(group, norm):
    for head, invariant in (("invariant", True), ("flatten", False)):
        child = used(child_of(group, norm=norm, head=head))
        assert child.features(images(child)).any(dim=1).all()  # not all dead
        errors = child.check_invariance(images(child))
        assert len(errors) == child.convolutions.group.order - 1
        assert (max(errors.values()) < 1e-12) if invariant else (min(errors.values()) > 1e-3), (head, errors)
        for element in child.convolutions.group.elements[1:]:
            error = cases.relative(child(cases.moved(images(child), element)), child(images(child)))
            assert (error < 1e-12) == invariant, (head, element.name)


def test_an_invariant_head_does_not_hide_other_moves():
    child = used(child_of("C4", head="invariant"))
    assert cases.relative(child(images(child).flip(-1)), child(images(child))) > 1e-4


@every_head
@pytest.mark.parametrize("norm", ["none", "batch"])
@few_groups
def test_export(group, norm, head):
    child = (
        cases.randomise(child_of(group, norm=norm, head=head, channels=2))
        if norm == "batch"
        else child_of(group, head=head)
    )
    child.eval()
    x = images(child, dtype=torch.float32)
    plain = child.export()
    cases.assert_near(plain(x), child(x), 1e-5)
    assert not plain.training
    for part in plain.modules():
        assert type(part).__module__.startswith("torch.nn.modules."), type(part)
    assert {type(part) for part in plain.modules()} >= {nn.Conv2d, nn.MaxPool2d, nn.Linear}
    assert torch.equal(plain(x), pickle.loads(pickle.dumps(plain))(x))  # noqa: S301


def test_forward_agrees_with_plain_convolutions():
    child = child_of("C4", head="invariant", dropout=0.0).double()
    x = images(child)
    maps = x
    convolutions = [layer for layer in child.convolutions if hasattr(layer, "expanded_weight")]
    assert len(convolutions) == 4
    for number, layer in enumerate(convolutions):
        maps = nn.functional.conv2d(maps, layer.expanded_weight(), layer.expanded_bias()).relu()
        maps = nn.functional.max_pool2d(maps, 2) if number % 2 else maps
    rows = maps.mean(dim=(2, 3)).view(len(x), -1, 4).mean(dim=2)
    cases.assert_near(child.features(child.prepare(x)), rows, 1e-12)
    first, _, _, second, last = child.head
    assert (first.out_features, second.out_features, last.out_features) == (100, 50, 10)
    cases.assert_near(child(x), last(second(first(rows).relu())), 1e-12)


def test_dropout_is_between_the_dense_layers():
    child = child_of(dropout=0.5)
    x = images(child, dtype=torch.float32)
    torch.manual_seed(0)
    assert not torch.equal(child.train()(x), child(x))
    assert torch.equal(child.eval()(x), child(x))


def test_same_seed_same_weights():
    before = torch.get_rng_state()
    one, same, other = child_of(), child_of(), child_of(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    for name, values in one.state_dict().items():
        assert torch.equal(same.state_dict()[name], values), name
        assert not torch.equal(other.state_dict()[name], values), name
    x = images(one, dtype=torch.float32)
    twin = pickle.loads(pickle.dumps(one.eval()))  # noqa: S301
    assert torch.equal(twin(x), one(x))
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.eval()(x), one(x))


def test_every_parameter_has_a_gradient():
    child = child_of(norm="batch")
    child(images(child, dtype=torch.float32)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in child.parameters())


# Specs

OTHERS = {
    "data": DataSpec(name="mnist"),
    "classes": 7,
    "training": TrainingSpec(epochs=3),
    "seed": 5,
    "side": 24,
    "channels": 3,
    "group": "C4",
    "augmentations": ("hflip",),
    "size": 1.5,
    "width": 6,
    "stages": (1.0, 2.0),
    "widths": "published",
    "kernel_size": 2,
    "padding": "same",
    "norm": "batch",
    "head": "invariant",
    "dropout": 0.25,
    "backend": "escnn",
    "initialisation": "published",
    "augment": "D4",
}


def test_every_field_has_another_value():
    assert {*OTHERS, "parent"} == {field.name for field in fields(GCNNSpec)}  # a parent is refused


@pytest.mark.parametrize("name", OTHERS)
def test_key_depends_on_every_field(name):
    spec = spec_of()
    other = replace(spec, **{name: OTHERS[name]})
    assert getattr(other, name) != getattr(spec, name)
    assert other.key != spec.key
    # The class is the network: whatever changes how many fields it has is part of it.
    network = [(one.group, one.augmentations, one.augment, one.fields, one.kernel_size) for one in (spec, other)]
    assert (other.class_key != spec.class_key) == (network[0] != network[1])
    again = ChildSpec.from_json(json.loads(json.dumps(other.to_json())))
    assert type(again) is GCNNSpec
    assert again == other
    assert (again.key, again.class_key) == (other.key, other.class_key)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"augmentations": ("hflip", "rotation")}, {"augmentations": ["rotation", "hflip", "hflip"]}),
        ({"size": 2}, {"size": 2.0}),
        ({"stages": [1, 2]}, {"stages": (1.0, 2.0)}),
        ({"group": "D1v"}, {"group": "D1(1/2)"}),
        ({"group": "D1v"}, {"group": "D1(2/4)"}),
        ({"dropout": 0}, {"dropout": -0.0}),
    ],
    ids=lambda options: " ".join(f"{name}={value}" for name, value in options.items()),
)
def test_key_does_not_depend_on_spelling(one, other):
    first, second = (GCNNSpec(**(SMALL | options)) for options in (one, other))
    assert first == second
    assert (first.key, first.class_key) == (second.key, second.class_key)
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())


def test_seeds_of_one_class():
    spec = spec_of()
    assert spec.with_seed(3).class_key == spec.class_key
    assert spec.with_seed(3).key != spec.key
    assert spec.with_choice(group="C2").group == "C2"
    assert spec.population_key is None


def test_name_says_what_was_chosen():
    assert spec_of().name == "D4, no augmentation, x1"
    spec = spec_of("C4", augmentations=("hflip", "rotation"), size=1.5, kernel_size=5, stages=(1, 2), padding="same")
    assert spec.name == "C4, rotation + hflip, x1.5, 5x5, stages 1/2"


def test_augmenter_changes_training_images_only_if_asked():
    assert spec_of().augmenter("cpu") is None
    augmenter = spec_of(augmentations=("rotation",), seed=3).augmenter("cpu")
    assert isinstance(augmenter, AffineAugmenter)
    x = cases.images(4, 1, 20, 20, dtype=torch.float32)
    assert not torch.equal(augmenter.epoch(x, 0), x)
    assert torch.equal(augmenter.epoch(x, 1), spec_of(augmentations=("rotation",), seed=3).augmenter("cpu").epoch(x, 1))


# Messages


@pytest.mark.parametrize("name", ["widths", "padding", "norm", "head", "backend"])
def test_unknown_choices_are_refused(name):
    with pytest.raises(SpecError, match=rf"unknown {name} 'other'"):
        spec_of(**{name: "other"})


@pytest.mark.parametrize("name", ["side", "channels", "width", "kernel_size"])
@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_numbers_that_cannot_be_are_refused(name, value):
    with pytest.raises(SpecError, match=rf"{name} is {value}; it must be a whole number from 1 up"):
        spec_of(**{name: value})


def test_images_that_are_too_small_are_refused():
    with pytest.raises(
        SpecError, match=r"side is 12: images of 12x12 are too small for 4 convolutions with kernel_size 3"
    ):
        spec_of(side=12)
    assert spec_of(side=12, padding="same").fields
    assert spec_of(side=16).fields
    with pytest.raises(SpecError, match=r"images of 3x3 are too small .*use padding='same'"):
        spec_of(side=3, padding="same")


@pytest.mark.parametrize("group", ["C8", "D8", "C16", "SO2", "D1(1/8)"])
def test_groups_that_do_not_act_on_pixels_are_refused(group):
    with pytest.raises(
        SpecError, match=rf"group is {group[:2]}.*, which does not act exactly on pixels; use backend='escnn'"
    ):
        spec_of(group)


def test_groups_that_do_not_exist_are_refused():
    with pytest.raises(GroupError, match=r"unknown planar group 'D44' \(did you mean 'D4'\?\)"):
        spec_of("D44")
    with pytest.raises(SpecError, match=r"unknown group 'D2d' of backend 'escnn' \(did you mean 'D2'\?\)"):
        spec_of("D2d", backend="escnn")


@pytest.mark.parametrize("group", ["D2d", "D1a", "C2"])
def test_widths_that_are_not_published_are_refused(group):
    with pytest.raises(SpecError, match=rf"no widths are published for '{group}'.*use widths='level'"):
        spec_of(group, widths="published")


@pytest.mark.parametrize("options", [{"padding": "same"}, {"kernel_size": 2}, {"kernel_size": 4}])
def test_escnn_takes_odd_kernels_without_padding(options):
    with pytest.raises(SpecError, match=r"backend='escnn' takes padding='none' and odd kernels"):
        spec_of("C4", backend="escnn", **options)


@pytest.mark.parametrize(
    "options", [{"size": 0}, {"size": math.nan}, {"size": math.inf}, {"stages": (1,)}, {"stages": (1, -1)}], ids=str
)
def test_factors_that_cannot_be_are_refused(options):
    with pytest.raises(
        SpecError, match=r"size is .* and stages .*; give a factor above 0 for size and for each of the 2"
    ):
        spec_of(**options)


def test_other_messages():
    for dropout in (-0.1, 1, math.nan):
        with pytest.raises(SpecError, match=rf"dropout is {float(dropout)}; it must be from 0 to below 1"):
            spec_of(dropout=dropout)
    with pytest.raises(SpecError, match=r"unknown augmentation 'rotate' \(did you mean 'rotation'\?\)"):
        spec_of(augmentations=("rotate",))
    with pytest.raises(SpecError, match=r"padding is 'same' with kernel_size 2; use an odd kernel_size"):
        spec_of(padding="same", kernel_size=2)
    with pytest.raises(SpecError, match=r"unknown field 'groups' \(did you mean 'group'\?\)"):
        spec_of().with_choice(groups="C4")
    with pytest.raises(SpecError, match="kind is 'gcnn', but a DenseSpec is expected"):
        DenseSpec.from_json(spec_of().to_json())
    with pytest.raises(SpecError, match="classes is 0"):
        spec_of(classes=0)


# On escnn's filters


def test_a_child_on_escnn_s_filters():
    spec = spec_of("C4", backend="escnn", width=8, head="invariant")
    child = build_child(spec).eval()
    assert type(child) is GCNNChild
    assert child.parameter_count() == parameter_count(spec.shape, "C4", spec.fields)
    assert max(child.check_equivariance().values()) < 1e-4
    x = images(child, dtype=torch.float32)
    assert max(child.check_invariance(x).values()) < 1e-4
    cases.assert_near(child.export()(x), child(x), 1e-5)
    for name, values in build_child(spec).state_dict().items():
        assert torch.equal(child.state_dict()[name], values), name
    flat = build_child(replace(spec, head="flatten")).eval()
    image = FieldType.trivial("C4", 1)
    assert cases.relative(flat(image.transform(x, image.group.elements[2])), flat(x)) > 1e-3
