"""The manifest of a folder of tables: with what each was built, and the checksums of its files."""

import hashlib
import json
import os
import platform
import stat
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aen._files import write_atomically
from aen._typing import JsonDict
from aen.bench.files import VERSION
from aen.errors import TableError

NAME = "manifest.json"


def check_folder(folder: Path) -> None:
    """Check that a folder of tables is no file; it may be missing.

    Raises:
        TableError: it is a file, or below one.
    """
    try:
        is_file = not stat.S_ISDIR(folder.stat().st_mode)
    except NotADirectoryError:
        is_file = True
    except OSError:  # reading from it says why
        return
    if is_file:
        raise TableError(
            f"{folder} is no folder; give the folder of the tables, which is the --out of `aen bench build`."
        )


def read_manifest(folder: Path) -> JsonDict:
    """Return what is known of the tables of a folder, by name; empty: it has no manifest.

    Raises:
        TableError: it cannot be read.
    """
    path = folder / NAME
    check_folder(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, tables = content["version"], dict(content["tables"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TableError(f"{path} cannot be read ({type(error).__name__}: {error}); build the tables again.") from error
    if found != VERSION:
        raise TableError(f"{path} has version {found}, not {VERSION}; build the tables again.")
    return tables


def note_table(folder: Path, name: str, about: JsonDict, files: list[Path]) -> None:
    """Write what is known of a table, with the checksums of its files, to the manifest of their folder."""
    tables = read_manifest(folder)
    tables[name] = about | {
        "files": {
            path.name: {
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in files
        }
    }
    content = {"version": VERSION, "tables": dict(sorted(tables.items()))}
    write_atomically(folder / NAME, json.dumps(content, indent=1) + "\n", durable=True)


def checked_content(folder: Path, name: str, file: str) -> bytes:
    """Return the content of a file of a table, which is that of the manifest, if the manifest has it.

    Raises:
        TableError: it is another content, or it cannot be read.
    """
    path = folder / file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(f"table {path} cannot be read: {error.strerror or error}.") from error
    known: Any = read_manifest(folder).get(name)
    if known is None:
        return content
    try:
        expected = known["files"][file]["sha256"]
    except (KeyError, TypeError) as error:
        raise TableError(f"{folder / NAME} has no checksum of {file}; build table {name} again.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise TableError(
            f"table {path}: checksum mismatch, its SHA-256 is {found[:12]}..., not {str(expected)[:12]}...; it is not "
            "the file that was built. Build it again, or install aen again if it is one of its tables."
        )
    return content


def provenance() -> JsonDict:
    """Return with what a table is built: versions, machine and date."""
    return {
        **{name: version(name) for name in ("aen", "torch", "numpy")},
        "python": platform.python_version(),
        "machine": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "built": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    """Return the processor's name, which Python does not know on Linux."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
