"""What becomes of Ray's processes and of the results when a whole driver, machine or search ends."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from helpers.ray_trainers import running, specs, until

from aen.results.store import ResultStore
from aen_agents.runs.folder import RunFolder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="child processes are read from /proc"),
]

ROOT = Path(__file__).parents[4]
# Each of these is the driver of a Ray of its own. What it prints is JSON, a line at a time.
DRIVER = """
import json, logging, sys, time
from pathlib import Path
import ray
from helpers import ray_trainers
from helpers.ray_trainers import Acting, specs
from aen.errors import AenError
from aen.evaluators import evaluate, stream
from aen.results.store import ResultStore
from aen_agents.evaluators.ray.cluster import connect
from aen_agents.evaluators.ray.evaluator import RayEvaluator

folder = Path(sys.argv[1])
ray.cloudpickle.register_pickle_by_value(ray_trainers)

def say(**values):
    sys.stdout.write(json.dumps(values) + "\\n")  # at once: the listener is told from another thread
    sys.stdout.flush()

def listen(event):
    say(event=type(event).__name__, **vars(event))

def start(**options):
    return ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **options)

def evaluator(trainer, **options):
    store = ResultStore(folder / "results.sqlite")
    return RayEvaluator(store, trainer=trainer, listener=listen, cpus_per_worker=0.5, **options)

"""


def code(body):
    return DRIVER + body


def python_path(folder):
    """A folder before those that this process was given."""
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@contextmanager
def driver(folder, body, **options):
    environment = os.environ | {"PYTHONPATH": python_path(ROOT / "tests")} | options.pop("env", {})
    command = [sys.executable, "-c", code(body), str(folder)]
    with (folder / "err").open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            start_new_session=True,
            **options,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines(process):
    return (json.loads(line) for line in process.stdout if line.startswith("{"))


def descendants(pid):
    found = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found |= {child} | descendants(child)
    return found


def command_name(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def temporary_folders(pid):
    """The temporary folders of Ray that a command names."""
    return set(
        re.findall(r"/[^\0=:\s]*/aen-ray-\w+", Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
    )


def statuses(folder):
    with ResultStore(folder / "results.sqlite", create=False) as store:
        return store.statuses()


def test_a_driver_that_is_killed_leaves_no_process_behind(tmp_path):
    (tmp_path / "acting").mkdir()
    body = """
e = evaluator(Acting(folder / "acting", {0: ("nothing",)}, each=("sleep", 600)), workers=2)
e.submit(specs(9))
time.sleep(600)
"""
    with driver(tmp_path, body) as process:
        until(
            lambda: len("".join(file.read_text() for file in (tmp_path / "acting").glob("tries-*")).split("\n")) > 3,
            180,
        )
        children = descendants(process.pid)
        assert len(children) >= 7
        folders = {word for pid in children for word in temporary_folders(pid)}
        assert len(folders) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        until(lambda: not any(running(pid) for pid in children), seconds=60)
        until(lambda: not any(Path(folder).exists() for folder in folders), seconds=60)
    assert statuses(tmp_path) == {"ok": 1}


def test_a_raylet_that_is_killed_while_workers_start_ends_the_search(tmp_path):
    (tmp_path / "acting").mkdir()
    body = """
e = evaluator(Acting(folder / "acting", each=("sleep", 600)), workers=2, resume="aen resume RUN")
futures = e.submit(specs(9))
say(begun=True)
try:
    futures[0].result()
except AenError as error:
    say(error=str(error))
e.close()
"""
    with driver(tmp_path, body) as process:
        said = lines(process)
        assert next(said) == {"begun": True}
        (raylet,) = [pid for pid in descendants(process.pid) if command_name(pid) == "raylet"]
        os.kill(raylet, signal.SIGKILL)
        killed = time.monotonic()
        (error,) = [line["error"] for line in said if "error" in line]
        assert time.monotonic() - killed < 60  # on a machine with other work; docs/scale.md has the usual figure
    assert error.startswith("the Ray cluster is lost: its raylet on this machine")
    assert error.endswith("All results so far are stored. To resume: aen resume RUN")


def test_modules_of_the_working_folder_are_not_run_by_ray(tmp_path):
    (tmp_path / "acting").mkdir()
    for name in ("joblib", "numpy", "ray", "random", "aen", "torch"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'a').write({name!r})\n")
    body = """
sys.path.append(str(folder / "plugins"))
e = evaluator(Acting(folder / "acting"), workers=1)
evaluate(e, specs(1))
say(done=True)
e.close()
"""
    with driver(tmp_path, body, cwd=tmp_path, env={"PYTHONSAFEPATH": "1"}) as process:
        assert {"done": True} in list(lines(process)), (tmp_path / "err").read_text()
    assert not (tmp_path / "run").exists()


def test_a_machine_that_is_lost_in_the_midst_costs_no_result(tmp_path):
    (tmp_path / "acting").mkdir()
    body = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
other = cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
connect(cluster.address, 10)
e = evaluator(Acting(folder / "acting", each=("sleep", 0.3)), workers=4)
e.start()
while e.activity().workers < 4:
    time.sleep(0.1)
futures = e.submit(specs(60))
while e.trained < 10:
    time.sleep(0.1)
say(done=e.trained)
cluster.remove_node(other, allow_graceful=False)
say(statuses=[f.result().status for f in futures], alive=e.activity().workers)
e.close()
ray.shutdown()
cluster.shutdown()
"""
    with driver(tmp_path, body) as process:
        said = list(lines(process))
        assert process.wait(timeout=30) == 0, (tmp_path / "err").read_text()
    (before,) = [line["done"] for line in said if "done" in line]
    assert before < 60
    (after,) = [line for line in said if "statuses" in line]
    assert after["statuses"] == ["ok"] * 60
    assert after["alive"] == 2
    assert statuses(tmp_path) == {"ok": 60}
    lost = {line["worker"] for line in said if line.get("event") == "WorkerLogged" and line["what"] == "lost"}
    assert len(lost) == 2
    finished = [line["key"] for line in said if line.get("event") == "ChildLogged" and line["what"] == "finished"]
    assert sorted(finished) == sorted(spec.key for spec in specs(60))


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
def test_a_search_whose_cluster_is_lost_says_how_to_go_on_and_ends(tmp_path, fate):
    # A head that is stopped leaves every question without an answer, as does a machine without power; Ray waits then.
    (tmp_path / "acting").mkdir()
    body = """
from aen_agents.evaluators.ray import head_monitor
head_monitor.PROBE_SECONDS, head_monitor.ANSWER_SECONDS, head_monitor.SILENCE_SECONDS = 0.5, 1.0, 3.0
e = evaluator(Acting(folder / "acting", each=("sleep", 0.3)), workers=2, resume="aen resume RUN")
futures = e.submit(specs(900))
try:
    for number, future in enumerate(futures):
        future.result()
        say(done=number)
except AenError as error:
    say(error=str(error))
e.close()
say(closed=True)
"""
    with driver(tmp_path, body) as process:
        said = lines(process)
        assert next(line for line in said if "done" in line)
        heads = [pid for pid in descendants(process.pid) if command_name(pid) in ("raylet", "gcs_server")]
        assert len(heads) == 2
        for pid in heads:
            os.kill(pid, fate)
        started = time.monotonic()
        try:
            rest = list(said)
            assert process.wait(timeout=30) == (0 if fate == signal.SIGKILL else 2), (tmp_path / "err").read_text()
        finally:
            for pid in heads:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    assert time.monotonic() - started < 40
    (error,) = [line["error"] for line in rest if "error" in line]
    what = r"its (raylet|GCS) on this machine .*" if fate == signal.SIGKILL else r"its head, [\d.]+:\d+, has .*"
    assert re.match(rf"the Ray cluster is lost: {what} stored. To resume: aen resume RUN$", error)
    assert rest[-1] == {"closed": True}
    assert "will terminate" not in (tmp_path / "err").read_text()
    stored = statuses(tmp_path)
    assert set(stored) == {"ok"}
    assert stored["ok"] >= 1


def test_a_worker_with_other_sources_on_its_path_is_refused(tmp_path):
    shutil.copytree(ROOT / "aen", tmp_path / "other" / "aen", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "other" / "aen" / "errors.py").open("a") as file:
        file.write("# changed\n")
    (tmp_path / "acting").mkdir()
    body = f"""
start(num_cpus=2, runtime_env={{"env_vars": {{"PYTHONPATH": {python_path(tmp_path / "other")!r}}}}})
e = evaluator(Acting(folder / "acting"), workers=1)
try:
    evaluate(e, specs(1))
except AenError as error:
    say(error=str(error))
e.close()
"""
    with driver(tmp_path, body, cwd=tmp_path) as process:
        said = [line["error"] for line in lines(process) if "error" in line]
        assert process.wait(timeout=30) == 0, (tmp_path / "err").read_text()
    assert "install the same on every machine of the cluster" in said[0]
    digests = [word.strip("(),") for word in said[0].split() if word.startswith("(")]
    assert len(set(digests)) == 2


def test_ctrl_c_ends_a_search_its_ray_and_leaves_a_summary(tmp_path):
    out = tmp_path / "run"
    words = [
        *("data.train=100", "data.validation=100", "data.test=100", "child.hidden=[8]", "agent=exhaustive"),
        *("alphabet=[rot90, hflip, vflip]", "selection.seeds=2", "selection.top=2", "training.epochs=60"),
        *("agent.seeds=200", "evaluator=ray", "evaluator.workers=2", "evaluator.cpus_per_worker=0.5"),
    ]
    main = "from aen_agents.cli.main import main; raise SystemExit(main())"
    command = [sys.executable, "-c", main, "search", str(ROOT / "configs/digits.yaml"), *words, "--out", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        history, deadline = out / "history.jsonl", time.monotonic() + 90
        while time.monotonic() < deadline and not (history.is_file() and history.read_text().count("\n") >= 3):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        workers = [
            pid for pid in descendants(process.pid) if b"ray::Worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: history.read_text().count("\n") >= 30)
        children = descendants(process.pid)
        assert len(children) >= 5
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all
        output, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert "(raylet)" not in output + error
    until(lambda: not any(running(pid) for pid in children), seconds=20)
    summary = RunFolder.open(out).summary()
    assert summary["status"] == "interrupted"
