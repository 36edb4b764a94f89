"""escnn is imported late, safely, once, and keeps its coefficients where aen keeps its own."""

import os
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from aen._cache import cache_folder
from aen.errors import SpecError
from aen.nn.steerable import load_escnn
from aen.nn.steerable.filters import filter_basis
from aen.nn.steerable.loading import escnn_cache
from aen.nn.steerable.sylvester import sylvester_constraint

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "escnn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import aen, aen.children, aen.nn.steerable
from aen.errors import AenError
from aen.nn.steerable import STEERABLE_GROUPS, SteerableFeatures
assert not any(name.split(".")[0] in {"escnn", "lie_learn", "joblib"} for name in sys.modules), "imported at start-up"
try:
    SteerableFeatures("C4", [1])
except AenError as error:
    print(type(error).__name__, error)
assert not any(name.startswith("lie_learn") for name in sys.modules), "left behind"
"""

COUNTED = """
import numpy as np
np.random.seed(3)
from aen.nn.steerable import loading, parameters_per_pair
calls = []
usual = loading.sylvester_constraint
loading.sylvester_constraint = lambda *given: calls.append(1) or usual(*given)
parameters_per_pair("D4", 3)
print(len(calls), np.random.rand())
"""


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_escnn_the_message_says_what_to_install():
    out = run(BLOCKED)
    assert out.startswith("SpecError Steerable layers need escnn")
    for remedy in ("make setup", "pip install --no-deps escnn==1.0.11 joblib pymanopt autograd"):
        assert remedy in out


def test_escnn_is_loaded_once():
    assert load_escnn() is load_escnn() is sys.modules["escnn"]
    import joblib

    assert joblib.Memory.__name__ == "Memory", "joblib is left as it was"


@pytest.mark.skipif(
    any(d.name in {"lie_learn", "lie-learn"} for d in distributions()), reason="lie_learn itself is installed"
)
def test_the_stand_in_for_lie_learn_raises():
    load_escnn()
    from lie_learn.representations.SO3.wigner_d import wigner_D_matrix

    with pytest.raises(SpecError, match=r"Rotations in space need lie_learn.*choose a planar group"):
        wigner_D_matrix(1, 0, 0, 0)


def test_coefficients_are_kept_in_aens_cache():
    started = time.time()
    escnn = load_escnn()
    filter_basis("D2", "regular", "regular", 3)
    folder = escnn_cache()
    assert folder.is_relative_to(cache_folder())
    assert folder.is_relative_to(os.environ["AEN_CACHE"])
    assert list(folder.glob("*.npz"))
    # Others, who import escnn by themselves, may have made its own folder before.
    own = Path(escnn.__file__).parent / "group" / "_cache"
    assert not [file for file in own.rglob("output.pkl") if file.stat().st_mtime > started]


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AEN_CACHE", str(tmp_path / "file" / "cache"))
    assert escnn_cache() is None


@pytest.mark.slow
def test_the_second_process_computes_no_coefficients(tmp_path):
    cache = {"AEN_CACHE": str(tmp_path)}
    (first, drawn), (second, drawn_again) = (run(COUNTED, **cache).split() for _ in range(2))
    assert int(first) > 0
    assert int(second) == 0
    # What is drawn afterwards does not depend on who built first.
    assert drawn == drawn_again
    for file in (tmp_path / "escnn").rglob("*.npz"):
        file.write_bytes(b"damaged")
    third, drawn_at_last = run(COUNTED, **cache).split()
    assert int(third) > 0
    assert drawn_at_last == drawn
    (tmp_path / "file").touch()
    fourth, _ = run(COUNTED, AEN_CACHE=str(tmp_path / "file" / "cache")).split()
    assert int(fourth) > 0


def test_the_dense_system_is_escnns():
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(3, 4, 4)), rng.normal(size=(3, 2, 2))
    blocks = [sparse.kronsum(a, -b.T, format="csc") for a, b in zip(left, right, strict=True)]
    found = sylvester_constraint(list(left), list(right))
    assert sparse.issparse(found)
    np.testing.assert_array_equal(found.toarray(), sparse.vstack(blocks).toarray())
    # The kernel of the system holds what the docstring says: X = I for equal representations.
    np.testing.assert_allclose(sylvester_constraint(list(left), list(left)) @ np.eye(4).reshape(-1), 0, atol=1e-12)
