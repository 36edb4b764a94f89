import pytest
import torch

from aen.children import DenseSpec, GCNNSpec, build_child
from aen.nn import GroupBatchNorm2d
from aen.training.recalibration import MOST_IMAGES, norms, recalibrate

BATCH = 32


@pytest.fixture
def child():
    return build_child(GCNNSpec(side=8, width=6, group="D2", padding="same", norm="batch", head="invariant"))


def images(count):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(3)) * 2 + 1


def test_statistics_are_those_of_the_images_at_the_present_weights(child):
    rows = images(2 * BATCH)
    first = next(norms(child))
    maps = child.convolutions[0](rows).detach()
    fields = first.in_type.field_channels()
    recalibrate(child, rows, BATCH)
    for field, channels in enumerate(fields):
        # The mean over two batches of equal size: of the means, and of the variances within each.
        halves = maps[:, torch.from_numpy(channels)].double().split(BATCH)
        mean = torch.stack([half.mean() for half in halves]).mean()
        variance = torch.stack([half.var() for half in halves]).mean()
        assert float(first.running_mean[field]) == pytest.approx(float(mean), abs=1e-5)
        assert float(first.running_var[field]) == pytest.approx(float(variance), rel=1e-4)


def test_the_norms_of_the_other_backend_are_taken_anew_too():
    child = build_child(GCNNSpec(side=20, width=6, group="C4", norm="batch", backend="escnn"))
    rows = torch.randn(BATCH, 1, 20, 20, generator=torch.Generator().manual_seed(3))
    recalibrate(child, rows, BATCH)
    assert len(list(norms(child))) == 4
    first = next(norms(child))
    fields = child.convolutions.layers[0](rows).detach().double().view(BATCH, first.num_features, -1)
    assert first.running_mean.tolist() == pytest.approx(fields.mean(dim=(0, 2)).tolist(), abs=1e-5)
    assert first.running_var.tolist() == pytest.approx(fields.transpose(0, 1).flatten(1).var(dim=1).tolist(), rel=1e-4)


def test_what_the_statistics_were_before_does_not_matter(child):
    other = build_child(child.spec)
    for norm in norms(other):
        norm.running_mean.fill_(9.0)
        norm.running_var.fill_(100.0)
    for one in (child, other):
        recalibrate(one, images(50), BATCH)
    x = images(5)
    assert torch.equal(child(x), other(x))


def test_nothing_else_changes(child):
    before = {name: value.clone() for name, value in child.named_parameters()}
    momenta = [norm.momentum for norm in norms(child)]
    state = torch.random.get_rng_state()
    recalibrate(child, images(50), BATCH)
    assert all(torch.equal(value, before[name]) for name, value in child.named_parameters())
    assert [norm.momentum for norm in norms(child)] == momenta
    assert torch.equal(torch.random.get_rng_state(), state), "dropout must not draw"
    assert not any(module.training for module in child.modules())


def test_only_so_many_images_are_looked_at(child, monkeypatch):
    seen = []
    monkeypatch.setattr(GroupBatchNorm2d, "forward", lambda _, x: seen.append(len(x)) or x)
    recalibrate(child, images(MOST_IMAGES + 500), BATCH)
    assert sum(seen) == MOST_IMAGES * len(list(norms(child)))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_leave_the_statistics(child, count):
    recalibrate(child, images(count), BATCH)
    assert all(float(norm.running_mean.abs().sum()) == 0 for norm in norms(child))


def test_a_child_without_batch_norm_stays_as_it_is():
    child = build_child(DenseSpec())
    before = {name: value.clone() for name, value in child.state_dict().items()}
    recalibrate(child, torch.randn(4, 64), BATCH)
    assert all(torch.equal(value, before[name]) for name, value in child.state_dict().items())
