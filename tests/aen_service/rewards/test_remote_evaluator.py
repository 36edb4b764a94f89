"""A RemoteEvaluator gives what a LocalEvaluator gives, trains nothing twice, and survives restarts of its service."""

import json
import pickle
import re
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace
from itertools import count

import gymnasium
import pytest
from helpers.services import bearer, serving

from aen.children import DenseSpec, TrainingSpec
from aen.data import DataSpec
from aen.evaluators import Evaluator, LocalEvaluator, evaluate, stream
from aen.evaluators.base import Activity
from aen.groups import Decomposition
from aen.results.store import ResultStore
from aen_service import RemoteEvaluator
from aen_service.rewards.connection import RemoteError
from aen_service.serve import open_port
from aen_service.settings import Limits

ENVIRONMENT = "aen_envs:aen/GroupDecomposition-v0"
DATA = DataSpec(train=60, validation=60, test=60)
CHILD = DenseSpec(data=DATA, grids=(8, 4), training=TrainingSpec(epochs=1))


SEEDS = count()  # the tests share a service: each has children of its own


def children(number):
    return [CHILD.with_seed(next(SEEDS)) for _ in range(number)]


def outcome(evaluation):
    kept = asdict(evaluation)
    for name in ("seconds", "looked_up"):
        kept.pop(name)
    return kept


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("runs"), workers=1) as found:
        yield found


@pytest.fixture
def token(service):
    return service.tokens.add("agent", "operator")[1]


@pytest.fixture
def url(client):
    return str(client.base_url)


@pytest.fixture
def remote(url, token):
    with closing(RemoteEvaluator(url, token)) as evaluator:
        yield evaluator


@pytest.fixture
def trained(service):
    """Return how many children the service has trained since the test began."""
    before = service.rewards.activity().trained
    return lambda: service.rewards.activity().trained - before


def test_evaluations_equal_those_of_a_local_evaluator(remote):
    specs = [*children(6), CHILD.with_decomposition(Decomposition.of(["rot90", "hflip"])).with_seed(next(SEEDS))]
    assert isinstance(remote, Evaluator)
    assert list(map(outcome, evaluate(remote, specs))) == list(map(outcome, evaluate(LocalEvaluator(), specs)))
    assert remote.trained == len(specs)
    assert remote.activity() == Activity(remote.parallelism, 0, 0, len(specs), 0)
    (again,) = evaluate(remote, specs[:1])
    assert again.looked_up


def test_two_clients_that_ask_for_the_same_children_train_them_once(service, url, token, trained):
    specs = children(40)
    other = service.tokens.add("another", "operator")[1]
    found = {}

    def ask(name, secret, mine):
        with closing(RemoteEvaluator(url, secret)) as evaluator:
            found[name] = {spec.key: outcome(e) for spec, e in zip(mine, evaluate(evaluator, mine), strict=True)}

    threads = [
        threading.Thread(target=ask, args=("one", token, specs)),
        threading.Thread(target=ask, args=("two", other, specs[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["one"] == found["two"]
    assert trained() == len(specs)


def test_what_a_search_has_stored_is_not_trained(service, remote, trained):
    (spec,) = children(1)
    (local,) = evaluate(LocalEvaluator(), [spec])
    with ResultStore(service.settings.store) as store:
        store.commit(replace(local, validation_accuracy=0.125), spec)
    (found,) = evaluate(remote, [spec])
    assert found.validation_accuracy == 0.125
    assert trained() == 0


def test_a_child_that_another_process_trains_is_waited_for(service, remote):
    (spec,) = children(1)
    (local,) = evaluate(LocalEvaluator(), [spec])
    with ResultStore(service.settings.store) as store:
        assert store.claim(spec.key).mine
        (future,) = remote.submit([spec])
        (other,) = evaluate(remote, children(1))  # which is not kept waiting by it
        assert other.status == "ok"
        assert not future.done()
        store.commit(replace(local, validation_accuracy=0.125), spec)
        assert future.result(60).validation_accuracy == 0.125


def test_stream_yields_every_child_once(remote):
    specs = children(30)
    assert sorted(place for place, _ in stream(remote, specs)) == list(range(30))


def test_the_same_spec_twice_in_one_call_and_in_two(remote, trained):
    (spec,) = children(1)
    first, second = remote.submit([spec, spec])
    (third,) = remote.submit([spec])
    assert outcome(first.result(60)) == outcome(second.result(60)) == outcome(third.result(60))
    assert trained() == 1


def walk(env, steps):
    env.action_space.seed(1)
    observation, _ = env.reset(seed=1)
    found = [observation.tolist()]
    for _ in range(steps):
        observation, reward, *_ = env.step(env.action_space.sample())
        found.append((observation.tolist(), reward.tolist() if hasattr(reward, "tolist") else reward))
    env.close()
    return found


def test_an_environment_walks_as_with_a_local_evaluator(remote):
    assert walk(gymnasium.make(ENVIRONMENT, child=CHILD, horizon=20, evaluator=remote), 12) == walk(
        gymnasium.make(ENVIRONMENT, child=CHILD, horizon=20), 12
    )


@pytest.mark.parametrize("mode", ["sync", pytest.param("async", marks=pytest.mark.slow)])
def test_vector_environments_walk_as_with_a_local_evaluator(remote, mode):
    def made(evaluator, mode):
        return gymnasium.make_vec(
            ENVIRONMENT, num_envs=2, vectorization_mode=mode, child=CHILD, horizon=20, evaluator=evaluator
        )

    assert walk(made(remote, mode), 5) == walk(made(LocalEvaluator(), "sync"), 5)


def test_it_can_be_pickled_and_copies_open_their_own_connection(remote):
    copy = pickle.loads(pickle.dumps(remote))  # noqa: S301 - of this test
    with closing(copy):
        assert outcome(evaluate(copy, [CHILD])[0]) == outcome(evaluate(remote, [CHILD])[0])


@pytest.mark.slow
def test_a_service_that_is_restarted_is_sent_what_is_unfinished(tmp_path):
    listener, port = open_port("127.0.0.1", 0, any_port=False)
    listener.close()
    specs = children(4)
    with serving(tmp_path, port=port, workers=1) as (service, _):
        secret = service.tokens.add("agent", "operator")[1]
        evaluator = RemoteEvaluator(f"http://127.0.0.1:{port}", secret, patience=60)
        with ResultStore(service.settings.store) as store:
            keys = [spec.key for spec in specs[1:]]
            store.claim_many(keys)  # so that these are unfinished when the service ends
            futures = evaluator.submit(specs)
            futures[0].result(60)
            store_owner = store
        assert not any(future.done() for future in futures[1:])
    with closing(evaluator), serving(tmp_path, port=port, workers=1):
        store_owner.release_many(keys)
        found = [outcome(future.result(120)) for future in futures]
    store_owner.close()
    assert found == list(map(outcome, evaluate(LocalEvaluator(), specs)))


@pytest.mark.slow
def test_a_cancelled_child_is_taken_out_of_the_queue(tmp_path):
    with serving(tmp_path, workers=1) as (service, client):
        secret = service.tokens.add("agent", "operator")[1]
        with (
            closing(RemoteEvaluator(str(client.base_url), secret)) as one,
            ResultStore(service.settings.store) as store,
        ):
            (held,) = children(1)
            assert store.claim(held.key).mine
            evaluate(one, children(1))
            many = children(200)  # more than the workers are given at a time
            futures = one.submit([held, *many])
            assert all(future.cancel() for future in futures[1:])
            evaluate(one, children(1))  # trained after everything that was wanted before it
            assert store.count() < len(many)
            assert one.activity().running + one.activity().waiting == 1  # the one that is held
            assert futures[0].cancel()


def test_a_child_that_somebody_else_wants_is_not_cancelled(service, remote, url):
    other = service.tokens.add("another", "operator")[1]
    with closing(RemoteEvaluator(url, other)) as second:
        specs = children(20)
        mine, theirs = remote.submit(specs), second.submit(specs)
        for future in mine:
            future.cancel()
        assert all(future.result(60).status == "ok" for future in theirs)


def test_closing_makes_the_futures_raise(url, token):
    evaluator = RemoteEvaluator(url, token)
    futures = evaluator.submit([replace(CHILD, training=TrainingSpec(epochs=500)).with_seed(s) for s in range(20)])
    evaluator.close()
    with pytest.raises(RemoteError, match="closed"):
        futures[-1].result(10)
    with pytest.raises(RemoteError, match="closed"):
        evaluator.submit([CHILD])


@pytest.mark.slow
def test_more_children_than_the_service_allows_in_flight_wait_here(tmp_path):
    with serving(tmp_path, limits=Limits(evaluations=5)) as (service, client):
        secret = service.tokens.add("agent", "operator")[1]
        with closing(RemoteEvaluator(str(client.base_url), secret)) as one:
            assert one.capacity == 5
            assert {e.status for e in evaluate(one, children(23))} == {"ok"}
            assert service.rewards.activity().trained == 23


@pytest.mark.slow
def test_two_clients_of_a_token_share_what_it_may_have_in_flight(tmp_path):
    with serving(tmp_path, limits=Limits(evaluations=5)) as (service, client):
        secret = service.tokens.add("agent", "operator")[1]
        url = str(client.base_url)
        with closing(RemoteEvaluator(url, secret)) as one, closing(RemoteEvaluator(url, secret)) as two:
            first, second = one.submit(children(12)), two.submit(children(12))
            assert {future.result(120).status for future in [*first, *second]} == {"ok"}


# ---- errors


def test_there_is_no_service():
    listener, port = open_port("127.0.0.1", 0, any_port=False)
    listener.close()
    with pytest.raises(RemoteError, match=rf"cannot connect to http://127.0.0.1:{port} \(.*\); is `aen serve` running"):
        RemoteEvaluator(f"http://127.0.0.1:{port}", "aen_x")


@pytest.mark.parametrize(
    "bad", ["", "127.0.0.1:8700", "ftp://x", "http://", "http://a:b@c", "http://[::1", "http://a:99999"]
)
def test_an_address_that_is_none(bad):
    with pytest.raises(RemoteError, match=r"url is .*give the address of a service, such as http://127.0.0.1:8700"):
        RemoteEvaluator(bad, "aen_x")


def test_a_token_that_is_none(url):
    with pytest.raises(RemoteError, match="token is empty"):
        RemoteEvaluator(url, "")
    with pytest.raises(RemoteError, match="a valid token is needed"):
        RemoteEvaluator(url, "aen_wrong")


def test_a_viewer_may_not_have_children_trained(service, url, trained):
    secret = service.tokens.add("looker", "viewer")[1]
    with closing(RemoteEvaluator(url, secret)) as evaluator:
        (future,) = evaluator.submit(children(1))
        with pytest.raises(RemoteError, match="'looker' is a viewer's; this needs an operator's"):
            future.result(60)
    assert trained() == 0


def test_a_refused_spec_does_not_take_the_others_with_it(remote):
    bad = replace(CHILD, training=TrainingSpec(epochs=100_000))
    first, second = children(2)
    good, refused, other = remote.submit([first, bad, second])
    assert good.result(60).status == other.result(60).status == "ok"
    with pytest.raises(RemoteError, match=r"training.epochs is 100000, above the 1,000 of this service"):
        refused.result(60)


def test_a_child_that_cannot_be_trained_says_why(remote):
    wrong = replace(CHILD, data=replace(DATA, train=10_000))
    good, failed = remote.submit([*children(1), wrong])
    with pytest.raises(RemoteError, match="too few for 10000 train"):
        failed.result(60)
    assert good.result(60).status == "ok"
    assert remote.activity().failed == 1


def test_a_spec_whose_key_is_another_one_here(client):
    spec = CHILD.to_json()
    ours = client.get("/api/v1/evaluations").json()["versions"]

    def refusal(key, versions):
        body = {"items": [{"key": key, "spec": spec}], "versions": versions}
        answer = client.post("/api/v1/evaluations", json=body)
        assert answer.status_code == 422
        return answer.json()["detail"]

    other = "0" * 24
    said = refusal(other, ours)
    assert f"key is {other}, but this service computes {CHILD.key}" in said
    assert "aen is 0.0.1 there" in refusal(other, ours | {"aen": "0.0.1"})
    keys = ours["keys"] | {"dense": "child-1"}
    assert "dense children have the key version child-1 there and child-4 here" in refusal(other, ours | {"keys": keys})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": DATA.to_json() | {"name": "/etc/passwd.npz"}}, "a path, of which this service reads none"),
        ({"data": DATA.to_json() | {"name": "./x/../../y.csv"}}, "a path, of which this service reads none"),
        ({"data": DATA.to_json() | {"name": "mnits"}}, "did you mean 'mnist'"),
        ({"grids": [8, 100_000]}, "grids is .*above the 256"),
        ({"grids": [256, 128]}, "weights, above the"),
        ({"grids": [8] * 100}, "grids has 100 items"),
        ({"kind": "densr"}, "did you mean 'dense'"),
        ({"sed": 1}, "unknown field 'sed'"),
        ({"grids": None}, "cannot be read"),
        ({"grids": "8"}, "items.0.spec"),
        ({"decomposition": [{"factor": 3}]}, "items.0.spec"),
        ({"decomposition": 7}, "items.0.spec"),
    ],
)
def test_a_spec_that_is_none_is_refused_in_words(client, changes, said):
    content = json.dumps({"items": [{"key": "0" * 24, "spec": CHILD.to_json() | changes}]})
    answer = client.post("/api/v1/evaluations", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert re.search(said, answer.json()["detail"]), answer.json()


def test_a_batch_belongs_to_its_token(service, client):
    body = {"items": [{"key": CHILD.key, "spec": CHILD.to_json()}]}
    batch = client.post("/api/v1/evaluations", json=body).json()["id"]
    other = bearer(service.tokens.add("another", "operator")[1])
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
        answer = client.request(
            method, f"/api/v1/evaluations/{batch}{path}", headers=other, json={"keys": []} if method == "POST" else None
        )
        assert answer.status_code == 404
    found = client.get(f"/api/v1/evaluations/{batch}", params={"wait": 30}).json()
    assert [item["key"] for item in found["items"]] == [CHILD.key]
    # until it is confirmed, a result is returned again
    assert client.get(f"/api/v1/evaluations/{batch}").json()["items"] == found["items"]
    assert client.get(f"/api/v1/evaluations/{batch}", params={"after": found["last"]}).json()["items"] == []
    assert client.delete(f"/api/v1/evaluations/{batch}").status_code == 204
    assert client.get(f"/api/v1/evaluations/{batch}").status_code == 404


def test_a_batch_whose_client_is_gone_is_closed(client, monkeypatch):
    body = {"items": [{"key": CHILD.key, "spec": CHILD.to_json()}]}
    batch = client.post("/api/v1/evaluations", json=body).json()["id"]
    client.get(f"/api/v1/evaluations/{batch}", params={"wait": 30})
    monkeypatch.setattr("aen_service.rewards.rewards.EXPIRE_SECONDS", 0.0)
    deadline = time.monotonic() + 30
    while client.get(f"/api/v1/evaluations/{batch}").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
