"""Autocast, other floating-point types and the transforms of torch.func on every layer and child, beside nn.Linear."""

import pytest
import torch
from helpers.every_module import LAYERS, MODULES, close, every_module, every_trained, inputs, make
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap

pytestmark = [
    pytest.mark.filterwarnings("ignore::aen.nn.EquivarianceWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),  # torch's own forward derivatives
]
LOW = {"bfloat16": torch.bfloat16, "float16": torch.float16}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
low_precision = pytest.mark.parametrize("dtype", LOW.values(), ids=LOW)
on_devices = pytest.mark.parametrize("device", DEVICES)
# Layers without a product: they give the type that they are given, also under autocast.
KEEPING = ("norm", "relaxed norm", "group mean", "group maximum", "mean pooling", "max pooling")
STEERABLE_KEEPING = ("steerable norm, C4", "steerable ReLU, C4", "steerable pooling, C4")


def near(found, expected, limit):
    """Compare gradients as a whole: single ones may be nearly zero."""
    found, expected = (torch.cat([values.detach().reshape(-1) for values in some]) for some in (found, expected))
    assert float((found - expected).norm()) <= limit * float(expected.norm())


def given(name, dtype):
    """What nn.Linear gives under autocast, or the input's type where no product is computed."""
    return torch.float32 if name in (*KEEPING, *STEERABLE_KEEPING) else dtype


@on_devices
@low_precision
@every_module
def test_autocast_trains_as_without_up_to_its_rounding(name, dtype, device):
    module, x = make(name, dtype=torch.float32).to(device), inputs(name, 8, torch.float32).to(device)
    variables = [x.requires_grad_(), *module.parameters()]
    expected = module(x)
    with torch.autocast(device, dtype=dtype):
        y = module(x)
    assert y.dtype == given(name, dtype)
    close(y.float(), expected, 0.1)
    gradients, without = (
        torch.autograd.grad(out.float().square().mean(), variables, materialize_grads=True) for out in (y, expected)
    )
    assert {values.dtype for values in gradients} == {torch.float32}
    near(gradients, without, 0.3)


@on_devices
@every_trained
def test_backward_inside_autocast_and_autocast_switched_off(name, device):
    module, x = make(name, dtype=torch.float32).to(device), inputs(name, 8, torch.float32).to(device)
    variables = list(module.parameters())
    expected = torch.autograd.grad(module(x).square().mean(), variables, materialize_grads=True)
    with torch.autocast(device, dtype=torch.bfloat16):
        with torch.autocast(device, enabled=False):
            y = module(x)
        found = torch.autograd.grad(y.square().mean(), variables, materialize_grads=True)
        inside = torch.autograd.grad(module(x).float().square().mean(), variables, materialize_grads=True)
    assert y.dtype == torch.float32
    # Products of torch itself round inside autocast, in the backward pass too.
    near(found, expected, 0.3)
    near(inside, expected, 0.3)
    assert {values.dtype for values in (*found, *inside)} == {torch.float32}


@on_devices
@low_precision
@every_trained
def test_a_whole_module_of_a_low_precision(name, dtype, device):
    module, x = make(name, dtype=torch.float32).to(device), inputs(name, 8, torch.float32).to(device)
    expected = module(x)
    y = module.to(dtype)(x.to(dtype))
    assert y.dtype == dtype
    close(y.float(), expected, 0.15)
    y.square().mean().backward()
    assert all(p.grad is None or p.grad.dtype == dtype for p in module.parameters())


@pytest.mark.parametrize("name", [name for name in MODULES if "linear" in name or "convolution" in name])
def test_another_type_of_input_gives_torch_s_own_error(name):
    with pytest.raises(RuntimeError, match=r"dtype|type"):
        nn.Linear(2, 2)(torch.zeros(1, 2, dtype=torch.float64))
    with pytest.raises(RuntimeError, match=r"dtype|type"):
        make(name, dtype=torch.float32)(inputs(name))


@on_devices
@pytest.mark.parametrize("name", [name for name in MODULES if "child" in name])
def test_scaled_losses_train_under_autocast(name, device):
    module, x = make(name, dtype=torch.float32).to(device).train(), inputs(name, 16, torch.float32).to(device)
    labels = (torch.arange(16) % 3).to(device)
    optimiser, scaler = torch.optim.Adam(module.parameters(), 3e-3), torch.amp.GradScaler(device, init_scale=256.0)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        with torch.autocast(device, dtype=torch.float16):
            loss = nn.functional.cross_entropy(module(x), labels)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@every_trained
def test_gradients_of_single_images(name):
    module, x = make(name), inputs(name, 3)
    params = {key: values.detach() for key, values in module.named_parameters()}
    buffers = dict(module.named_buffers())

    def loss(params, image):
        return functional_call(module, (params, buffers), (image.unsqueeze(0),)).square().sum()

    found = vmap(grad(loss), in_dims=(None, 0))(params, x)
    for number, image in enumerate(x):
        loss_alone = module(image.unsqueeze(0)).square().sum()
        near(
            [values[number] for values in found.values()],
            torch.autograd.grad(loss_alone, list(module.parameters()), materialize_grads=True),
            1e-9,
        )


@every_module
def test_forward_derivatives(name):
    module, x, step = make(name), inputs(name), inputs(name, seed=3)
    _, found = jvp(module, (x,), (step,))
    expected = torch.autograd.functional.jvp(module, x, step)[1]  # by two backward passes
    near([found], [expected], 1e-8)


@every_module
def test_forward_derivatives_of_dual_numbers(name):
    module, x, step = make(name), inputs(name), inputs(name, seed=3)
    with torch.no_grad():
        _, expected = jvp(module, (x,), (step,))
    with forward_ad.dual_level():
        found = forward_ad.unpack_dual(module(forward_ad.make_dual(x, step))).tangent
    near([found], [expected], 1e-10)


@pytest.mark.parametrize(
    "name", [name for name in LAYERS if list(make(name).parameters()) and "norm" not in name and name != "sequence"]
)
def test_second_derivatives(name):
    module, x = make(name), inputs(name, 1)

    def call(*values):
        return functional_call(module, dict(zip(keys, values, strict=True)), (x.requires_grad_(),))

    keys = [key for key, _ in module.named_parameters()]
    assert torch.autograd.gradgradcheck(call, tuple(module.parameters()), fast_mode=True)
