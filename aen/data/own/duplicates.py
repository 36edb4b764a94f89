"""Near-duplicates: images that agree but for scaling, compression or a few pixels.

Candidates have perceptual hashes (the signs of low frequencies of the cosine transform) that differ in few of 64 bits;
a pair counts if the images, as thumbnails, then agree in their pixels. So chains of merely similar images, as among
hand-written digits, are no duplicates.
"""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Hashes of near-duplicates differ in at most this many bits, so that one of `_BANDS` parts agrees.
_MAX_DISTANCE = 3
_BANDS = 4
# Thumbnails of near-duplicates differ by this share of their deviation from the mean.
_MAX_DIFFERENCE = 0.08
_THUMBNAIL = 16
_LOW = 8
# A frequency counts as positive from this share of the strongest one up.
_PRESENT = 0.05
_CHUNK = 2_000
# In a bucket of more candidates only neighbours in the order of the hashes are compared.
_BUCKET = 64


def near_duplicates(images: npt.NDArray[Any], *, exact_only: bool = False) -> npt.NDArray[np.int64]:
    """Return a number for each image; near-duplicates have the same.

    Args:
        images: shape ``[n, channels, rows, columns]``.
        exact_only: compare bytes only, as for signals.
    """
    n = len(images)
    first = _first_of_equal(images)
    edges = [np.stack([first, np.arange(n)])]
    if not exact_only and min(images.shape[2:]) >= _LOW:
        own = np.flatnonzero(first == np.arange(n))
        edges.append(own[_similar(images, own)])
    rows, columns = np.concatenate(edges, axis=1)
    _, groups = connected_components(coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(n, n)), False)
    return np.asarray(groups, np.int64)


def join_groups(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the finest groups of which both kinds of groups are parts."""
    n = len(one)
    top = int(one.max(initial=-1)) + 1
    nodes = top + int(other.max(initial=-1)) + 1
    edges = coo_array((np.ones(n, bool), (one, top + other)), shape=(nodes, nodes))
    _, found = connected_components(edges, False)
    return np.unique(found[one], return_inverse=True)[1].astype(np.int64)


def _first_of_equal(images: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the first image with the same bytes, for each image."""
    known: dict[bytes, int] = {}
    return np.array(
        [
            known.setdefault(hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest(), place)
            for place, image in enumerate(images)
        ],
        np.int64,
    )


def _similar(images: npt.NDArray[Any], own: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return pairs of near-duplicates, as places in `own`, shape ``[2, pairs]``."""
    hashes, thumbs = np.empty(len(own), np.uint64), np.empty((0, 0), np.float32)
    for start in range(0, len(own), _CHUNK):
        piece = _thumbnails(images[own[start : start + _CHUNK]])
        if not start:
            thumbs = np.empty((len(own), piece[0].size), np.float32)
        hashes[start : start + _CHUNK] = _hashes(piece)
        thumbs[start : start + _CHUNK] = piece.reshape(len(piece), -1)
    norms = np.linalg.norm(thumbs, axis=1)
    found = [np.empty((2, 0), np.int64)]
    bands = hashes.view(np.uint16).reshape(len(hashes), _BANDS)
    for band in range(_BANDS):
        order = np.lexsort((hashes, bands[:, band]))
        key = bands[order, band]
        for step in range(1, _BUCKET):
            same = np.flatnonzero(key[step:] == key[:-step])
            if not len(same):
                break
            one, other = order[same], order[same + step]
            close = np.bitwise_count(hashes[one] ^ hashes[other]) <= _MAX_DISTANCE
            pairs = np.stack([one, other])[:, close]
            for start in range(0, pairs.shape[1], _CHUNK):
                a, b = pairs[:, start : start + _CHUNK]
                gap, scale = np.linalg.norm(thumbs[a] - thumbs[b], axis=1), np.maximum(norms[a], norms[b])
                found.append(np.stack([a, b])[:, (gap <= _MAX_DIFFERENCE * scale) & (scale > 0)])
    return np.concatenate(found, axis=1)


def _thumbnails(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return small images without their mean, shape ``[n, channels, rows, columns]``."""
    small: npt.NDArray[Any] = images.astype(np.float32)
    for axis in (2, 3):
        side = small.shape[axis]
        if side > _THUMBNAIL:
            small = _means(small, axis)
    return np.asarray(small - small.mean(axis=(1, 2, 3), keepdims=True), np.float32)


def _means(images: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    """Return the means of `_THUMBNAIL` stretches of an axis, of the same length or nearly."""
    side = images.shape[axis]
    if side % _THUMBNAIL:
        starts = np.linspace(0, side, _THUMBNAIL, endpoint=False).astype(int)
        widths = np.diff([*starts, side]).astype(np.float32)
        widths = widths[:, None] if axis == 2 else widths  # noqa: PLR2004 - rows
        return np.asarray(np.add.reduceat(images, starts, axis=axis) / widths, np.float32)
    step = side // _THUMBNAIL  # several times as fast
    first, *others = (images[:, :, place::step] if axis == 2 else images[..., place::step] for place in range(step))  # noqa: PLR2004
    total = first.copy()
    for other in others:
        total += other
    return np.asarray(total / np.float32(step), np.float32)


def _hashes(thumbs: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    """Return the signs of the lowest frequencies of each thumbnail as 64 bits."""
    low = dctn(thumbs.mean(axis=1), axes=(1, 2), norm="ortho")[:, :_LOW, :_LOW].reshape(len(thumbs), -1)
    # A frequency that is nearly absent has any sign: it counts as negative.
    present = low > _PRESENT * np.abs(low).max(axis=1, keepdims=True)
    present[:, 0] = False
    return np.packbits(present, axis=1).view(np.uint64)[:, 0]
