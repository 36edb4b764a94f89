import numpy as np
import torch

from aen.groups import Decomposition, Generator
from aen.nn import equivariance_errors
from aen.nn.equivariance import move, random_words, word_permutation

ROT90, HFLIP = (Generator.parse(name) for name in ("rot90", "hflip"))
IMAGE = torch.arange(9.0).reshape(3, 3) ** 2


def test_move_turns_an_image_as_torch_does():
    turned = move(IMAGE.flatten(), ROT90.permutation(3)).reshape(3, 3)
    assert torch.equal(turned, torch.rot90(IMAGE))


def test_last_generator_of_a_word_moves_first():
    turned = move(IMAGE.flatten(), word_permutation((ROT90, HFLIP), 3)).reshape(3, 3)
    assert torch.equal(turned, torch.rot90(IMAGE.flip(1)))
    assert not torch.equal(turned, torch.rot90(IMAGE).flip(1))


def test_words_have_the_lengths_asked_for_and_follow_the_seed():
    words = random_words((ROT90, HFLIP), 50, seed=0, longest=4)
    assert {len(word) for word in words} == {2, 3, 4}
    assert {generator for word in words for generator in word} == {ROT90, HFLIP}
    assert words == random_words((ROT90, HFLIP), 50, seed=0, longest=4)
    assert words != random_words((ROT90, HFLIP), 50, seed=1, longest=4)


def errors_of(function, out_side):
    generators = Decomposition.of(["hflip", "vflip"]).generators
    return equivariance_errors(
        function, generators, in_grid=4, out_grid=out_side, words=0, seed=0, like=torch.zeros(1, dtype=torch.float64)
    )


def test_errors_tell_which_generators_a_map_respects():
    # The sum of each row does not see hflip; vflip turns its order round.
    errors = errors_of(lambda x: x.reshape(-1, 4, 4).sum(dim=2), out_side=None)
    assert errors["hflip"] < 1e-12
    assert errors["vflip"] > 0.1


def test_error_is_relative_to_the_output():
    # f(g x) - g f(x) = 2 f(x) where f changes its sign under g.
    sign = torch.tensor(np.tile([1.0, 1.0, -1.0, -1.0], 4))
    errors = errors_of(lambda x: 1e6 * (x * sign), out_side=4)
    assert abs(errors["hflip"] - 2) < 1e-12
    assert errors["vflip"] < 1e-12
