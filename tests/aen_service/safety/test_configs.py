"""Configs over HTTP read no files, choose no store and no cluster, and take no more than they may."""

import os
from pathlib import Path

import pytest
from helpers.services import bearer

SEARCHES = "/api/v1/searches"
PRESET = {"preset": "digits"}


def overridden(**changes):
    return PRESET | {"overrides": changes}


def config(**sections):
    return {"config": {"name": "x"} | sections}


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """The working folder of the service, with files that would be found by their names."""
    folder, before = tmp_path_factory.mktemp("outside"), Path.cwd()
    for name in ("dqn.yaml", "plain", "digits2.yaml", "agents/dqn.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("geheim: geheim\nname: dqn\n")
    (folder / "own.npz").write_bytes(b"x")
    os.chdir(folder)
    yield folder
    os.chdir(before)


FORBIDDEN = [
    *(
        overridden(**{key: value})
        for key in ("store", "cluster", "base", "data.path")
        for value in ("x", None, {"a": 1})
    ),
    *(overridden(**{f"{key}=/etc/passwd #": 1}) for key in ("store", "agent", "data.path", "cluster.address", "seed")),
    *(overridden(**{key: 1}) for key in ("", " ", "store ", " store", "a\nb", "data={path: /x} #", "..", "x" * 300)),
    overridden(cluster={"address": "10.0.0.1:6379"}),
    overridden(**{"cluster.token_file": "/etc/passwd"}),
    overridden(data={"path": "/etc/passwd"}),
    *(
        overridden(**{"data.name": name})
        for name in ("/etc", "~/x", "own.npz", "./own", "..", "own.npz@0123456789abcdef")
    ),
    *(overridden(data={"name": name}) for name in ("/etc/passwd", "own.npz")),
    *(overridden(evaluator=value) for value in ("ray", "toy", {"kind": "ray"}, {"kind": "x"})),
    *(
        overridden(agent=value)
        for value in ("plain", "dqn.yaml", "./plain", "../plain", "/etc/passwd", {"name": "plain"})
    ),
    *(config(agent=value) for value in ("plain", "dqn.yaml", "agents/dqn", {"base": "dqn.yaml"}, ["plain"])),
    *(config(**{key: "x"}) for key in ("store", "base", "data.path", "store\u200b", "<<", "cluster")),
    config(base={"a": 1}),
    config(data={"path": "/etc/passwd"}),
    config(store="postgresql://a:geheim@h/d"),
    *(
        {"preset": name}
        for name in ("dqn.yaml", "plain", "digits2", "/etc/passwd", "../x", "", ".", "~", "agents/dqn", "a\nb")
    ),
    *({"preset": "digits", "dataset": name} for name in ("../../../etc", "0" * 24, "")),
    *(
        {"preset": "digits", "name": name}
        for name in ("../x", "a/b", "<b>x</b>", "\x1b[31m", "a\n", "", ".x", "x" * 101)
    ),
    *(config(name=name) for name in ("../x", "<script>", "x" * 101, "\u202ex", "!!python/object:os.system x")),
    overridden(name="x" * 101),
    overridden(**{"evaluator.workers": 10_000}),
    overridden(**{"evaluator.threads": 4096}),
    overridden(**{"budget.children": 10**6}),
    config(alphabet=["rot90"] * 5000),
    config(alphabet=["rot90 x " * 1000 + "rot90"]),
    config(generators={"g": [[1] * 30_000]}),
    config(child={"hidden": [10**400]}),
    {"preset": "digits", "config": {"name": "x"}},
    {"preset": "digits", "store": "x"},
    {},
]


@pytest.mark.parametrize("request_", FORBIDDEN, ids=lambda body: repr(body)[:60])
def test_forbidden(target, outside, request_):
    headers = bearer(target.operator)
    before = target.client.get(SEARCHES, headers=headers).json()["total"]
    large = request_ == overridden(**{"budget.children": 10**6})  # may be asked about, but not submitted
    for path in (SEARCHES,) if large else (SEARCHES, f"{SEARCHES}/check"):
        answer = target.client.post(path, json=request_, headers=headers)
        assert answer.status_code in {404, 422}, answer.text
        problem = answer.json()
        assert problem["detail"]
        assert str(outside) not in answer.text  # the server's folders are its own business
        assert "geheim" not in answer.text.replace("a:geheim@h", "")
        assert not any(ord(character) < 32 for character in problem["detail"])
        if path == SEARCHES:
            assert target.client.get(SEARCHES, headers=headers).json()["total"] == before


def test_what_is_forbidden_is_named_with_a_remedy(target):
    def said(body):
        return target.client.post(SEARCHES, json=body, headers=bearer(target.operator)).json()

    assert said({"presett": "digits"})["detail"] == "the body has the unknown key presett (did you mean 'preset'?)."
    assert "did you mean 'digits'" in said({"preset": "digts"})["detail"]
    assert said({"preset": "digts"})["argument"] == "preset"
    assert said(overridden(**{"data.path": "/x"}))["argument"] == "data.path"
    assert "did you mean 'budget" in said(overridden(**{"bugdet.children": 3}))["detail"]
    assert said(overridden(**{"budget.children": -1}))["detail"].startswith("preset digits: budget.children is -1")
    assert "did you mean 'dqn'" in said(overridden(agent="dqnn"))["detail"]
    assert "'digits'" in said(overridden(**{"data.name": "digist"}))["detail"]


def test_a_search_has_the_services_store(target):
    answer = target.client.post(SEARCHES, json=PRESET, headers=bearer(target.operator))
    assert answer.status_code == 201
    file = target.service.settings.folder / "searches" / answer.json()["id"] / "config.yaml"
    assert f"store: {target.service.settings.store}" in file.read_text()
