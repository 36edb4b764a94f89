"""What a search can be made of, the check before it is submitted, and groups: bounded, in words, nothing trained."""

import numpy as np
import pytest
from helpers.services import SMALL, serving

from aen_agents.config import SearchConfig, load_config
from aen_agents.config.presets import list_presets
from aen_service.errors import UnavailableError

CHECK = "/api/v1/searches/check"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("runs"), workers=1) as found:
        yield found


def test_presets_agents_and_spaces(client):
    presets = client.get("/api/v1/presets").json()
    assert [row["name"] for row in presets["items"]] == list(list_presets())
    one = client.get("/api/v1/presets/gcnn/digits").json()
    assert one["config"]["agent"]["name"] == load_config("gcnn/digits").agent.name
    assert {row["name"] for row in client.get("/api/v1/agents").json()["items"]} >= {"dqn", "racing", "equinas_e"}
    spaces = client.get("/api/v1/spaces").json()
    assert {row["kind"] for row in spaces["items"]} >= {"dense", "gcnn", "equinas"}
    assert "quarter" in spaces["alphabets"]
    missing = client.get("/api/v1/presets/../../etc/passwd")
    assert missing.status_code == 404


def test_a_config_can_be_written_from_the_schema(client):
    schema = client.get("/api/v1/schemas/search").json()
    assert "store" not in schema["properties"]
    assert "cluster" not in schema["properties"]
    agent = schema["properties"]["agent"]
    assert agent["discriminator"] == {"propertyName": "name"}
    content = {}
    for name, field in schema["properties"].items():
        if "default" in field:
            content[name] = field["default"]
    assert SearchConfig.model_validate({"name": "x"} | content) == SearchConfig.model_validate({"name": "x"})
    for kind in agent["oneOf"]:
        model = schema["$defs"][kind["$ref"].rpartition("/")[2]]
        assert all("description" in field for field in model["properties"].values())


def test_a_check_says_what_a_search_costs_and_trains_nothing(service, client, viewer):
    asked = {"preset": "digits", "overrides": SMALL | {"alphabet": ["rot90", "hflip"]}}
    answer = client.post(CHECK, json=asked, headers=viewer)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["states"], found["classes"]) == (4, 4)
    assert found["explore"] == 4
    assert found["networks"] == found["explore"] + found["select"]
    assert found["parameters"] > 0
    assert found["seconds"] > 0
    assert "timed here" in found["seconds_basis"]
    assert found["config"]["budget"]["children"] == 4
    assert not service.settings.store.exists()


@pytest.mark.parametrize(
    ("agent", "explore"),
    [("dqn_transfer", 5), ("random", 5), ("greedy", 5), ("racing", 5), ("ppo", 5), ("exhaustive", 8)],
)
def test_no_agent_with_a_budget_costs_more_than_it(client, agent, explore):
    changes = {"alphabet": ["rot90", "hflip", "swap_lr"], "budget.children": 5, "agent": agent}
    found = client.post(CHECK, json={"preset": "digits", "overrides": SMALL | changes}).json()
    assert found["explore"] == explore
    assert found["classes"] >= explore


@pytest.mark.parametrize("agent", ["dqn", "dqn_transfer", "racing"])
def test_a_budget_above_that_of_the_service_is_refused(client, agent):
    asked = {"preset": "digits", "overrides": {"agent": agent, "budget.children": 100_001}}
    answer = client.post("/api/v1/searches", json=asked)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "budget.children is 100,001, above the 100,000 of this service."


@pytest.mark.parametrize(
    ("asked", "argument", "said"),
    [
        ({"preset": "digits", "overrides": {"training.epochs": -1}}, "training.epochs", "training.epochs is -1"),
        ({"preset": "digits", "overrides": {"training.epoks": 1}}, "training.epoks", "did you mean 'epochs'"),
        ({"preset": "digits", "overrides": {"agent": "dqm"}}, "agent", "did you mean 'dqn'"),
        ({"preset": "digit"}, "preset", "did you mean 'digits'"),
        ({"preset": "digits", "overrides": {"data.train": 99_999}}, "data", "too few for 99999 train"),
        ({"preset": "digits", "overrides": {"data.name": "mnits"}}, None, "did you mean 'mnist'"),
        ({"config": {"name": "x", "budget": {"children": "many"}}}, "budget.children", "expected a whole number"),
        ({"preset": "digits", "overrides": {"store": "x"}}, "store", "may not be set over HTTP"),
        ({"preset": "digits", "dataset": "nothing"}, "dataset", "there is no data set 'nothing'"),
        ({}, "preset", "give either preset or config"),
    ],
)
def test_a_search_that_cannot_work_is_refused_with_the_words_of_the_command_line(client, asked, argument, said):
    checked, submitted = client.post(CHECK, json=asked), client.post("/api/v1/searches", json=asked)
    assert checked.status_code in {404, 422}, checked.text
    assert said in checked.json()["detail"]
    assert checked.json().get("argument") == argument
    assert "/configs/" not in checked.text
    if argument not in {"data", None}:  # those are known when the images are read
        assert submitted.json()["detail"] == checked.json()["detail"]


LAYERWISE = {"child.width": 1, "child.dense": 8, "training.epochs": 2, "agent.generations": 1, "agent.population": 2}
LAYERWISE |= {"agent.seeds": 2, "agent.subgroups": ["D4", "C4", "C1"], "agent.baselines": ["static_d4"]}
LAYERWISE |= {"data.train": 64, "data.validation": 64, "data.test": 64}


def test_what_a_layerwise_search_will_cost(client):
    found = client.post(CHECK, json={"preset": "equinas/digits_e", "overrides": LAYERWISE}).json()
    # On each seed: the start and its three offspring, and two baselines of two epochs.
    assert found["networks"] == found["explore"] == 2 * (1 + 3 + 2 + 2)
    assert found["select"] == 0
    assert found["seconds"] > 0
    assert "equinas_e 8, static_d4 4, static_c1 4" in found["seconds_basis"]


def test_the_group_of_a_square(client, viewer):
    found = client.post("/api/v1/groups/describe", json={"factors": ["rot90", "hflip"], "grid": [4]}, headers=viewer)
    group = found.json()
    assert (group["name"], group["order"], group["abelian"]) == ("D4", 8, False)
    assert (len(group["orbits"]), group["count"]) == (16, 3)
    assert len(group["tied"]["orbits"]) == 256
    cells, weights = np.array(group["orbits"]), np.array(group["tied"]["orbits"]).reshape(16, 16)
    for generator in group["generators"]:
        moves = np.array(generator["moves"])
        assert np.array_equal(cells[moves], cells)
        assert np.array_equal(weights[moves][:, moves], weights)
    assert len(set(group["tied"]["orbits"])) == group["tied"]["count"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"factors": ["rot9"], "grid": [4]}, "did you mean 'rot90'"),
        ({"factors": ["rot90"], "grid": [4, 6]}, "needs a square grid"),
        ({"factors": ["rot90"], "grid": [65]}, "64"),
        ({"factors": ["rot90"], "grid": []}, "grid"),
        ({"factors": ["rot90"] * 33, "grid": [4]}, "32"),
        ({"factors": ["x" * 201], "grid": [4]}, "200"),
    ],
)
def test_a_group_that_is_none(client, body, said):
    answer = client.post("/api/v1/groups/describe", json=body)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]


def test_classes(client):
    body = {"alphabet": ["rot90", "hflip"], "grid": [8], "hidden": [[16]]}
    found = client.post("/api/v1/groups/classes", json=body).json()
    assert (found["states"], found["classes"]) == (4, 4)
    assert [one["group"] for one in found["items"]] == ["C1", "C4", "C2", "D4"]


def test_a_question_whose_process_ends_is_refused_and_the_next_one_is_answered(service, client):
    with pytest.raises(UnavailableError, match="was given up"):
        service.helpers.ask("os:_exit", {"status": 1}, seconds=20.0)
    answer = client.post("/api/v1/groups/describe", json={"factors": ["rot90"], "grid": [5]})
    assert answer.json()["name"] == "C4"
