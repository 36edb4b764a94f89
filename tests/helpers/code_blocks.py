"""The code blocks of the pages of the documentation."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "envs" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of each block of a language."""
    content = page.read_text(encoding="utf-8")
    for block in re.finditer(r"^```(\w*)\n(.*?)^```$", content, re.DOTALL | re.MULTILINE):
        if block[1] == language:
            yield content[: block.start()].count("\n") + 1, block[2]


def commands(*pages: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the words of each `aen` command, without `aen`; `make train-agent` is one, too."""
    for page in pages:
        for line, text in blocks(page, "bash"):
            for command in text.replace("\\\n", " ").splitlines():
                place = f"{page.name}:{line}: {command.partition('#')[0].strip()}"
                if found := re.search(r"(?:^|[ /])aen (.+)", command):
                    yield place, shlex.split(found[1], comments=True)
                elif found := re.search(r"^make train-agent(.*)", command):
                    given = dict(word.split("=", 1) for word in shlex.split(found[1], comments=True))
                    yield place, ["search", given.get("CONFIG", "digits"), *shlex.split(given.get("ARGS", ""))]
