"""Weights over HTTP: kept by the service, inherited there, and fetched into a folder of the client."""

import shutil
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from itertools import count

import pytest
from helpers.services import serving

from aen.children import DenseSpec, EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import SpecError
from aen.evaluators import LocalEvaluator, evaluate
from aen.results.store import ResultStore
from aen.training import load_child
from aen_agents.config import load_config
from aen_agents.runs.folder import RunFolder
from aen_agents.search import Search
from aen_service import RemoteEvaluator
from aen_service.rewards.connection import RemoteError
from aen_service.settings import Limits

DATA = DataSpec(train=60, validation=60, test=60)
CHILD = DenseSpec(data=DATA, grids=(8, 4), training=TrainingSpec(epochs=1))
LAYERWISE = EquiNASSpec(data=DATA, side=8, width=1, dense=8, training=TrainingSpec(epochs=1))
SEARCH = [
    *("data.train=64", "data.validation=64", "data.test=64", "child.width=1", "child.dense=8", "training.epochs=2"),
    *("evaluator.workers=1", "agent.generations=2", "agent.population=2", "agent.seeds=1"),
    *("agent.subgroups=[D4, C4, C1]", "agent.baselines=[random_steps]"),
]
# A local search trains its finals again whose weights it has removed; a service still has them.
OF_A_MACHINE = {"seconds", "provenance", "children_trained", "children_trained_in_all"}
SEEDS = count()


def outcome(evaluation):
    return {k: v for k, v in asdict(evaluation).items() if k not in {"seconds", "looked_up"}}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("runs"), workers=1) as found:
        yield found


@pytest.fixture
def make(service, client):
    return partial(RemoteEvaluator, str(client.base_url), service.tokens.add("agent", "operator")[1], patience=20.0)


@pytest.fixture
def remote(make, tmp_path):
    with closing(make(weights_folder=tmp_path / "fetched")) as evaluator:
        yield evaluator


def child():
    return CHILD.with_seed(next(SEEDS))


def family():
    parent = LAYERWISE.with_seed(next(SEEDS))
    return parent, replace(parent, parent=parent.key)


def file_of(folder, spec):
    return folder / f"{spec.key}.safetensors"


def test_weights_are_those_of_a_local_evaluator(remote, tmp_path):
    parent, heir = family()
    local = LocalEvaluator(weights_folder=tmp_path / "local")
    for spec in (child(), parent, heir):
        (found,), (expected,) = (evaluate(one, [spec], keep_weights=True) for one in (remote, local))
        assert outcome(found) == outcome(expected)
        assert found.weights == f"{spec.key}.safetensors"
        assert file_of(remote.weights_folder, spec).read_bytes() == file_of(local.weights_folder, spec).read_bytes()


def test_weights_that_came_to_be_wanted_later_are_trained_once_more(remote, service):
    spec = child()
    first = remote.submit([spec])[0]
    second = remote.submit([spec], keep_weights=True)[0]
    assert outcome(replace(second.result(60), weights=None)) == outcome(replace(first.result(60), weights=None))
    load_child(spec, file_of(remote.weights_folder, spec))
    assert file_of(service.rewards.weights.folder, spec).is_file()


def test_what_a_client_has_is_not_fetched_again_and_what_is_damaged_is(remote, client):
    spec = child()
    evaluate(remote, [spec], keep_weights=True)
    file = file_of(remote.weights_folder, spec)
    content, written = file.read_bytes(), file.stat().st_mtime_ns
    evaluate(remote, [spec], keep_weights=True)
    assert file.stat().st_mtime_ns == written
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert evaluate(remote, [spec], keep_weights=True)[0].weights is not None
    assert file.read_bytes() == content
    assert client.get(f"/api/v1/evaluations/weights/{spec.key}").content == content


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"torn")])
def test_a_parent_whose_weights_the_service_has_lost_is_trained_again(make, service, tmp_path, damage):
    parent, heir = family()
    (expected,) = [evaluate(LocalEvaluator(weights_folder=tmp_path), [s], keep_weights=True) for s in (parent, heir)][1]
    with closing(make(weights_folder=tmp_path / "one")) as evaluator:
        evaluate(evaluator, [parent], keep_weights=True)
        damage(file_of(service.rewards.weights.folder, parent))
        (found,) = evaluate(evaluator, [heir])
    assert outcome(replace(found, weights=None)) == outcome(replace(expected, weights=None))


def test_weights_that_the_service_has_lost_are_made_again(make, service, tmp_path):
    spec = child()
    with closing(make(weights_folder=tmp_path / "one")) as evaluator:
        evaluate(evaluator, [spec], keep_weights=True)
    file_of(service.rewards.weights.folder, spec).unlink()
    with closing(make(weights_folder=tmp_path / "two")) as evaluator:
        evaluate(evaluator, [spec], keep_weights=True)
        load_child(spec, file_of(tmp_path / "two", spec))


def test_a_parent_that_the_service_does_not_know_is_refused(remote):
    orphan = replace(LAYERWISE, parent="0" * 24)
    good, refused = remote.submit([child(), orphan])
    assert good.result(60).status == "ok"
    with pytest.raises(RemoteError, match=f"parent {'0' * 24} is not in the store of this service; evaluate it here"):
        refused.result(60)


def test_weights_need_a_folder(make):
    with closing(make()) as evaluator, pytest.raises(SpecError, match="keep_weights needs an evaluator with a weights"):
        evaluator.submit([CHILD], keep_weights=True)


def test_keys_are_no_paths(client, service):
    (service.rewards.weights.folder / "x.safetensors").parent.mkdir(exist_ok=True)
    (service.rewards.weights.folder / "x.safetensors").write_bytes(b"x")
    for key in ("x", "0" * 23, "0" * 25, "..%2fservice.sqlite", "../service", "A" * 24, "0" * 23 + "%00"):
        answer = client.get(f"/api/v1/evaluations/weights/{key}")
        assert answer.status_code in {400, 404, 422}, key
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get(f"/api/v1/evaluations/weights/{'0' * 24}").status_code == 404


def test_the_least_recently_used_weights_go_first(tmp_path):
    size = 20_000  # more than the weights of one child, less than those of two
    with serving(tmp_path / "runs", workers=1, limits=Limits(weights_bytes=size)) as (service, client):
        secret = service.tokens.add("agent", "operator")[1]
        specs = [child() for _ in range(4)]
        with closing(RemoteEvaluator(str(client.base_url), secret, weights_folder=tmp_path / "mine")) as evaluator:
            for spec in specs:
                assert evaluate(evaluator, [spec], keep_weights=True)[0].weights is not None
        kept = sorted(service.rewards.weights.folder.glob("*.safetensors"))
        assert sum(file.stat().st_size for file in kept) <= size
        assert file_of(service.rewards.weights.folder, specs[-1]) in kept
        assert len(kept) < len(specs) == len(list((tmp_path / "mine").glob("*.safetensors")))
        with ResultStore(service.settings.store) as store:
            assert store.kept_weights() == {file.name for file in kept}
            assert store.count() == len(specs)


@pytest.mark.slow
def test_a_search_that_inherits_weights_equals_a_local_one(make, tmp_path):
    config = load_config("configs/equinas/digits_e.yaml", SEARCH)
    summaries, tables = [], []
    for name, evaluator in (("local", None), ("remote", make)):
        folder = RunFolder.create(config, tmp_path / name)
        result = Search(config, lambda _: None, evaluator=evaluator).run(folder)
        summaries.append({k: v for k, v in result.to_json().items() if k not in OF_A_MACHINE})
        with ResultStore(folder.store_file) as store:
            tables.append([outcome(e) for e in store.outcomes()])
    assert tables[0] == tables[1]
    assert len(tables[0]) > 5
    assert summaries[0] == summaries[1]
    again = Search(config, lambda _: None, evaluator=make).run(RunFolder.open(tmp_path / "remote"))
    assert again.children_trained == 0
    assert again.verdict == result.verdict
    shutil.rmtree(tmp_path / "remote")
