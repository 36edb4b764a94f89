"""Searches that are submitted over HTTP run as processes and come to their end."""

import pytest
from helpers.services import SMALL, wait_for


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
