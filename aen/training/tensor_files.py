"""Safetensors files that contain their own checksum, so that damage is found wherever they are read.

The metadata of a file has ``sha256``: the SHA-256 of the whole file, computed with 64 zeros in place of this value.
Files of versions before the checksum lack it; they are read as they are.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from aen._files import cannot_read, write_atomically
from aen._reading import MAX_WEIGHTS, read_bytes
from aen.errors import AenError, DamagedFileError, StoreError

_DIGEST = "sha256"
_UNKNOWN = "0" * 64
_LENGTH = 8  # bytes of the length of the header, which begins the file


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, durable: bool) -> None:
    """Write a safetensors file with its checksum; it appears complete or not at all.

    Args:
        path: the file; its folder exists.
        tensors: on any device.
        metadata: texts by name.
        durable: as in `aen._files.write_atomically`.

    Raises:
        OSError: it cannot be written; an existing file stays as it was.
    """
    from safetensors.torch import save  # imported here for start-up time

    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    content = _with_head(save(plain), {**metadata, _DIGEST: _UNKNOWN})
    at = _place_of(content, _UNKNOWN)
    content[at : at + len(_UNKNOWN)] = _digest(content, at).encode()
    write_atomically(path, memoryview(content), durable=durable)


def _with_head(content: bytes, metadata: Mapping[str, str]) -> bytearray:
    """Return the content of a file with metadata in their order; `save` itself writes them in a random one."""
    start = _LENGTH + int.from_bytes(content[:_LENGTH], "little")
    head = json.dumps({"__metadata__": metadata} | json.loads(content[_LENGTH:start]), separators=(",", ":")).encode()
    head += b" " * (-len(head) % _LENGTH)  # the tensors are aligned
    return bytearray(b"".join((len(head).to_bytes(_LENGTH, "little"), head, memoryview(content)[start:])))


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return the metadata and the tensors of a safetensors file; see `reading` for its errors."""
    from safetensors.torch import load  # imported here for start-up time

    # Opened here: safetensors takes only paths in UTF-8, and calls a file missing that may not be read.
    content = read_bytes(path, MAX_WEIGHTS)
    metadata = checked_metadata(content)
    return metadata, load(content)


def checked_metadata(content: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file whose content is that of its checksum, if it has one.

    Raises:
        ValueError: it is no such file, or its content is another than was written.
    """
    head = json.loads(content[_LENGTH : _LENGTH + int.from_bytes(content[:_LENGTH], "little")])
    metadata: dict[str, str] = head.get("__metadata__", {})
    recorded = metadata.pop(_DIGEST, None)
    if recorded is not None:
        at = _place_of(content, recorded)
        if len(recorded) != len(_UNKNOWN) or _digest(content, at) != recorded:
            raise ValueError("the content does not match the SHA-256 in the file")
    return metadata


def _place_of(content: bytes | bytearray, value: str) -> int:
    """Return where the value of the checksum begins; the quotes of other values are escaped in the header."""
    name = f'"{_DIGEST}":"'.encode()
    return content.index(name + value.encode() + b'"') + len(name)


def _digest(content: bytes | bytearray, at: int) -> str:
    view = memoryview(content)
    digest = hashlib.sha256(view[:at])
    digest.update(_UNKNOWN.encode())
    digest.update(view[at + len(_UNKNOWN) :])
    return digest.hexdigest()


@contextmanager
def reading(path: Path, what: str = "weights") -> Iterator[None]:
    """Translate errors of reading a file of tensors into a StoreError that names it.

    Args:
        path: the file.
        what: its content, in a word.

    Raises:
        DamagedFileError: the file is missing or damaged.
        StoreError: it may not be read.
    """
    from safetensors import SafetensorError

    try:
        yield
    except FileNotFoundError as error:
        raise DamagedFileError(f"{what} {path} are missing; train the child again.") from error
    except OSError as error:
        raise StoreError(f"{what} {cannot_read(path, error)}.") from error
    except StoreError:
        raise
    except (SafetensorError, RuntimeError, AenError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{what} {path} are damaged or belong to another child: {error}") from error
