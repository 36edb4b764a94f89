"""A sample of the failing file calls that `make torture` tries, in a process of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from torture.disk import recorder

SCRIPT = Path(__file__).with_name("io_faults.py")


def test_a_search_ends_in_words_or_goes_on_when_a_file_call_fails(tmp_path: Path) -> None:
    library = recorder(tmp_path)
    if isinstance(library, str):
        pytest.skip(library)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--count", "2", "--seed", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\(exhaustive\)\W+2 of 2\W+0\W", done.stdout), done.stdout
