"""State dicts, functional calls, averages and copies of every layer and child: as those of torch's own modules."""

import copy
import io
import itertools
import pickle

import pytest
import torch
from helpers.every_module import close, differ, every_module, every_trained, inputs, make
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.utils import parameters_to_vector, parametrize, vector_to_parameters
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn

pytestmark = [
    pytest.mark.filterwarnings("ignore::aen.nn.EquivarianceWarning"),
    pytest.mark.filterwarnings("ignore:An output with one or more elements was resized"),  # torch's PReLU under vmap
]


@every_module
def test_the_state_is_the_parameters_and_buffers_themselves(name):
    module = make(name)
    state = module.state_dict()
    own = dict(itertools.chain(module.named_parameters(), module.named_buffers()))
    assert state.keys() == own.keys()  # no hidden ones: what averages buffers must not meet tables
    assert [k for k in state if k in dict(module.named_parameters())] == [k for k, _ in module.named_parameters()]
    for key, values in state.items():
        assert (values.shape, values.dtype) == (own[key].shape, own[key].dtype)
        assert values.data_ptr() == own[key].data_ptr()
        assert values.stride() == own[key].stride()


@torch.no_grad()
def through_the_state(target, source):
    for mine, theirs in zip(target.state_dict().values(), source.state_dict().values(), strict=True):
        mine.copy_(theirs)


@torch.no_grad()
def by_name(target, source):
    state, buffers = source.state_dict(), dict(target.named_buffers())
    for key, values in itertools.chain(target.named_parameters(), buffers.items()):
        values.copy_(state[key])


def through_data(target, source):
    for mine, theirs in zip(target.parameters(), source.parameters(), strict=True):
        mine.data.copy_(theirs.data)
    for mine, theirs in zip(target.buffers(), source.buffers(), strict=True):
        mine.data = theirs.data.clone()


def through_a_vector(target, source):
    vector_to_parameters(parameters_to_vector(source.parameters()), target.parameters())
    for mine, theirs in zip(target.buffers(), source.buffers(), strict=True):
        mine.copy_(theirs)


def loaded(target, source):
    target.load_state_dict(source.state_dict())


def assigned(target, source):
    target.load_state_dict(copy.deepcopy(source.state_dict()), assign=True)


def loaded_in_parts(target, source):
    state = list(source.state_dict().items())
    target.load_state_dict(dict(state[::2]), strict=False)
    target.load_state_dict(dict(state[1::2]), strict=False)


def through_a_file(target, source):
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    target.load_state_dict(torch.load(file, weights_only=True))


def in_inference_mode(target, source):
    with torch.inference_mode():
        through_the_state(target, source)


def replaced(target, source):
    for key, values in list(source.named_parameters()):
        place, _, attribute = key.rpartition(".")
        setattr(target.get_submodule(place), attribute, nn.Parameter(values.detach().clone()))
    for mine, theirs in zip(target.buffers(), source.buffers(), strict=True):
        mine.copy_(theirs)


def swapped(target, source):
    for mine, theirs in zip(
        itertools.chain(target.parameters(), target.buffers()),
        itertools.chain(copy.deepcopy(source).parameters(), copy.deepcopy(source).buffers()),
        strict=True,
    ):
        torch.utils.swap_tensors(mine, theirs)


WRITES = [
    *(through_the_state, by_name, through_data, through_a_vector, loaded, assigned, loaded_in_parts, through_a_file),
    *(in_inference_mode, replaced, swapped),
]


@every_trained
def test_a_write_into_the_parameters_takes_effect(name):
    target, sources, x = make(name, 0), [make(name, seed) for seed in (1, 2)], inputs(name)
    with torch.no_grad():
        outputs = [source(x) for source in sources]
        if any("weight" in key for key in target.state_dict()) and "norm" not in name:
            differ(*outputs)
        target(x)  # what would be kept from here is out of date afterwards
        for number, write in enumerate(WRITES):
            source, expected = sources[number % 2], outputs[number % 2]
            with torch.enable_grad():
                write(target, source)
            close(target(x), expected, 1e-12)
            close(source(x), expected, 1e-12)


@every_module
def test_a_functional_call_computes_with_what_it_is_given(name):
    module, other, x = make(name, 0), make(name, 1), inputs(name)
    expected = other(x)
    assert torch.equal(functional_call(module, module.state_dict(), (x,)), module(x))
    assert torch.equal(functional_call(module, dict(module.named_parameters()), (x,)), module(x))
    assert torch.equal(functional_call(module, other.state_dict(), (x,)), expected)
    # As in torch's tutorial on ensembles: a skeleton without values.
    skeleton = copy.deepcopy(module).to("meta")
    assert torch.equal(functional_call(skeleton, other.state_dict(), (x,)), expected)


@every_trained
def test_a_stack_of_modules_is_called_as_one(name):
    modules, x = [make(name, seed) for seed in range(3)], inputs(name)
    params, buffers = stack_module_state(modules)
    skeleton = copy.deepcopy(modules[0]).to("meta")

    def call(params, buffers, x):
        return functional_call(skeleton, (params, buffers), (x,))

    found = vmap(call, in_dims=(0, 0, None))(params, buffers, x)
    for ours, module in zip(found.unbind(), modules, strict=True):
        close(ours, module(x))
    close(vmap(call)(params, buffers, torch.stack([x, x + 1, 2 * x]))[2], modules[2](2 * x))


AVERAGES = {
    "mean": {},
    "mean at once": {"multi_avg_fn": get_swa_multi_avg_fn()},
    "exponential": {"multi_avg_fn": get_ema_multi_avg_fn(0.9)},
    "of two": {"avg_fn": lambda averaged, current, _: (averaged + current) / 2},
}


@every_trained
def test_averages_are_those_of_the_parameters(name):
    model, x = make(name, 0), inputs(name, 2)
    models = [make(name, seed) for seed in range(3)]
    first, second, third = (dict(other.named_parameters()) for other in models)
    expected, last = make(name, 0), models[2](x)
    counts = any(not values.is_floating_point() for values in model.buffers())
    for average, use_buffers in itertools.product(AVERAGES, (False, True)):
        if counts and use_buffers and average == "mean at once":
            continue  # torch cannot average the counters of batch norms so
        model.load_state_dict(models[0].state_dict())
        averaged = AveragedModel(model, use_buffers=use_buffers, **AVERAGES[average])
        for other in models:
            model.load_state_dict(other.state_dict())
            averaged.update_parameters(model)
        shares = {"exponential": (0.81, 0.09, 0.1), "of two": (0.25, 0.25, 0.5)}.get(average, (1 / 3,) * 3)
        for key, values in averaged.module.named_parameters():
            # torch keeps the share of the next one in single precision.
            close(values, shares[0] * first[key] + shares[1] * second[key] + shares[2] * third[key], 1e-6)
        expected.load_state_dict(averaged.module.state_dict())
        assert torch.equal(averaged.eval()(x), expected(x))
        assert torch.equal(model(x), last)  # nothing was written to what copies share


@every_module
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])  # noqa: S301
def test_copies_compute_the_same_and_share_no_state(name, copied):
    module, x = make(name), inputs(name)
    expected = module(x).detach()
    twin = copied(module)
    assert torch.equal(twin(x), expected)
    with torch.no_grad():
        for values in [*twin.parameters(), *twin.buffers()]:
            values.zero_()
    assert torch.equal(module(x), expected)
    assert torch.equal(copy.copy(module)(x), expected)


@every_trained
def test_an_optimiser_s_state_is_loaded_into_a_copy_s(name):
    module, x = make(name), inputs(name)
    twin = copy.deepcopy(module)

    def step(network, optimiser):
        optimiser.zero_grad()
        network(x).square().mean().backward()
        optimiser.step()

    ours, theirs = (torch.optim.Adam(network.parameters(), 1e-2) for network in (module, twin))
    step(module, ours)
    twin.load_state_dict(module.state_dict())
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    step(module, ours)
    step(twin, theirs)
    for mine, copied in zip(module.parameters(), twin.parameters(), strict=True):
        close(copied, mine, 1e-12)


@every_module
def test_other_types_and_back(name):
    module, x = make(name), inputs(name, dtype=torch.float32)
    expected = module(x.double())
    module.to(torch.float32)
    assert {values.dtype for values in module.state_dict().values()} <= {torch.float32, torch.int64}
    assert module(x).dtype == torch.float32
    close(module(x).double(), expected, 1e-3)


class Doubled(nn.Module):
    def forward(self, values):
        return 2 * values


@every_trained
def test_a_parametrization_is_computed_with(name):
    module, expected, x = make(name), make(name), inputs(name)
    for key, values in list(module.named_parameters()):
        place, _, attribute = key.rpartition(".")
        if attribute.isdigit():  # of a list
            continue
        parametrize.register_parametrization(module.get_submodule(place), attribute, Doubled())
        with torch.no_grad():
            dict(expected.named_parameters())[key].copy_(2 * values)
    close(module(x), expected(x))
    for values in module.parameters():
        assert torch.autograd.grad(module(x).square().sum(), values, allow_unused=True)[0] is not None
