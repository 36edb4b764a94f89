"""The part of a GPU that each worker gets."""

import subprocess
import sys

import pytest
import torch

from aen_agents.config import load_config
from aen_agents.evaluators.factory import resolve_evaluator
from aen_agents.evaluators.ray.gpus import PROCESS_BYTES, GpuNode, choose_part, find_gpus, idle_gpus
from aen_agents.evaluators.ray.resources import ClusterResources
from aen_agents.problem import child_of

GB = 10**9
LARGE = GpuNode(cores=16, gpus=1, name="large", memory=80 * GB)
SMALL = GpuNode(cores=16, gpus=2, name="small", memory=8 * GB)


@pytest.mark.parametrize(
    ("nodes", "need", "workers", "cpus", "each"),
    [
        ([LARGE], 3 * GB, None, 1, 16),  # as many as there are cores for
        ([LARGE], 3 * GB, None, 4, 4),
        ([LARGE], 17 * GB, None, 1, 4),  # 72 of 80 GB, 18 GB each
        ([LARGE], 200 * GB, None, 1, 1),
        ([SMALL], GB // 2, None, 1, 4),
        ([LARGE, SMALL], GB // 2, None, 1, 4),  # the smallest memory
        ([LARGE], GB // 2, 3, 1, 3),  # no smaller parts than the workers need
        ([SMALL], GB // 2, 3, 1, 2),
        ([LARGE], GB // 2, 1, 1, 1),
        ([GpuNode(1, 4, "few cores", 80 * GB)], GB, None, 1, 1),
    ],
)
def test_as_many_workers_share_a_gpu_as_fit(nodes, need, workers, cpus, each):
    part, why = choose_part(nodes, need, workers=workers, cpus=cpus)
    assert int(1 / part + 1e-9) == each
    assert each * part <= 1
    assert f"gpus_per_worker={part:g}" in why
    smallest = min(node.memory for node in nodes)
    assert each == 1 or each * (need + PROCESS_BYTES) < smallest
    for node in nodes:
        fit = ClusterResources(((node.cores, node.gpus),)).workers(cpus, part)
        assert fit == min(int(node.cores / cpus), each * node.gpus)


def test_without_usable_gpus_children_are_trained_on_cpus():
    assert choose_part([], GB, workers=None, cpus=1) == (
        0.0,
        "gpus_per_worker=0: the cluster has no GPU, children are trained on CPUs",
    )
    part, why = choose_part([LARGE, GpuNode(4, 1, "", 0)], GB, workers=None, cpus=1)
    assert part == 0
    assert "torch cannot use the GPUs of 1 machine" in why


@pytest.mark.parametrize(
    ("nodes", "part", "workers", "cpus", "said"),
    [
        ([SMALL], 0.25, None, 1, ""),
        ([SMALL], 1.0, 1, 1, "1 GPU of the cluster stays idle"),
        ([SMALL, SMALL], 0.5, 2, 1, "3 GPUs of the cluster stay idle"),
        ([GpuNode(1, 4, "few cores", GB)], 1.0, None, 1, "3 GPUs of the cluster stay idle"),
        ([GpuNode(16, 2, "", GB)], 0.3333, None, 4, ""),
    ],
)
def test_idle_gpus_are_counted(nodes, part, workers, cpus, said):
    assert idle_gpus(nodes, part, workers=workers, cpus=cpus) == said


@pytest.mark.skipif(torch.cuda.is_available(), reason="Ray is made to believe in GPUs that are not there")
@pytest.mark.slow
def test_gpus_that_torch_cannot_use_are_not_used(cluster):
    assert cluster.is_initialized()
    (node,) = find_gpus(None, 30)
    assert (node.cores, node.gpus, node.memory) == (8, 4, 0)
    config = load_config("digits", ["evaluator=ray"])
    assert config.evaluator.device == "auto"
    resolved, (said,) = resolve_evaluator(config, child_of(config))
    assert resolved.evaluator.gpus_per_worker == 0
    assert resolved.evaluator.device == "cpu"
    assert "torch cannot use the GPUs of 1 machine" in said
    assert cluster.is_initialized()
    given = load_config("digits", ["evaluator=ray", "evaluator.gpus_per_worker=0.5"])
    assert resolve_evaluator(given, child_of(given)) == (given, [])


@pytest.mark.parametrize(
    "first", ["gpus import find_gpus; find_gpus(None, 1)", "internals import local_clusters; local_clusters()"]
)
def test_ray_is_told_to_be_quiet_before_it_is_imported(first):
    """It reads that once; what looks for GPUs is the first in a search to import it."""
    code = f"from aen_agents.evaluators.ray.{first}; from ray._private import ray_constants as known; "
    said = subprocess.run(
        [sys.executable, "-c", code + "print(known.RAY_DEDUP_LOGS_SKIP_REGEX)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.startswith("^(A worker died|")
