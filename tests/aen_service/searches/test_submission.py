"""Searches that are submitted over HTTP run as processes and come to their end."""

import pytest
from helpers.services import SMALL, serving, wait_for

from aen_agents.config.yaml_file import parse_yaml
from aen_service.searches.submission import _as_yaml


@pytest.mark.slow
def test_a_search_comes_to_its_end(client):
    answer = client.post("/api/v1/searches", json={"preset": "digits", "overrides": SMALL})
    assert answer.status_code == 201
    found = wait_for(client, answer.json()["id"], {"complete", "failed", "lost"})
    assert found["state"] == "complete", found["message"]


def test_two_requests_with_one_idempotency_key_are_one_search(client):
    request = {"preset": "digits", "overrides": SMALL}
    first = client.post("/api/v1/searches", json=request, headers={"Idempotency-Key": "k"})
    again = client.post("/api/v1/searches", json=request, headers={"Idempotency-Key": "k"})
    other = client.post("/api/v1/searches", json=request | {"name": "other"}, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.json()["id"] == again.json()["id"]
    client.post(f"/api/v1/searches/{first.json()['id']}/stop")
    wait_for(client, first.json()["id"], {"complete", "stopped"})


def test_the_list_has_the_places_in_the_queue(tmp_path):
    with serving(tmp_path / "runs", parallel=0) as (_, client):
        for seed in range(3):
            client.post("/api/v1/searches", json={"preset": "digits", "overrides": {"seed": seed}})
        found = client.get("/api/v1/searches", params={"sort": "created"}).json()["items"]
        assert [search["position"] for search in found] == [1, 2, 3]
        refused = client.post("/api/v1/searches", json={"preset": "digits", "name": "\U0001f680"})
        assert refused.status_code == 422
        assert "name is '\U0001f680'; start of the run folder's name" in refused.json()["detail"]


@pytest.mark.parametrize(
    "text", ["\U0001f680", "\x85\x7f\u2028\x00", "\\ud83d\\ude80", 'a"b\\n\n', "h\u00f6hle: [1]"], ids=ascii
)
def test_any_text_is_kept_in_overrides(text):
    assert parse_yaml(_as_yaml({"key": [text]})) == {"key": [text]}
