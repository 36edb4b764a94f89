"""Children and classes of a run, sorted, filtered and in pages."""

import json

import pytest
from helpers.made_runs import append_event, make_run


def test_children_are_sorted_on_the_server(get, keys):
    found = get("/children", sort="-accuracy", size=3)
    assert (found["total"], [child["key"] for child in found["items"]]) == (8, keys[:4:-1])
    first = found["items"][0]
    assert (first["factors"], first["seed"], first["status"], first["stage"]) == ("vflip", 1, "ok", "explore")
    assert (first["accuracy"], first["loss"], first["device"]) == (0.07, pytest.approx(0.93), "cpu")
    assert get("/children", sort="-accuracy", size=3, page=3)["items"][1]["key"] == keys[0]
    assert get("/children", sort="-accuracy", size=3, page=4)["items"] == []


def test_every_column_can_be_sorted_by(get):
    for column in ("factors", "group", "key", "class_key", "status", "device", "stage", "finished"):
        up = [child[column] for child in get("/children", sort=column)["items"]]
        assert up == sorted(up), column
        down = [child[column] for child in get("/children", sort=f"-{column}")["items"]]
        assert down == sorted(up, reverse=True), column


def test_children_are_filtered(get, keys):
    assert [c["key"] for c in get("/children", name="ROT", sort="accuracy")["items"]] == [keys[1], keys[5]]
    assert get("/children", status="failed")["total"] == 0
    assert get("/children", status="ok", name="flip")["total"] == 4


def test_wrong_arguments_are_named(get):
    for params in ({"sort": "colour"}, {"size": 0}, {"size": 201}):
        assert get("/children", expected=422, **params)["argument"] == next(iter(params)), params


def test_children_of_later_stages_have_their_stage_and_no_part_in_a_class(get, run, keys):
    append_event(run, "stage_started", name="compare", total=1)
    append_event(run, "retrained", factors="vflip", accuracy=0.07, key=keys[7])
    assert get("/children", sort="-accuracy")["items"][0]["stage"] == "compare"
    classes = {each["factors"]: each for each in get("/classes")["items"]}
    assert (classes["vflip"]["children"], classes["hflip"]["children"]) == (1, 2)


def test_classes_have_means_over_their_children(get):
    found = get("/classes", sort="-accuracy")
    assert [each["factors"] for each in found["items"]] == ["vflip", "hflip", "rot90", "none"]
    best = found["items"][0]
    assert (best["accuracy"], best["best"], best["children"]) == (pytest.approx(0.05), 0.07, 2)
    assert [each["factors"] for each in get("/classes", sort="factors", size=2)["items"]] == ["hflip", "none"]
    assert get("/classes", name="flip")["total"] == 2


def test_a_search_with_a_shared_store_has_the_children_that_its_history_names(service, client, run):
    keys = make_run(run, children=8)
    lines = (run / "history.jsonl").read_text().splitlines(keepends=True)
    (run / "history.jsonl").write_text("".join(lines[:3]))
    (run / "results.sqlite").rename(service.settings.store)
    for suffix in ("-wal", "-shm"):
        (run / f"results.sqlite{suffix}").unlink(missing_ok=True)
    config = (
        (run / "config.yaml").read_text().replace("store: null", f"store: {json.dumps(str(service.settings.store))}")
    )
    (run / "config.yaml").write_text(config)
    service.index.step(find=True)
    search = service.searches.where()[0].id
    found = client.get(f"/api/v1/searches/{search}/children", params={"sort": "accuracy"}).json()
    assert [child["key"] for child in found["items"]] == keys[:3]
    assert found["items"][1]["train_accuracy"] == 0.01


def test_a_store_on_a_server_is_not_opened_and_its_address_not_shown(service, client, run):
    keys = make_run(run)
    (run / "results.sqlite").unlink()
    config = (run / "config.yaml").read_text().replace("store: null", "store: postgresql://u:secret@h/d")
    (run / "config.yaml").write_text(config)
    service.index.step(find=True)
    search = service.searches.where()[0].id
    answer = client.get(f"/api/v1/searches/{search}/children", params={"sort": "-accuracy"})
    assert [child["key"] for child in answer.json()["items"]] == keys[::-1]
    assert answer.json()["items"][0]["epochs"] is None
    assert "secret" not in answer.text + client.get(f"/api/v1/searches/{search}").text


def test_a_search_that_is_not_there(client):
    answer = client.get("/api/v1/searches/none/children")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
