"""Building a run's report from its folder, whether the run is finished or not."""

import shlex
import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from aen._secrets import hide_secrets
from aen.children import ChildSpec
from aen.data import load_dataset
from aen.errors import RunFolderError
from aen.results.database_errors import shown
from aen.results.result_rows import SpaceRow
from aen.results.search_result import SearchResult
from aen_agents.agents.selection import exploring_seeds
from aen_agents.config import SearchConfig
from aen_agents.config.yaml_file import dump_yaml
from aen_agents.problem import child_of, space_of
from aen_agents.report.drawing import in_page
from aen_agents.report.equivariance import layer_errors
from aen_agents.report.explored import by_class, read_results
from aen_agents.report.factors import factor_part
from aen_agents.report.failures import failures_of
from aen_agents.report.images import some_images, winner_action
from aen_agents.report.pictures import class_pictures, method_pictures
from aen_agents.report.symmetry import symmetry_part
from aen_agents.runs.files import write_file
from aen_agents.runs.folder import RunFolder
from aen_agents.runs.test_reads import test_reads
from aen_agents.text import command


def _config_text(config: SearchConfig) -> str:
    """Return the configuration for readers of the report: of paths the last part, since they are of this machine."""
    content = config.model_copy(update={"store": config.store and shown(config.store)}).model_dump(mode="json")
    return hide_secrets(dump_yaml(_without_folders(content)))


def _without_folders(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _without_folders(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_folders(part) for part in value]
    return f".../{PurePath(value).name}" if isinstance(value, str) and PurePath(value).is_absolute() else value


def build_report(folder: RunFolder, out: Path | None = None) -> Path:
    """Write the report of a run from its store, its history and its summary; return the file.

    Args:
        folder: of the run; if `out` is given, it need not be writable.
        out: the file, or a folder for it; None: ``report.html`` in the run folder.

    Raises:
        RunFolderError: the folder or its summary cannot be read, or the report cannot be written.
        StoreError: the run's store is missing, damaged, cannot be reached, or is not a store.
    """
    file = folder.report_file if out is None else out / folder.report_file.name if out.is_dir() else out
    _check_writable(file, folder)
    config, result, history = folder.config(), folder.result(), folder.history()
    child, seeds = child_of(config), exploring_seeds(config)
    explored, failed = read_results(config, folder, child, history)
    roles = _roles(result, child)
    compares_methods = (result is not None and bool(result.methods)) or any("method" in line for line in history)
    winner = None if result is None or result.verdict is None else result.verdict.winner.child()
    dataset = load_dataset(child.data)
    environment = Environment(
        loader=PackageLoader("aen_agents.report", "."),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        finalize=in_page,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    environment.filters["points"] = lambda value: f"{100 * value:+.1f}"
    html = environment.get_template("template.html").render(
        config=config,
        config_text=_config_text(config),
        child=child,
        result=result,
        verdict=result and result.verdict,
        baseline_name=_baseline_name(result),
        best=max((e.validation_accuracy for e, _ in explored), default=None),
        searched=sum(e.status != "failed" for e, _ in explored),
        failures=failures_of(failed),
        leading=_leading(result, child),
        symmetry=symmetry_part(folder.symmetry_test() if result is None else result.symmetry_test),
        factors=None if result is None or result.factors is None else factor_part(result.factors),
        roles=roles,
        seeds=len(seeds),
        pictures=method_pictures(result, history, explored)
        if compares_methods
        else class_pictures(
            child,
            result,
            history,
            searched=by_class(explored),
            roles=roles,
            find_space=partial(space_of, config),  # finding its classes takes time: only if they are shown
            seeds=len(seeds),
        ),
        test_reads=len(test_reads(folder)),
        images=some_images(dataset),
        action=None if winner is None else winner_action(winner, dataset),
        layer_errors=None if winner is None else layer_errors(folder.path),
        aen_version=version("aen"),
    )
    write_file(file, html)
    return file


def _check_writable(file: Path, folder: RunFolder) -> None:
    """Check that the report can be written, before it is computed."""
    try:
        tempfile.TemporaryFile(dir=file.parent).close()
    except OSError as error:
        raise RunFolderError(
            f"{file} cannot be written: {error.strerror}; name a file in a folder that you can write to: {command()} "
            f"report {shlex.quote(str(folder.path))} --out FILE."
        ) from error


def _baseline_name(result: SearchResult | None) -> str:
    return "untied" if result is None else result.baseline_name


def _leading(result: SearchResult | None, child: ChildSpec, count: int = 10) -> list[SpaceRow]:
    """Return the best classes of a whole space, and those of the baseline and of the hidden group."""
    space = None if result is None else result.space
    if space is None:
        return []
    wanted = {child.class_key, *(() if space.hidden_group is None else (space.hidden_group.class_key,))}
    return [row for row in space.classes if row.rank <= count or row.class_key in wanted]


def _roles(result: SearchResult | None, child: ChildSpec) -> dict[str, str]:
    """Return the role of each class that has one. Where a class has several, the winner's replaces the others."""
    roles = {}
    if result is not None and result.hidden_group is not None:
        roles[result.hidden_group.class_key] = "hidden group"
    roles[child.class_key] = _baseline_name(result)
    if result is not None and result.verdict is not None:
        roles[result.verdict.winner.class_key] = "winner"
    return roles
