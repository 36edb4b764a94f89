"""Curve, lattice, agent, workers, failures and log of a run."""

import json

import numpy as np
import pytest
from helpers.made_runs import append_event, make_run
from helpers.services import bearer
from helpers.watched_runs import a_status

from aen_agents.monitoring.status import Worker
from aen_service.reading.run import thinned


def test_a_curve_has_equal_lengths_and_ends(get):
    found = get("/curve")
    assert found["children"] == list(range(1, 9))
    assert found["accuracy"] == [number / 100 for number in range(8)]
    assert found["epsilon"][0] == 1.0
    assert found["loss"] == [None] * 8
    assert [len(values) for values in get("/curve", points=4).values()] == [4] * 5


def test_a_curve_grows_with_the_run(get, run):
    get("/curve")
    line = json.loads((run / "history.jsonl").read_text().splitlines()[-1])
    with (run / "history.jsonl").open("a") as history:
        history.write(json.dumps(line | {"step": 8, "accuracy": 0.5, "first": False}) + "\n")
        history.write(json.dumps(line | {"step": 9, "accuracy": 0.6}) + "\n")
    append_event(run, "agent_logged", step=2, epsilon=0.5, loss=None, state=[0], actions=["a"], q_values=[0.0])
    append_event(run, "agent_logged", step=5, epsilon=0.5, loss=0.25, state=[0], actions=[], q_values=[0.0])
    wait_until_read(lambda: get("/curve")["children"][-1] == 9)
    found = get("/curve")
    assert (found["accuracy"][-1], found["best"][-1]) == (0.6, 0.6)
    assert found["loss"] == [None] * 5 + [0.25] * 4


def wait_until_read(is_read):
    """Ask until an answer, which may be a moment old, shows what was written."""
    for _ in range(1000):
        if is_read():
            return
    pytest.fail("it is not read")


@pytest.mark.parametrize("size", [3, 4, 5, 100, 1001])
@pytest.mark.parametrize("points", [4, 5, 50])
def test_thinned_curves_keep_ends_and_extremes(size, points):
    values = np.sin(np.arange(size) * 1.7)
    values[size // 2] = 9.0
    values[size // 3] = -9.0
    places = thinned(values, points)
    assert len(places) <= max(points, 4)
    assert list(places) == sorted(set(places.tolist()))
    assert {0, size - 1} <= set(places.tolist())
    assert {size // 2, size // 3} <= set(places.tolist())


def test_a_lattice_has_the_space_that_the_log_names(get, run):
    assert get("/lattice") == {"nodes": [], "edges": []}
    known = get("/classes", sort="factors")["items"]
    of = {each["factors"]: each["class_key"] for each in known}
    closed_sets = {of["none"]: 0, of["rot90"]: 1, of["hflip"]: 2, "unvisited": 3}
    append_event(run, "space_logged", states=4, classes=4, closed_sets=closed_sets, names={"unvisited": "both"})
    wait_until_read(lambda: get("/lattice")["nodes"])
    found = get("/lattice")
    assert sorted(map(tuple, found["edges"])) == [(0, 1), (0, 2), (1, 3), (2, 3)]
    assert [node["name"] for node in found["nodes"]] == ["none", "rot90", "hflip", "both"]
    assert [node["accuracy"] for node in found["nodes"]] == [*map(pytest.approx, (0.02, 0.03, 0.04)), None]
    assert found["nodes"][0]["y"] > found["nodes"][1]["y"] > found["nodes"][3]["y"]


def test_the_agent_from_inside(get, run):
    assert get("/agent")["q_values"] is None
    fields = {"step": 7, "epsilon": 0.25, "loss": 0.5, "state": [0, 1], "q_values": [0.1, 0.2], "action": 0}
    append_event(run, "agent_logged", **fields | {"step": 6}, actions=["toggle rot90", "stop"], explored=False)
    append_event(run, "agent_logged", **fields, actions=[], explored=True)
    wait_until_read(lambda: get("/agent")["steps"] == 7)
    found = get("/agent")
    assert (found["factors"], found["state"], found["q_values"]) == (["rot90", "stop"], [0, 1], [0.1, 0.2])
    assert (found["action"], found["explored"], found["epsilon"], found["loss"]) == (0, True, 0.25, 0.5)
    assert found["time"] == 1767225601.0


def test_slices_of_a_layerwise_method(get, run):
    line = {
        "method": "equinas_e",
        "seed": 0,
        "factors": "D4",
        "class_key": "c",
        "accuracy": 0.5,
        "record": {"alphas": [1]},
    }
    with (run / "history.jsonl").open("a") as history:
        for number, key in ((1, "a"), (2, "b"), (2, "d")):
            history.write(json.dumps(line | {"slice": number, "key": key}) + "\n")
    wait_until_read(lambda: get("/agent")["slices"])
    assert [each["key"] for each in get("/agent")["slices"]] == ["b", "d"]


def test_workers_and_what_each_trains(service, client, run):
    make_run(run, state="running")
    training = Worker(worker="w0", node="n0", training="rot90", children=1, since=5.0)
    a_status(run, in_training=(training, Worker(worker="w1"))).write(run)
    append_event(run, "worker_logged", worker="w0", what="started", node="n0", detail="")
    append_event(run, "worker_logged", worker="w2", what="started", node="n2", detail="")
    append_event(run, "worker_logged", worker="w2", what="lost", node="n2", detail="died")
    append_event(run, "child_logged", key="k", worker="w0", what="finished", status="ok", seconds=1.0, detail="")
    service.index.step(find=True)
    search = service.searches.where()[0].id
    found = {each["worker"]: each for each in client.get(f"/api/v1/searches/{search}/workers").json()["items"]}
    assert found["w0"] == {
        "worker": "w0",
        "node": "n0",
        "state": "training",
        "training": "rot90",
        "children": 1,
        "since": 5.0,
        "trained": 1,
    }
    assert (found["w1"]["state"], found["w1"]["node"]) == ("idle", "here")
    assert (found["w2"]["state"], found["w2"]["node"]) == ("lost", "n2")


def test_failures_are_for_operators_and_hide_secrets(service, client, run, get, keys):
    said = "Traceback ...\npassword=hunter22222"
    append_event(
        run, "child_logged", key=keys[1], worker="w1", what="failed", status="failed", seconds=1.0, detail=said
    )
    append_event(
        run, "child_logged", key="k", worker="w2", what="requeued", status="died", seconds=1.0, detail="killed"
    )
    wait_until_read(lambda: get("/failures")["total"] == 2)
    last, first = get("/failures")["items"]
    assert (last["kind"], last["final"], last["worker"]) == ("died", False, "w2")
    assert (first["kind"], first["final"], first["factors"]) == ("error", True, "rot90")
    assert first["detail"] == "Traceback ...\npassword=***"
    search = service.searches.where()[0].id
    viewer = bearer(service.tokens.add("looker", "viewer")[1])
    answer = client.get(f"/api/v1/searches/{search}/failures", headers=viewer)
    assert answer.status_code == 403


def test_the_log_is_read_in_pages(get):
    first = get("/log", after=0, size=3)
    assert [line["id"] for line in first["items"]] == [1, 2, 3]
    assert (first["items"][0]["event"], first["items"][0]["factors"], first["next"]) == ("visited", "none", 3)
    assert [line["id"] for line in get("/log", after=first["next"], size=100)["items"]] == [4, 5, 6, 7, 8]
    assert [line["id"] for line in get("/log", size=2)["items"]] == [7, 8]
    assert get("/log", after=8) == {"items": [], "next": 8}
