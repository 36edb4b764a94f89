"""Finds configs: YAML files by path, and the presets that aen ships by name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from aen.errors import ConfigError, did_you_mean
from aen_agents.config.former_presets import FORMER
from aen_agents.text import command

# A wheel holds the repository's configs/ as aen_agents/presets; an editable installation uses configs/ itself.
_SHIPPED = Path(__file__).resolve().parents[1] / "presets"
PROJECT_CONFIGS = _SHIPPED if _SHIPPED.is_dir() else Path(__file__).resolve().parents[3] / "configs"

Kind = Literal["search", "agent", "sweep"]
_FOLDERS: Mapping[Kind, str] = {"agent": "agents", "sweep": "sweeps"}
_COMMANDS: tuple[Kind, ...] = ("search", "sweep")
_KINDS: tuple[Kind, ...] = ("search", "sweep", "agent")


def list_presets(kind: Kind = "search") -> dict[str, Path]:
    """Return the file of each preset of a kind by its name: its path in ``configs/`` without ``.yaml``.

    Names of agents and sweeps leave out their own folder: ``dqn_paper``, ``digits_seeds``.
    """
    root = PROJECT_CONFIGS / _FOLDERS.get(kind, "")
    files = {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.yaml"))}
    if kind == "search":
        files = {name: path for name, path in files.items() if name.partition("/")[0] not in _FOLDERS.values()}
    return files


def copy_preset(name: str, to: Path | None = None) -> Path:
    """Copy the file of a preset, to be edited. What it names by relative paths is found from its new place, too.

    Args:
        name: of a search, a sweep or an agent, ``sweeps/NAME`` or ``agents/NAME``.
        to: the new file, or its folder; None: ``NAME.yaml`` in the working directory.

    Returns:
        The new file.

    Raises:
        ConfigError: no preset has this name, the file exists already, or it cannot be written.
    """
    given = name.removesuffix(".yaml")
    known = {_full_name(kind, stem): path for kind in _KINDS for stem, path in list_presets(kind).items()}
    full = next((found for kind in _KINDS if (found := _full_name(kind, given)) in known), given)
    if full not in known:
        raise ConfigError(f"there is no preset {name!r}{did_you_mean(given, known)}. {command()} configs lists them.")
    file = Path(f"{Path(full).name}.yaml") if to is None else to / f"{Path(full).name}.yaml" if to.is_dir() else to
    text = known[full].read_text(encoding="utf-8")

    def named(match: re.Match[str]) -> str:
        other = (known[full].parent / match["path"]).resolve().relative_to(PROJECT_CONFIGS.resolve())
        return f"{match['key']}: {other.with_suffix('').as_posix().removeprefix('agents/')}"

    text = re.sub(r"(?m)^(?P<key>base|search): (?P<path>\S+\.yaml)$", named, text)
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError as error:
        raise ConfigError(
            f"{file} exists already; remove it, or name another file: {command()} configs copy {name} FILE"
        ) from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}; name another file.") from error
    return file


def _full_name(kind: Kind, name: str) -> str:
    folder = _FOLDERS.get(kind)
    return name if folder is None or name.startswith(f"{folder}/") else f"{folder}/{name}"


def headline(path: Path) -> str:
    """Return the first comment line of a config, or nothing."""
    with path.open(encoding="utf-8") as file:
        first = file.readline(1000)
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def find_config(given: str | Path, kind: Kind = "search", folder: Path | None = None) -> Path:
    """Return the file that a path or the name of a preset stands for. An existing path comes before a preset.

    Args:
        given: a path, or a name such as ``digits`` or ``gcnn/digits``; ``.yaml`` may follow the name.
        kind: which presets there are to choose from.
        folder: of the file that names it, where relative paths begin; None: the working directory.

    Raises:
        ConfigError: there is neither such a file nor such a preset.
    """
    path = Path(given) if folder is None else folder / given
    try:
        exists = path.exists()
    except OSError:  # no permission, or the name is too long: reading it says which
        return path
    if exists and not path.is_dir():
        return path
    known = list_presets(kind)
    name = Path(given).as_posix().removesuffix(".yaml")
    if name in known:
        return known[name]
    if name.removeprefix(f"{_FOLDERS.get(kind, '')}/") in known:  # sweeps/digits_seeds
        return known[name.removeprefix(f"{_FOLDERS[kind]}/")]
    if exists:
        raise ConfigError(f"config {path} is a folder; give a YAML file or a preset ({command()} configs lists them).")
    raise ConfigError(_missing(path, name, kind))


def _missing(path: Path, name: str, kind: Kind) -> str:
    """Return the message about a config that does not exist."""
    name = f"/{name}".rpartition("/configs/")[2].removeprefix("/")
    if kind == "search" and name in FORMER:
        return (
            f"config {path} does not exist any more; it became overrides of a preset: "
            f"{command()} search {' '.join(FORMER[name])}"
        )
    for other in _COMMANDS:
        stem = name.removeprefix(f"{_FOLDERS.get(other, '')}/")
        if other != kind and stem in list_presets(other):
            return f"there is no {kind} {name!r}, but there is a {other} of that name: {command()} {other} {stem}"
    files = [file.name for file in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    hints = (did_you_mean(path.name, files), did_you_mean(name, list_presets(kind)))
    near = next((hint for hint in hints if "did you mean" in hint), "")
    return f"config {path} does not exist{near}. Give a YAML file or a preset; {command()} configs lists the presets."
