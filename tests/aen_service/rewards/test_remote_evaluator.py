"""A RemoteEvaluator gives what a LocalEvaluator gives, trains nothing twice, and survives restarts of its service."""

import pickle
import threading
import time
from contextlib import closing
from dataclasses import asdict, replace

import gymnasium
import pytest
from helpers.services import bearer, serving

from aen.children import DenseSpec, EquiNASSpec, TrainingSpec
from aen.data import DataSpec
from aen.errors import SpecError
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


def children(count, first=0):
    return [CHILD.with_seed(first + seed) for seed in range(count)]


def outcome(evaluation):
    kept = asdict(evaluation)
    for name in ("seconds", "looked_up"):
        kept.pop(name)
    return kept


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


def test_evaluations_equal_those_of_a_local_evaluator(remote):
    specs = [*children(6), CHILD.with_decomposition(Decomposition.of(["rot90", "hflip"]))]
    assert isinstance(remote, Evaluator)
    assert list(map(outcome, evaluate(remote, specs))) == list(map(outcome, evaluate(LocalEvaluator(), specs)))
    assert remote.trained == len(specs)
    assert remote.activity() == Activity(remote.parallelism, 0, 0, len(specs), 0)
    (again,) = evaluate(remote, specs[:1])
    assert again.looked_up


def test_two_clients_that_ask_for_the_same_children_train_them_once(service, url, token):
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
    assert service.rewards.activity().trained == len(specs)


def test_what_a_search_has_stored_is_not_trained(service, remote):
    (local,) = evaluate(LocalEvaluator(), children(1))
    with ResultStore(service.settings.store) as store:
        store.commit(replace(local, validation_accuracy=0.125), CHILD)
    (found,) = evaluate(remote, children(1))
    assert found.validation_accuracy == 0.125
    assert service.rewards.activity().trained == 0


def test_a_child_that_another_process_trains_is_waited_for(service, remote):
    (local,) = evaluate(LocalEvaluator(), children(1))
    with ResultStore(service.settings.store) as store:
        assert store.claim(CHILD.key).mine
        (future,) = remote.submit([CHILD])
        (other,) = evaluate(remote, children(1, first=5))  # which is not kept waiting by it
        assert other.status == "ok"
        assert not future.done()
        store.commit(replace(local, validation_accuracy=0.125), CHILD)
        assert future.result(60).validation_accuracy == 0.125


def test_stream_yields_every_child_once(remote):
    specs = children(30)
    assert sorted(place for place, _ in stream(remote, specs)) == list(range(30))


def test_the_same_spec_twice_in_one_call_and_in_two(service, remote):
    first, second = remote.submit([CHILD, CHILD])
    (third,) = remote.submit([CHILD])
    assert outcome(first.result(60)) == outcome(second.result(60)) == outcome(third.result(60))
    assert service.rewards.activity().trained == 1


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
    copy = pickle.loads(pickle.dumps(remote))
    with closing(copy):
        assert outcome(evaluate(copy, [CHILD])[0]) == outcome(evaluate(remote, [CHILD])[0])


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
        assert not any(future.done() for future in futures[1:])
    with closing(evaluator), serving(tmp_path, port=port, workers=1):
        with ResultStore(service.settings.store) as store:
            store.release_many(keys)
        with ResultStore(service.settings.store) as store:
            store.forget_failed()
        found = [outcome(future.result(120)) for future in futures]
    assert found == list(map(outcome, evaluate(LocalEvaluator(), specs)))


def test_a_cancelled_child_is_taken_out_of_the_queue(tmp_path):
    with serving(tmp_path, workers=1) as (service, client):
        secret = service.tokens.add("agent", "operator")[1]
        with closing(RemoteEvaluator(str(client.base_url), secret)) as one, ResultStore(service.settings.store) as store:
            slow = replace(CHILD, training=TrainingSpec(epochs=200))
            many = [slow.with_seed(seed) for seed in range(30)]
            futures = one.submit(many)
            assert all(future.cancel() for future in futures[5:])
            for future in futures[:5]:
                future.result(120)
            evaluate(one, children(1))  # trained after everything that was wanted before it
            assert store.count() < len(many)
            assert one.activity().waiting == 0
        assert service.rewards.activity().waiting == 0


def test_a_child_that_somebody_else_wants_is_not_cancelled(service, remote, url):
    other = service.tokens.add("another", "operator")[1]
    with closing(RemoteEvaluator(url, other)) as second:
        mine, theirs = remote.submit(children(20)), second.submit(children(20))
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


def test_more_children_than_the_service_allows_in_flight_wait_here(tmp_path):
    with serving(tmp_path, limits=Limits(evaluations=5)) as (service, client):
        secret = service.tokens.add("agent", "operator")[1]
        with closing(RemoteEvaluator(str(client.base_url), secret)) as one:
            assert one.capacity == 5
            assert {e.status for e in evaluate(one, children(23))} == {"ok"}
            assert service.rewards.activity().trained == 23


def test_two_clients_of_a_token_share_what_it_may_have_in_flight(tmp_path):
    with serving(tmp_path, limits=Limits(evaluations=5)) as (service, client):
        secret = service.tokens.add("agent", "operator")[1]
        url = str(client.base_url)
        with closing(RemoteEvaluator(url, secret)) as one, closing(RemoteEvaluator(url, secret)) as two:
            first, second = one.submit(children(12)), two.submit(children(12, first=100))
            assert {future.result(120).status for future in [*first, *second]} == {"ok"}


# ---- errors


def test_there_is_no_service():
    listener, port = open_port("127.0.0.1", 0, any_port=False)
    listener.close()
    with pytest.raises(RemoteError, match=rf"cannot connect to http://127.0.0.1:{port} \(.*\); is `aen serve` running"):
        RemoteEvaluator(f"http://127.0.0.1:{port}", "aen_x")


@pytest.mark.parametrize("bad", ["", "127.0.0.1:8700", "ftp://x", "http://", "http://a:b@c", "http://[::1", "http://a:99999"])
def test_an_address_that_is_none(bad):
    with pytest.raises(RemoteError, match="url is .*give the address of a service, such as http://127.0.0.1:8700"):
        RemoteEvaluator(bad, "aen_x")


def test_a_token_that_is_none(url):
    with pytest.raises(RemoteError, match="token is empty"):
        RemoteEvaluator(url, "")
    with pytest.raises(RemoteError, match="a valid token is needed"):
        RemoteEvaluator(url, "aen_wrong")


def test_a_viewer_may_not_have_children_trained(service, url, client):
    secret = service.tokens.add("looker", "viewer")[1]
    with closing(RemoteEvaluator(url, secret)) as evaluator:
        (future,) = evaluator.submit([CHILD])
        with pytest.raises(RemoteError, match="'looker' is a viewer's; this needs an operator's"):
            future.result(60)
    assert client.get("/api/v1/evaluations").json()["trained"] == 0


def test_weights_stay_with_the_service(remote):
    with pytest.raises(SpecError, match="keep_weights needs weights on this machine"):
        remote.submit([CHILD], keep_weights=True)
    with pytest.raises(SpecError, match="parent is given, but weights stay with the service"):
        remote.submit([EquiNASSpec(parent="0" * 24)])


def test_a_refused_spec_does_not_take_the_others_with_it(remote):
    bad = replace(CHILD, training=TrainingSpec(epochs=100_000))
    good, refused, other = remote.submit([CHILD, bad, CHILD.with_seed(7)])
    assert good.result(60).status == other.result(60).status == "ok"
    with pytest.raises(RemoteError, match=r"training.epochs is 100000, above the 1,000 of this service"):
        refused.result(60)


def test_a_child_that_cannot_be_trained_says_why(remote):
    wrong = replace(CHILD, data=replace(DATA, train=10_000))
    good, failed = remote.submit([CHILD, wrong])
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
        ({"grids": [256, 256]}, "weights, above the"),
        ({"grids": [8] * 100}, "grids has 100 items"),
        ({"kind": "densr"}, "did you mean 'dense'"),
        ({"sed": 1}, "unknown field 'sed'"),
        ({"grids": None}, "cannot be read"),
        ({"grids": "8"}, "items.0.spec"),
        ({"decomposition": [{"factor": 3}]}, "items.0.spec"),
        ({"decomposition": 7}, "items.0.spec"),
        ({"seed": float("1e400")}, "items.0.spec"),
    ],
)
def test_a_spec_that_is_none_is_refused_in_words(client, changes, said):
    import json
    import re

    content = json.dumps({"items": [{"key": "0" * 24, "spec": CHILD.to_json() | changes}]})
    answer = client.post("/api/v1/evaluations", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert re.search(said, answer.json()["detail"]), answer.json()
    assert client.get("/api/v1/evaluations").json()["waiting"] == 0


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


def test_a_batch_whose_client_is_gone_is_closed(service, client, monkeypatch):
    body = {"items": [{"key": CHILD.key, "spec": CHILD.to_json()}]}
    batch = client.post("/api/v1/evaluations", json=body).json()["id"]
    client.get(f"/api/v1/evaluations/{batch}", params={"wait": 30})
    monkeypatch.setattr("aen_service.rewards.rewards.EXPIRE_SECONDS", 0.0)
    deadline = time.monotonic() + 30
    while client.get(f"/api/v1/evaluations/{batch}").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
