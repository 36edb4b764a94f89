"""Finds out of which kind own data is: which reader takes a path."""

from pathlib import Path

from aen.data.files import unreadable
from aen.data.own.csv_table import scan_csv
from aen.data.own.folder import entries, files_of, is_image, scan_class_folders
from aen.data.own.found import Scan, part_of
from aen.data.own.idx import is_idx, scan_idx
from aen.data.own.npz import scan_npz
from aen.data.own.tables import scan_tables
from aen.errors import DataError

_TABLES = (".parquet", ".arrow", ".feather")
_CSV = (".csv", ".tsv")


def scan(path: Path) -> Scan:
    """Return the reader's scan of a file or a folder.

    Raises:
        DataError: no reader takes it, or there is nothing in it.
    """
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise unreadable(path, error) from error
    if is_folder:
        return _scan_folder(path)
    if not is_file:
        if path.is_symlink():
            raise DataError(f"{path} is a link to a file that does not exist; remove it, or give another path.")
        raise DataError(f"{path} is neither a file nor a folder; give the path of one.")
    name = path.name.lower()
    if name.endswith(".npz"):
        return scan_npz(path)
    if name.removesuffix(".gz").endswith(_CSV):
        return scan_csv(path)
    if name.endswith(_TABLES):
        return scan_tables(path.parent, [path.name])
    if is_idx(path):
        return scan_idx(path.parent, [path.name])
    raise _other_file(path)


def _scan_folder(root: Path) -> Scan:
    files = list(files_of(root))
    tables = [name for name in files_of(root, _may_hold_tables) if name.lower().endswith(_TABLES)]
    if tables:
        return scan_tables(root, tables)
    idx = [name for name in files if is_idx(root / name)]
    if idx:
        return scan_idx(root, idx)
    folders = [entry for entry in entries(root, root) if entry.is_dir()]
    csv = [name for name in files if name.lower().endswith(_CSV)]
    npz = [name for name in files if name.lower().endswith(".npz")]
    if csv and (not folders or any(name.lower() in {"metadata.csv", "labels.csv"} for name in csv)):
        known = [name for name in csv if name.lower() in {"metadata.csv", "labels.csv"}]
        return scan_csv(root / _only(root, known or csv))
    if npz and not folders and not any(map(is_image, files)):
        return scan_npz(root / _only(root, npz))
    return scan_class_folders(root)


def _may_hold_tables(name: str) -> bool:
    return name in {"data", "default"} or part_of(name) is not None


def _only(root: Path, names: list[str]) -> str:
    if len(names) > 1:
        raise DataError(f"{root} has several tables ({', '.join(sorted(names)[:4])}); give the path of one of them.")
    return names[0]


def _other_file(path: Path) -> DataError:
    ending = path.suffix.lower().removeprefix(".")
    if is_image(path.name):
        return DataError(
            f"{path} is one image; give a folder with a folder of images for each class, or a csv file of path,label."
        )
    hints = {
        "npy": "save images and labels together: np.savez('data.npz', images=images, labels=labels)",
        "zip": "unpack it first, and give the folder",
        "tar": "unpack it first, and give the folder",
        "pkl": "it may hold a pickle, which aen never opens; save arrays as npz",
        "pickle": "it may hold a pickle, which aen never opens; save arrays as npz",
        "pt": "it may hold a pickle, which aen never opens; save arrays as npz",
        "pth": "it may hold a pickle, which aen never opens; save arrays as npz",
    }
    if path.stat().st_size == 0:
        return DataError(
            f"{path} is empty; give a folder of class folders, or an npz, csv, IDX, Parquet or Arrow file."
        )
    hint = hints.get(ending, "give a folder of class folders, or an npz, csv, IDX, Parquet or Arrow file")
    return DataError(f"{path} is of a kind that aen does not read; {hint}.")
