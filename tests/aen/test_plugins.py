"""Plug-ins: found by entry points of installed packages, loaded one by one."""

import subprocess
import sys

import pytest
from helpers.plugins import install_package

from aen._plugins import load_plugin, load_plugins, plugin_names
from aen.errors import AenError, PluginError

GROUP = "aen.test_things"


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith("plugged_"):
            del sys.modules[name]


def test_a_registered_object_is_found_by_its_name(site):
    install_package(site, "nice", {GROUP: {"thing": "plugged_nice:THING"}}, {"plugged_nice": "THING = [1, 2]"})
    assert plugin_names(GROUP) == ["thing"]
    assert "plugged_nice" not in sys.modules
    assert load_plugin(GROUP, "thing") == [1, 2]
    assert load_plugin(GROUP, "thing") is load_plugin(GROUP, "thing")


def test_unknown_names_and_other_groups_give_nothing(site):
    install_package(site, "nice", {"aen.others": {"thing": "plugged_nice:THING"}}, {"plugged_nice": "THING = 1"})
    assert plugin_names(GROUP) == []
    assert load_plugin(GROUP, "thing") is None
    assert load_plugins(GROUP) == ({}, {})


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("plugged_absent:THING", "ModuleNotFoundError"),
        ("plugged_bad:THING", "ZeroDivisionError: division by zero"),
        ("plugged_leaves:THING", "SystemExit: 3"),
        ("plugged_good:ABSENT", "AttributeError: .*ABSENT"),
        ("not a place!", "cannot be loaded"),
    ],
)
def test_one_that_cannot_be_loaded_is_named_with_its_package_and_the_cause(site, value, cause):
    install_package(
        site,
        "bad-package",
        {GROUP: {"broken": value}},
        {"plugged_bad": "1 / 0", "plugged_leaves": "raise SystemExit(3)", "plugged_good": "THING = 1"},
    )
    with pytest.raises(PluginError, match=r"'broken = .*' of the package bad-package") as caught:
        load_plugin(GROUP, "broken")
    assert isinstance(caught.value, AenError)
    with pytest.raises(PluginError, match=cause):
        load_plugin(GROUP, "broken")
    with pytest.raises(PluginError, match="repair or uninstall bad-package"):
        load_plugin(GROUP, "broken")


def test_a_broken_one_does_not_affect_the_others(site):
    install_package(site, "bad", {GROUP: {"broken": "plugged_absent:THING"}})
    install_package(site, "nice", {GROUP: {"thing": "plugged_nice:THING"}}, {"plugged_nice": "THING = 1"})
    damaged = install_package(site, "damaged", {GROUP: {"lost": "plugged_nice:THING"}})
    (damaged / "entry_points.txt").write_bytes(b"\xff\xfe\x00 not text")
    assert plugin_names(GROUP) == ["broken", "thing"]
    assert load_plugin(GROUP, "thing") == 1
    found, broken = load_plugins(GROUP)
    assert found == {"thing": 1}
    assert list(broken) == ["broken"]
    assert "of the package bad" in str(broken["broken"])


def test_a_built_in_name_cannot_be_taken(site):
    install_package(
        site, "cuckoo", {GROUP: {"mine": "plugged_a:THING", "thing": "plugged_a:THING"}}, {"plugged_a": "THING = 1"}
    )
    assert plugin_names(GROUP, built_in={"mine"}) == ["thing"]
    found, broken = load_plugins(GROUP, built_in={"mine"})
    assert found == {"thing": 1}
    assert "built into aen" in str(broken["mine"])
    assert "rename it in cuckoo" in str(broken["mine"])


def test_two_packages_cannot_share_a_name(site):
    install_package(site, "first", {GROUP: {"thing": "plugged_a:THING"}}, {"plugged_a": "THING = 1"})
    install_package(site, "second", {GROUP: {"thing": "plugged_b:THING"}}, {"plugged_b": "THING = 2"})
    with pytest.raises(PluginError, match=r"more than once, by first \(plugged_a:THING\) and second \(plugged_b"):
        load_plugin(GROUP, "thing")


def test_a_second_copy_of_a_package_later_on_the_path_is_hidden(site, tmp_path, monkeypatch):
    install_package(site, "same-name", {GROUP: {"thing": "plugged_a:THING"}}, {"plugged_a": "THING = 1"})
    later = tmp_path / "later"
    install_package(later, "same_name", {GROUP: {"thing": "plugged_b:THING"}}, {"plugged_b": "THING = 2"})
    monkeypatch.setattr(sys, "path", [*sys.path, str(later)])
    assert load_plugin(GROUP, "thing") == 1


def test_importing_the_module_reads_no_metadata():
    code = """
import importlib.metadata, sys
importlib.metadata.distributions = lambda **_: sys.exit("read")
import aen._plugins
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
