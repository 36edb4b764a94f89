"""Empty batches, single images and other memory layouts for every layer and child."""

import copy

import pytest
import torch
from helpers.every_module import CHILDREN, close, every_module, inputs, make
from torch import nn

pytestmark = pytest.mark.filterwarnings("ignore::aen.nn.EquivarianceWarning")
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def norm_statistics(module):
    return [values.clone() for key, values in module.named_buffers() if "running" in key]


@every_module
def test_an_empty_batch_gives_an_empty_result(name):
    module, x = make(name), inputs(name, 3)
    y = module(x[:0])
    assert y.shape == (0, *module(x).shape[1:])
    assert y.dtype == module(x).dtype
    y.sum().backward() if y.requires_grad else None
    assert all(p.grad is None or not p.grad.any() for p in module.parameters())


@every_module
def test_an_empty_batch_in_training_is_as_torch_s_norms_take_it(name):
    module, x = make(name).train(), inputs(name, 3)
    before = norm_statistics(module)
    shape = (0, *copy.deepcopy(module)(x).shape[1:])
    try:
        plain = nn.BatchNorm2d(2)(torch.zeros(0, 2, 3, 3))
    except (RuntimeError, ValueError) as error:
        if before:
            with pytest.raises(type(error)):
                module(x[:0])
            return
    else:
        assert plain.shape == (0, 2, 3, 3)
    assert module(x[:0]).shape == shape


@every_module
def test_a_batch_of_one_is_that_image_of_a_larger_batch(name):
    module, x = make(name), inputs(name, 3)
    close(module(x[1:2]), module(x)[1:2])
    assert module.train()(x[1:2]).shape == module.eval()(x[1:2]).shape


@every_module
def test_other_memory_layouts_change_nothing(name):
    module, x = make(name), inputs(name, 3)
    expected = module(x)
    layouts = [
        x.flip(0).flip(0),
        torch.stack([x, x], dim=-1)[..., 0],
        x.transpose(0, -1).contiguous().transpose(0, -1),
        x[:1].expand(3, *x.shape[1:]),
    ]
    if x.dim() == 4:
        layouts.append(x.to(memory_format=torch.channels_last))
    for number, layout in enumerate(layouts):
        other = layout.detach().requires_grad_()
        y = module(other)
        close(y, module(x[:1].repeat(3, *[1] * (x.dim() - 1))) if number == 3 else expected)
        y.sum().backward()
    y = module.to(memory_format=torch.channels_last)(layouts[-1].detach())
    close(y, expected if x.dim() == 4 else module(layouts[-1]))
    module.train()
    close(module(layouts[0]), module(x), 1e-9)


@pytest.mark.parametrize("name", CHILDREN)
def test_exported_networks_take_empty_batches(name):
    module, x = make(name), inputs(name, 3)
    if not hasattr(module, "export"):
        pytest.skip("a dense child is exported layer by layer")
    plain = module.export()
    assert plain(x[:0]).shape == module(x[:0]).shape
    close(plain(x), module(x))
