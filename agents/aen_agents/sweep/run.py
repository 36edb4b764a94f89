"""Runs a sweep: Ray Tune starts the trials that are left, each in a process of its own."""

import logging
import os
import shlex
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from aen.errors import AenError, ConfigError
from aen.results.store import ResultStore
from aen_agents.config import SearchConfig
from aen_agents.evaluators.ray.cluster import cluster_resources, connect, disconnect, resolve_address, starts_here
from aen_agents.evaluators.ray.internals import local_resources
from aen_agents.evaluators.ray.resources import ClusterError, ClusterResources
from aen_agents.runs.trial_files import Report
from aen_agents.sweep.config import SweepConfig
from aen_agents.sweep.folder import SweepFolder
from aen_agents.sweep.plan import Trial, most_children
from aen_agents.text import command, counted

# What is switched off in Tune: its handler of Ctrl-C, its log files of reports, and changing to a trial's directory;
# docs/sweeps.md has the reasons. The metric check is off since a trial that fails may end without a report.
_TUNE = {
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def check_trials(trials: Sequence[Trial]) -> None:
    """Check data, space and child as searches do at their start, once for all trials that agree in them.

    Raises:
        ConfigError: a trial cannot run; the message names it.
    """
    from aen_agents.search import Search

    seen: set[str] = set()
    for trial in trials:
        parts: Any = {"data", "alphabet", "generators", "child", "space", "agent"}
        key = trial.config.model_dump_json(include=parts)
        if key in seen:
            continue
        seen.add(key)
        try:
            Search(trial.config, lambda _: None)
        except AenError as error:
            raise ConfigError(f"trial {trial.number} ({trial.label}): {error}") from error


def run_sweep(folder: SweepFolder, console: Console) -> None:
    """Run all trials that have not ended yet, including those that failed.

    If it fails before the first trial (with one of the errors below), `SweepFolder.discard` can remove the folder.
    After a KeyboardInterrupt, calling it again resumes the sweep.

    Args:
        folder: of the sweep.
        console: shows the progress.

    Raises:
        ClusterError: the cluster cannot be reached, or lacks the resources for a trial.
        StoreError: the store cannot be used.
    """
    sweep, trials = folder.load()
    left = [trial for trial in trials if folder.files(trial).status() in ("unfinished", "failed")]
    if not left:
        say_trials(folder, trials, left, console)
        return
    ResultStore(folder.store(sweep)).close()  # created here, before several trials would at once
    with _quiet(), _scratch(folder.scratch):
        address, here = resolve_address(sweep.cluster.address), local_resources()
        own = starts_here(address)
        if own and here is not None:
            share(sweep, left, ClusterResources((here,)))  # before Ray is started, which takes seconds
        where = "starting Ray" if own else f"connecting to Ray at {address}"
        console.print(f"aen: {where}", markup=False, highlight=False, soft_wrap=True)
        ours = connect(sweep.cluster.address, sweep.cluster.connect_timeout, token_file=sweep.cluster.token_file)
        gpus = sum(have for _, have in cluster_resources().nodes)
        if gpus and not sweep.gpus_per_trial:
            stay = "stays" if gpus == 1 else "stay"
            text = f"aen: {counted(gpus, 'GPU')} of the cluster {stay} idle; gpus_per_trial=1, or a fraction, uses GPUs"
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        try:
            _tune(folder, sweep, trials, left, console)
        except AenError:
            raise
        except Exception as error:  # a cluster that is lost: Ray raises many kinds of errors
            folder.begin()  # trials may have begun
            reason = " ".join(str(error).split())[-500:]
            raise ClusterError(
                f"Ray has stopped the sweep ({type(error).__name__}: {reason}). All results are kept. To resume: "
                f"{command()} sweep --restore {shlex.quote(str(folder.path))}"
            ) from error
        finally:
            if ours:
                disconnect()


def say_trials(folder: SweepFolder, trials: Sequence[Trial], left: Sequence[Trial], console: Console) -> None:
    """Print the number of trials, and of those that ended, failed or were interrupted earlier."""
    files = [folder.files(trial) for trial in left]
    failed = sum(one.status() == "failed" for one in files)
    begun = sum(one.status() == "unfinished" and one.run.config_file.is_file() for one in files)
    counts = {"ended": len(trials) - len(left), "failed": failed, "interrupted": begun}
    before = [f"{count} of them {what} before" for what, count in counts.items() if count]
    text = ", ".join([counted(len(trials), "trial"), *before])
    console.print(f"{folder.path}: {text}", markup=False, highlight=False, soft_wrap=True)


def _tune(folder: SweepFolder, sweep: SweepConfig, trials: list[Trial], left: list[Trial], console: Console) -> None:
    from ray import tune

    from aen_agents.sweep.asha import ResumableASHA
    from aen_agents.sweep.progress import SweepProgress
    from aen_agents.sweep.trial import run_trial

    cpus, concurrent = share(sweep, left, cluster_resources())
    folder.begin()
    say_trials(folder, trials, left, console)
    scheduler = None
    if sweep.stop is not None:

        def stop(number: int, report: Report) -> None:
            folder.files(trials[number]).stop(report)

        scheduler = ResumableASHA(sweep.stop, most_children(trials), stop)
        for trial in trials:
            scheduler.restore_reports(trial.number, folder.files(trial).reports())
    with SweepProgress(console, folder, trials, done=len(trials) - len(left)) as progress:
        tune.Tuner(
            tune.with_resources(run_trial, {"cpu": cpus, "gpu": sweep.gpus_per_trial}),
            param_space={
                "number": tune.grid_search([trial.number for trial in left]),
                "sweep": str(folder.path.resolve()),
                "cwd": str(Path.cwd()),
            },
            tune_config=tune.TuneConfig(scheduler=scheduler, max_concurrent_trials=concurrent),
            run_config=tune.RunConfig(
                name="tune", storage_path=str(folder.scratch.resolve()), verbose=0, callbacks=[progress]
            ),
        ).fit()


def share(sweep: SweepConfig, trials: Sequence[Trial], has: ClusterResources) -> tuple[float, int]:
    """Return the cores that Ray reserves for each trial, and the number of trials at a time.

    Args:
        sweep: the config; its `concurrent` is the number of trials at a time, or None.
        trials: to be run.
        has: resources of the cluster.

    Raises:
        ClusterError: they are too small for the trials.
    """
    threads = max(_threads(trial.config) for trial in trials)
    fit = has.workers(threads, sweep.gpus_per_trial)
    if fit == 0:
        wanted = counted(threads, "core")
        if sweep.gpus_per_trial:
            wanted += f" and {counted(sweep.gpus_per_trial, 'GPU')}"
        raise ClusterError(
            f"a trial needs {wanted} (evaluator.threads, gpus_per_trial), and no machine has them; the cluster has "
            f"{has}."
        )
    if sweep.concurrent is None or sweep.concurrent <= fit:
        return threads, min(sweep.concurrent or fit, len(trials))
    if sweep.gpus_per_trial and has.workers(1e-3, sweep.gpus_per_trial) < sweep.concurrent:
        raise ClusterError(
            f"concurrent is {sweep.concurrent} and gpus_per_trial {sweep.gpus_per_trial:g}; the cluster has {has}. Ask "
            "for fewer trials at a time, or a smaller fraction of a GPU."
        )
    # More trials than cores, as the user wants. Ray takes fractions of a core below one.
    cpus = 1.0
    while has.workers(cpus, sweep.gpus_per_trial) < sweep.concurrent:
        cpus /= 2
    return cpus, min(sweep.concurrent, len(trials))


def _threads(config: SearchConfig) -> int:
    return config.evaluator.threads


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Ray and Tune on the console inside the block, and set their environment variables."""
    before = {name: os.environ.get(name) for name in _TUNE}
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune", "ray.train", "ray.data")]
    levels = [logger.level for logger in loggers]
    os.environ.update(_TUNE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _scratch(path: Path) -> Iterator[None]:
    """Create a folder for Tune's own files, and remove it after the block."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)
