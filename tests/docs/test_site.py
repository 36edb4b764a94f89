"""The documentation as a site."""

import os
import re
import subprocess
import sys
from pathlib import Path

from helpers.code_blocks import ROOT


def test_site_is_built_without_warnings(tmp_path: Path) -> None:
    # --strict: a broken link, a page that the navigation leaves out or a name that the API lacks is an error.
    program = Path(sys.executable).with_name("mkdocs")
    done = subprocess.run(
        [program, "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "https://fonts" not in home  # the site needs nothing from another host
    assert 'id="aen.nn.SymmetrizedLinear"' in (tmp_path / "api" / "nn.html").read_text(encoding="utf-8")


def test_pictures_are_those_of_the_code(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; sys.path.insert(0, 'docs'); import make_figures\n"
        f"make_figures.IMAGES = pathlib.Path({str(tmp_path)!r}); make_figures.main()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    for name in ("moves.svg", "orbits.svg"):
        drawn, kept = (
            re.findall(r">([^<>]+)</t", (folder / name).read_text()) for folder in (tmp_path, ROOT / "docs" / "images")
        )
        assert drawn == kept != []
