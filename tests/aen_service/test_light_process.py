"""The process that serves requests never imports torch and other large packages: helpers, workers and searches do."""

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from helpers.made_runs import a_summary, make_run
from helpers.services import SMALL, bearer, end_searches, wait_for
from sklearn.datasets import load_digits

from aen.children import DenseSpec, EquiNASSpec, GCNNSpec, TrainingSpec
from aen.data import DataSpec
from aen.evaluators import evaluate
from aen_service import RemoteEvaluator

HEAVY = (
    "torch",
    "escnn",
    "ray",
    "stable_baselines3",
    "pandas",
    "pyarrow",
    "matplotlib",
    "onnx",
    "scipy.fft",
    "sklearn",
)
# Each has a library, or needs torch, which has one; an import leaves it mapped.
LIBRARIES = re.compile(
    r"/(libtorch|ray/_raylet|pandas/_libs|libarrow|matplotlib/|onnx/|scipy/fft/|sklearn/|torch/)[^\n]*", re.MULTILINE
)
PROGRAM = "import sys; from aen_service.main import main; sys.exit(main(sys.argv[1:]))"
SEARCH_PAGES = ("/searches", "/searches/new", "/compare", "/datasets", "/groups")


def test_the_application_imports_none_of_the_large_packages() -> None:
    program = f"import sys, aen_service.serve; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_specs_and_the_pool_of_workers_need_no_torch() -> None:
    names = "aen.children.dense, aen.children.gcnn, aen.children.equinas, aen.data.registry, aen.evaluators.processes"
    program = f"import sys, {names}; aen.children.gcnn.GCNNSpec().key; print(*[n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@contextmanager
def serving(root: Path) -> Iterator[tuple[int, httpx.Client, str]]:
    """Yield the number of the process of `aen serve`, a client with an operator's token, and the token."""
    command = [sys.executable, "-c", PROGRAM, "serve", "--root", str(root), "--port", "0", "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        reader = threading.Thread(target=process.stderr.read)
        try:
            address = next(found[1] for line in process.stderr if (found := re.search(r" at (http://\S+)", line)))
            reader.start()  # so that the process never waits for room in the pipe
            secret = (root / ".aen-service" / "first-link.txt").read_text().partition("#")[2].strip()
            with httpx.Client(base_url=address, headers=bearer(secret), timeout=120) as client:
                yield process.pid, client, secret
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()
            if reader.ident is not None:
                reader.join()
            end_searches(root)


def loaded(pid: int) -> set[str]:
    """Return which of the large packages a process has loaded."""
    return {found[1] for found in LIBRARIES.finditer(Path(f"/proc/{pid}/maps").read_text())}


def images() -> bytes:
    rows, labels = load_digits(return_X_y=True)
    file = io.BytesIO()
    np.savez(file, images=(rows.reshape(-1, 8, 8) * 15).astype(np.uint8)[:200], labels=labels[:200])
    return file.getvalue()


def ask_all(client: httpx.Client, search: str, dataset: str) -> None:
    """Ask for everything that can be read, by the document of the interface, and for every page."""
    document = client.get("/api/v1/openapi.json").json()
    values = {"search": search, "dataset": dataset, "batch": "0" * 24, "name": "digits"}
    for template, methods in document["paths"].items():
        path = template.format(**{word: values.get(word, "x") for word in re.findall(r"{(\w+)}", template)})
        if "get" not in methods:
            continue
        if path.endswith("/events"):
            with client.stream("GET", path) as answer:
                next(answer.iter_raw())
        else:
            words: dict[str, Any] = {"search": [search, search]} if path.endswith("/compare") else {}
            answer = client.get(path, params=words)
        assert answer.status_code < 500, (path, answer.text)
    for path in (*SEARCH_PAGES, f"/searches/{search}", f"/datasets/{dataset}"):
        assert client.get(path, headers={"Accept": "text/html"}).status_code < 400, path


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="/proc is needed to look into a process")
def test_a_server_of_which_everything_is_read_loads_none_of_them(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    make_run(root / "one")
    (root / "one" / "summary.json").write_text(json.dumps(a_summary([0.8, 0.9])))
    with serving(root) as (pid, client, _):
        (search,) = (each["id"] for each in client.get("/api/v1/searches").json()["items"])
        made = client.post("/api/v1/datasets", files={"file": ("images.npz", images())}, data={"name": "mine"})
        ask_all(client, search, made.json()["id"])
        assert loaded(os.getpid()), "this process has torch; the pattern must find it"
        assert loaded(pid) == set()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="/proc is needed to look into a process")
def test_a_server_that_is_asked_for_everything_loads_none_of_them(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for name, by_seed in (("one", [0.8, 0.9]), ("two", [0.5, 0.55])):
        make_run(root / name)
        (root / name / "summary.json").write_text(json.dumps(a_summary(by_seed)))
    with serving(root) as (pid, client, secret):
        search, other = (each["id"] for each in client.get("/api/v1/searches").json()["items"])
        made = client.post("/api/v1/datasets", files={"file": ("images.npz", images())}, data={"name": "mine"})
        dataset = made.json()["id"]
        ask_all(client, search, dataset)
        posts: dict[str, Any] = {
            "/searches/check": {"preset": "digits", "overrides": SMALL},
            "/groups/describe": {"factors": ["rot90", "hflip"], "grid": [8, 8]},
            "/groups/classes": {"alphabet": ["rot90", "hflip"], "grid": [8, 8], "hidden": [[4, 4]]},
            "/searches": {"dataset": dataset, "overrides": {"budget.minutes": 0.01}},
            f"/searches/{search}/clone": {"overrides": {"seed": 1}},
        }
        for path, body in posts.items():
            answer = client.post(f"/api/v1{path}", json=body)
            assert answer.status_code < 300, (path, answer.text)
            if answer.status_code == 201:
                client.post(f"/api/v1/searches/{answer.json()['id']}/stop").raise_for_status()
        assert client.post(f"/api/v1/searches/{search}/exports", json={"format": "pt2"}).status_code == 409
        compared = client.get("/api/v1/compare", params={"search": [search, other]}).json()
        assert abs(compared["differences"][0]["difference"]) == pytest.approx(0.325)
        data = DataSpec(train=60, validation=60, test=60)
        training = TrainingSpec(epochs=1)
        kept = tmp_path / "weights"
        with closing(RemoteEvaluator(str(client.base_url), secret, weights_folder=kept)) as evaluator:
            specs = [DenseSpec(data=data, grids=(8, 1), training=training, seed=seed) for seed in range(2)]
            assert [found.status for found in evaluate(evaluator, specs, keep_weights=True)] == ["ok", "ok"]
            for kind in (GCNNSpec, EquiNASSpec):  # read, and perhaps refused
                evaluator.submit([kind(data=data, training=training)])[0].cancel()
        assert loaded(os.getpid()), "this process has torch; the pattern must find it"
        assert loaded(pid) == set()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="/proc is needed to look into a process")
def test_a_server_whose_searches_end_and_are_exported_loads_none_of_them(tmp_path: Path) -> None:
    with serving(tmp_path / "runs") as (pid, client, secret):
        submitted = client.post("/api/v1/searches", json={"preset": "digits", "overrides": SMALL}).json()["id"]
        found = wait_for(client, submitted, {"complete", "failed", "stopped", "lost"})
        assert found["state"] == "complete", found
        answer = client.post(f"/api/v1/searches/{submitted}/exports", json={"format": "pt2"})
        assert answer.status_code == 201, answer.text
        for path in ("report", "summary", "files", "files/report.html"):
            assert client.get(f"/api/v1/searches/{submitted}/{path}").status_code == 200, path
        if find_spec("escnn") is not None:
            data, training = DataSpec(train=60, validation=60, test=60), TrainingSpec(epochs=1)
            words: dict[str, Any] = {"side": 8, "kernel_size": 1, "width": 2, "data": data, "training": training}
            with closing(RemoteEvaluator(str(client.base_url), secret)) as evaluator:
                (future,) = evaluator.submit([GCNNSpec(backend="escnn", group="C4", **words)])
                assert future.result(timeout=240).status == "ok"
        assert loaded(pid) == set()
