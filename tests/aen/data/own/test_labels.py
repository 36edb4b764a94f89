"""Labels as they are given become classes from 0, and the label of each class is known afterwards."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aen.data import classes_of, data_spec, find_source
from aen.data.own.labels import map_labels
from aen.errors import DataError


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ([True, False, True], ("0", "1")),
        ([7, -3, 7], ("-3", "7")),
        (["10", "9", "+2"], ("+2", "9", "10")),
        (np.array(["b", "a"], dtype=object), ("a", "b")),
        (np.char.encode(["zürich", "bern"], "utf-8"), ("bern", "zürich")),
        (["a\nb", "c"], ("a\\nb", "c")),
        (np.array([3, 2**63], np.uint64), ("3", "9223372036854775808")),
        (["9" * 5000 + "x", "a"], None),
        (["9" * 400, "12"], ("12", "9" * 400)),
    ],
    ids=["bool", "negative", "numbers", "objects", "bytes", "line end", "unsigned", "too long", "many digits"],
)
def test_each_class_has_the_label_that_was_given(labels: npt.ArrayLike, names: tuple[str, ...] | None) -> None:
    values = np.asarray(labels)
    if names is None:
        with pytest.raises(DataError, match=r"a name of 5,001 characters \(9{80}\.\.\. \(5,001 characters\)\); give"):
            map_labels(values, (), "arrays")
        return
    stored = values.astype(np.uint8) if values.dtype.kind == "b" else values
    if values.dtype.kind == "O":
        stored = values.astype(str)
    mapped, found, _ = map_labels(stored, (), "arrays")
    assert found == names
    given_back = classes_of(labels)
    assert (given_back[mapped] == values).all()
    assert given_back.dtype == (stored.dtype if values.dtype.kind == "O" else values.dtype)


@given(st.lists(st.text(min_size=1, max_size=4), min_size=2, max_size=8))
def test_any_text_is_given_back_or_refused(texts: list[str]) -> None:
    values = np.array(texts)
    try:
        mapped, names, _ = map_labels(values, (), "arrays")
    except DataError:
        return
    assert len(set(names)) == len(names)
    assert (classes_of(values)[mapped] == values).all()


@pytest.mark.parametrize(
    ("labels", "class_names", "said"),
    [
        (["a\nb", "a\\nb"], (), r"two classes, .* would both be shown as a\\nb; rename one"),
        ([0, 1], ("cat", "cat"), "two classes, 'cat' and 'cat', would both be shown as cat; rename one"),
        ([b"\xc3", b"ok"], (), r"labels is text as bytes that are not UTF-8 .*decode them"),
        (["9" * 5000, "1"], (), "a name of 5,000 characters"),
        (["1e5", "2.5"], (), "labels are floating-point numbers"),
    ],
)
def test_labels_that_cannot_be_told_apart_or_read(
    labels: list[object], class_names: tuple[str, ...], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        map_labels(np.array(labels), class_names, "arrays")


@pytest.mark.parametrize("types", [(np.int64, np.uint8), (np.uint64, np.int8), (np.uint8, bool), ("S1", "U1")])
def test_parts_with_labels_of_different_types_have_the_same_classes(types, tmp_path) -> None:
    images = np.random.default_rng(0).integers(256, size=(80, 6, 6), dtype=np.uint8)
    labels = np.arange(40) % 2
    first, second = (labels.astype("U1") if kind in ("S1", "U1") else labels for kind in types)
    np.savez(
        tmp_path / "parts.npz",
        train_images=images[:40],
        train_labels=first.astype(types[0]),
        test_images=images[40:],
        test_labels=second[::-1].astype(types[1]),
        **({} if types[0] == "S1" else {"class_names": np.array([b"cat", b"dog"])}),
    )
    spec = data_spec(str(tmp_path / "parts.npz"))
    expected = ("0", "1") if types[0] == "S1" else ("cat", "dog")
    assert find_source(spec.name, spec.rules).class_names == expected


def test_parts_may_be_bytes(tmp_path) -> None:
    images = np.random.default_rng(0).integers(256, size=(40, 6, 6), dtype=np.uint8)
    parts = np.array([b"train", b"test"])[np.arange(40) // 2 % 2]
    np.savez(tmp_path / "parts.npz", images=images, labels=np.arange(40) % 2, parts=parts)
    assert data_spec(str(tmp_path / "parts.npz")).test == 20
