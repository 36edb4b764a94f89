"""Packages with entry points, as an installer leaves them on disk."""

from collections.abc import Mapping
from pathlib import Path


def install_package(
    site: Path,
    name: str,
    entry_points: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str] | None = None,
    version: str = "1.0",
) -> Path:
    """Write a package's metadata and its modules into a folder that stands, or will stand, on ``sys.path``.

    Args:
        site: the folder.
        name: of the package.
        entry_points: by group and name, ``module:OBJECT``.
        modules: by module name, its source text.
        version: of the package.

    Returns:
        Its ``dist-info`` folder.
    """
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, entries in entry_points.items()
        for line in (f"[{group}]", *(f"{entry} = {value}" for entry, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module, text in (modules or {}).items():
        (site / f"{module}.py").write_text(text)
    return info
