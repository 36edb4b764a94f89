"""export(): files that run without aen, checked against their source, complete or not there."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers.every_module import DENSE, close
from helpers.exported_children import DIGITS, NAMES, child_of, saved_run
from helpers.full_disk import files_no_longer_than
from helpers.permissions import permissions_apply
from torch import nn

import aen
from aen.children import DenseChild
from aen.data import DataSpec, load_dataset, preprocessing_of
from aen.errors import ExportError, RunFolderError
from aen.export import FORMATS, export, find_format, modeling_aen
from aen.export.base import Format
from aen.groups.grid import shape_of

FAST = {
    "onnx": ("dense, invariant head, scalar bias", "EquiNAS, mixed"),
    "pt2": ("G-CNN, D4, norm",),
    "safetensors": (),
    "hub": ("G-CNN, D4, norm",),
}
CASES = [
    pytest.param(to, name, marks=() if name in FAST[to] else pytest.mark.slow, id=f"{to}: {name}")
    for to in FAST
    for name in NAMES
]


def logits_of(to: str, path: Path, pixels: torch.Tensor) -> torch.Tensor:
    """Return what an export gives, loaded as its user would."""
    if to == "onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0])
    if to == "pt2":
        return torch.export.load(path).module()(pixels)
    # export() itself has run the folder's own copy of the loader in another process.
    assert (path / "modeling_aen.py").read_bytes() == Path(modeling_aen.__file__).read_bytes()
    network: nn.Module = modeling_aen.load(path)
    assert not network.training
    return network(pixels)


def contents_of(path: Path) -> list[bytes]:
    """Return the contents of the files of an export, unpacked."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    if path.suffix == ".pt2":
        with zipfile.ZipFile(path) as archive:
            return [archive.read(name) for name in archive.namelist()]
    return [file.read_bytes() for file in files]


@pytest.mark.parametrize(("to", "name"), CASES)
def test_an_export_computes_what_its_source_does(to, name, tmp_path):
    data = replace(DIGITS, train=40)
    child = child_of(name, data)
    if child.spec.grid != 8:  # no such images: then random ones are compared
        data = DataSpec(str(tmp_path / "wide.npz"), train=40, validation=20, test=10)
        images = np.random.default_rng(0).integers(0, 256, (70, *shape_of(child.spec.grid)), dtype=np.uint8)
        np.savez(tmp_path / "wide.npz", images=images, labels=np.arange(70) % 10)
        child = child_of(name, data)
    done = export(child, to, tmp_path / "out")
    assert done.difference <= 1e-5 * done.scale
    assert done.images == "10 validation images"
    images = load_dataset(data).validation.images[:13]
    p = preprocessing_of(data)
    pixels = (images * p.deviation + p.mean) * p.scale
    with torch.no_grad():
        close(logits_of(to, done.path, pixels), child(images), 1e-5)
    assert [file.name for file in tmp_path.iterdir() if ".part" in file.name] == []
    installed = str(Path(torch.__file__).parent).encode()
    assert not [content for content in contents_of(done.path) if installed in content]  # nobody's folders are told


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return saved_run(tmp_path_factory.mktemp("runs") / "mine", child_of("dense"))


def test_an_onnx_file_says_what_it_is_and_takes_any_batch(run, tmp_path):
    done = export(run, "onnx", tmp_path)
    assert done.path == tmp_path / "model.onnx"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]  # the weights are in it
    model = onnx.load(done.path)
    onnx.checker.check_model(model)
    assert {op.domain: op.version for op in model.opset_import}[""] == 18
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(facts["data"])["name"] == "digits"
    assert json.loads(facts["classes"]) == [str(i) for i in range(10)]
    assert (facts["aen"], facts["group"]) == (aen.__version__, child_of("dense").spec.group)
    for n in (1, 3, 50):
        assert logits_of("onnx", done.path, torch.zeros(n, 1, 8, 8)).shape == (n, 10)


def test_a_pt2_file_carries_the_same_facts(run, tmp_path):
    done = export(run, "pt2", tmp_path / "network.pt2")
    with zipfile.ZipFile(done.path) as archive:
        (classes,) = (name for name in archive.namelist() if name.endswith("/classes"))
        assert len(json.loads(archive.read(classes))) == 10
    held = {"classes": ""}
    network = torch.export.load(io.BytesIO(done.path.read_bytes()), extra_files=held).module()
    assert json.loads(held["classes"])[9] == "9"
    for n in (1, 3, 50):
        assert network(torch.zeros(n, 1, 8, 8)).shape == (n, 10)


def test_what_cannot_be_exported_is_named(run, tmp_path):
    with pytest.raises(ExportError, match=r"^unknown format 'onxx' \(did you mean 'onnx'\?\)\.$"):
        export(run, "onxx")
    with pytest.raises(
        ExportError, match=r"^unknown format 'torchscript' \(choose from: hub, onnx, pt2, safetensors\)"
    ):
        find_format("torchscript")
    with pytest.raises(RunFolderError, match=r"holds no winner \(there is no such folder\)"):
        export(tmp_path / "nothing", "pt2")
    (tmp_path / "running").mkdir()
    with pytest.raises(RunFolderError, match=r"holds no winner .*name the folder of a finished search"):
        export(tmp_path / "running", "pt2")
    assert list((tmp_path / "running").iterdir()) == []
    with pytest.raises(ExportError, match="a Linear cannot be exported; give a run folder or a child"):
        export(nn.Linear(1, 1), "pt2")
    with pytest.raises(ExportError, match=r"--out is .*w.safetensors, but --to hub makes a folder"):
        export(run, "hub", tmp_path / "w.safetensors")


def test_missing_packages_are_named():
    class Missing(Format):
        name, is_folder, file_name, packages = "onnx", False, "x", ("onnx", "no_such_package")
        write = run = how_to_load = None

    with pytest.raises(
        ExportError, match=r"needs no_such_package, which is not installed: pip install 'aen\[export\]'"
    ):
        Missing().check_installed()
    assert all(kind.check_installed() is None for kind in FORMATS.values())


def test_nothing_is_replaced_without_force_and_nothing_else_with_it(run, tmp_path):
    file, folder = tmp_path / "model.onnx", tmp_path / "hub"
    file.write_text("precious")
    with pytest.raises(
        ExportError, match=r"model.onnx exists; name another place with --out, or replace it with --force"
    ):
        export(run, "onnx", file)
    assert file.read_text() == "precious"
    export(run, "onnx", file, force=True)
    onnx.load(file)
    for to in ("onnx", "pt2"):
        other = tmp_path / "thesis.pdf"
        other.write_text("precious")
        with pytest.raises(ExportError, match=rf"thesis.pdf is not replaced: its name does not end in .{to}"):
            export(run, to, other, force=True)
        assert other.read_text() == "precious"
    other.unlink()
    (folder / "photos").mkdir(parents=True)
    with pytest.raises(ExportError, match=r"hub is not replaced: it holds photos"):
        export(run, "hub", folder, force=True)
    (folder / "photos").rmdir()
    (folder / "config.json").write_text("{}")
    export(run, "hub", folder, force=True)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "aen"
    with pytest.raises(ExportError, match=r"hub is a folder, but the export is a file|model.onnx is a file"):
        export(run, "hub", file, force=True)
    assert sorted(inner.name for inner in tmp_path.iterdir()) == ["hub", "model.onnx"]


def test_a_place_that_cannot_be_written(run, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    with (
        permissions_apply(),
        pytest.raises(ExportError, match=r"locked/x/model.onnx cannot be written: Permission denied; name a place"),
    ):
        export(run, "onnx", tmp_path / "locked" / "x" / "model.onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ExportError, match=r"file/model.onnx cannot be written: .*/file is a file, not a folder; name another"
    ):
        export(run, "onnx", tmp_path / "file" / "model.onnx")


@pytest.mark.parametrize("to", ["onnx", "pt2", "safetensors"])
def test_a_full_disk_leaves_nothing(run, tmp_path, to):
    with (
        files_no_longer_than(1000),
        pytest.raises(
            ExportError, match=r"new/out cannot be written: File too large; make room, or name another place"
        ),
    ):
        export(run, to, tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


class Wrong(DenseChild):
    """A child whose plain form computes something else."""

    def export(self):
        plain = super().export()
        with torch.no_grad():
            plain[-1].bias += 1e-3
        return plain


@pytest.mark.parametrize("to", ["onnx", "hub"])
def test_an_export_that_computes_something_else_is_not_kept(tmp_path, to):
    child = Wrong(replace(DENSE, data=DIGITS)).eval()
    with pytest.raises(ExportError, match=rf"the {to} export differs from its source by 0\.001 .*; nothing was kept"):
        export(child, to, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_network_without_finite_logits_is_refused(tmp_path):
    child = child_of("dense")
    with torch.no_grad():
        child.head.linear.bias.fill_(float("nan"))
    with pytest.raises(ExportError, match="logits that are infinite or no numbers"):
        export(child, "onnx", tmp_path / "out")
