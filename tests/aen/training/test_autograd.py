"""Training by automatic differentiation, on a tiny kind of child that only these tests know."""

import json
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from aen.children import KINDS, Child, ChildSpec, Kind, TrainingSpec, build_child
from aen.data import DataSpec, load_dataset
from aen.errors import SpecError
from aen.evaluators import LocalEvaluator, evaluate
from aen.results.store import ResultStore
from aen.training import load_child, train_child, train_population
from aen.training.autograd import fit

TRAINING = TrainingSpec(epochs=3, batch_size=32, learning_rate=0.05)


class Rolled:
    """Moves the images by the epoch's number."""

    def epoch(self, images: Tensor, epoch_number: int) -> Tensor:
        return images.roll(epoch_number, dims=-1)


@dataclass(frozen=True)
class TinySpec(ChildSpec):
    kind: ClassVar[str] = "tiny"
    class_fields: ClassVar[tuple[str, ...]] = ("label",)

    width: int = 8
    channels: int = 1
    dropout: float = 0.5
    rolled: bool = False
    label: str = "a"

    @property
    def class_key(self) -> str:
        return f"tiny-{self.width}-{self.dropout}-{self.rolled}"

    @property
    def name(self) -> str:
        return f"width {self.width}"

    @property
    def group(self) -> str:
        return "C1"

    @property
    def side(self) -> int:
        return 8

    def augmenter(self, device: str) -> Rolled | None:
        assert device == "cpu"
        return Rolled() if self.rolled else None


class TinyChild(Child):
    def __init__(self, spec: TinySpec) -> None:
        super().__init__()
        self.spec = spec
        self.hidden = skip_init(nn.Linear, 64, spec.width)
        self.drop = nn.Dropout(spec.dropout)
        self.head = skip_init(nn.Linear, spec.width, spec.classes)
        source = torch.Generator().manual_seed(spec.seed)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1, generator=source)

    def prepare(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def forward_prepared(self, rows: Tensor) -> Tensor:
        return self.head(self.drop(torch.relu(self.hidden(rows))))

    def check_equivariance(self, *, words: int = 16, seed: int = 0) -> dict[str, float]:
        del words, seed
        return {}


SPEC = TinySpec(data=DataSpec(train=100, validation=60, test=60), training=TRAINING)


@pytest.fixture(autouse=True)
def tiny_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "aen.children.kinds_of_tests"
    monkeypatch.setitem(KINDS, "tiny", Kind(f"{module}:TinySpec", f"{module}:TinyChild"))
    namespace = type("Module", (), {"TinySpec": TinySpec, "TinyChild": TinyChild})
    monkeypatch.setitem(sys.modules, module, namespace)


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(SPEC.data)


def outcome(spec, dataset, **options):
    evaluation = train_child(spec, dataset, **options)
    return replace(evaluation, seconds=0.0)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"rolled": True},
        {"training": replace(TRAINING, optimiser="sgd", momentum=0.9)},
        {"training": replace(TRAINING, precision="bfloat16")},
    ],
    ids=["adam", "augmented", "sgd", "bfloat16"],
)
def test_trained_twice_it_is_the_same_bit_for_bit(dataset, tmp_path, change):
    spec = replace(SPEC, **change)
    found = []
    for place in ("one", "two"):
        torch.manual_seed(len(found))
        torch.rand(5)
        before = torch.get_rng_state()
        evaluation = outcome(spec, dataset, weights_folder=tmp_path / place)
        assert torch.equal(torch.get_rng_state(), before)
        found.append((evaluation, load_child(spec, tmp_path / place / evaluation.weights).state_dict()))
    (one, weights), (two, others) = found
    assert one == two
    assert one.status == "ok"
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_what_a_spec_says_matters(dataset):
    changes = ({}, {"rolled": True}, {"dropout": 0.0}, {"seed": 1}, {"training": replace(TRAINING, optimiser="sgd")})
    losses = [outcome(replace(SPEC, **change), dataset).train_loss for change in changes]
    assert len(set(losses)) == len(losses)


def test_it_learns(dataset):
    spec = replace(SPEC, width=32, dropout=0.0, training=replace(TRAINING, epochs=20, learning_rate=0.01))
    found = outcome(spec, dataset)
    assert found.train_accuracy > 0.9
    assert found.parameters == 64 * 32 + 32 + 32 * 10 + 10


def test_steps_are_those_of_a_plain_loop(dataset):
    spec = replace(
        SPEC, dropout=0.0, training=TrainingSpec(epochs=2, batch_size=64, learning_rate=0.1, optimiser="sgd")
    )
    child, twin = build_child(spec), build_child(spec)
    rows, labels = dataset.train.images, dataset.train.labels
    assert fit(child, spec, rows, labels)
    assert not child.training
    shuffle = torch.Generator().manual_seed(spec.seed)
    for _ in range(2):
        order = torch.randperm(len(labels), generator=shuffle)
        for batch in (order[:64], order[64:]):
            twin.zero_grad()
            nn.functional.cross_entropy(twin(rows[batch]), labels[batch]).backward()
            with torch.no_grad():
                for parameter in twin.parameters():
                    parameter.sub_(0.1 * parameter.grad)
    for ours, theirs in zip(child.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_loss_that_is_not_finite_is_a_divergence(dataset):
    spec = replace(SPEC, training=TrainingSpec(epochs=3, learning_rate=1e30))
    found = outcome(spec, dataset)
    assert found.status == "diverged"
    assert found.train_loss == found.validation_accuracy == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 3}, "the images have 1 channels; the tiny child takes images of 3 channels"),
        ({"classes": 9}, "classes is 9, but the data set has 10"),
    ],
)
def test_a_child_that_does_not_fit_is_refused(dataset, change, message):
    with pytest.raises(SpecError, match=message):
        train_child(replace(SPEC, **change), dataset)


def test_json_gives_the_kind_back_and_labels_are_no_part_of_the_key():
    copy = ChildSpec.from_json(json.loads(json.dumps(SPEC.to_json())))
    assert copy == SPEC
    assert isinstance(copy, TinySpec)
    assert copy.key == replace(SPEC, label="b").key != replace(SPEC, width=9).key


def test_it_is_trained_alone_by_an_evaluator_of_populations(dataset, tmp_path):
    assert SPEC.population_key is None
    with pytest.raises(SpecError, match="a tiny child is always trained alone"):
        train_population([SPEC], dataset)
    evaluator = LocalEvaluator(ResultStore(tmp_path / "results.sqlite"), population=4)
    specs = [SPEC.with_seed(seed) for seed in range(3)]
    evaluations = evaluate(evaluator, specs)
    assert [e.population for e in evaluations] == [1, 1, 1]
    assert replace(evaluations[1], seconds=0.0) == outcome(specs[1], dataset)
    assert {spec for _, spec in evaluator.store.evaluations()} == set(specs)
    evaluator.close()
