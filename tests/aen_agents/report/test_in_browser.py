"""Reports as Chromium shows them: on desktops and phones, in light and dark mode."""

from itertools import pairwise
from pathlib import Path

import pytest
from helpers.browser import measure

from aen._typing import JsonDict
from aen_agents.runs.folder import RunFolder

PHONE, DESKTOP = 390, 1280
LEAST_LETTER = 10  # pixels
LEAST_CONTRAST = 4.5  # of text, by the Web Content Accessibility Guidelines, level AA
LEAST_CONTRAST_OF_SHAPES = 3.0

_READ = """
const shown = element => element.getClientRects().length > 0 && !element.closest('details:not([open]) > :not(summary)');
const channels = text => text.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (a, b) => { const [x, y] = [luminance(channels(a)), luminance(channels(b))];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05) };
const style = element => window.getComputedStyle(element);
const background = element => { for (; element; element = element.parentElement) {
  const colour = style(element).backgroundColor; if (channels(colour)[3] !== 0) return colour }
  return style(document.documentElement).backgroundColor };
"""
_LAYOUT = (
    _READ
    + """
const page = document.documentElement;
const letters = [...document.querySelectorAll('svg text')].filter(shown).map(text => {
  const svg = text.ownerSVGElement;
  return {text: text.textContent, size: parseFloat(style(text).fontSize) * svg.getScreenCTM().a}});
const texts = [...document.querySelectorAll('h1, h2, h3, p, th, td, summary, figcaption')].filter(shown);
const right = element => element.getBoundingClientRect().right;
const over = texts.filter(text => !text.closest('.scroll') && right(text) > window.innerWidth + 1);
const cut = [...document.querySelectorAll('svg')].filter(shown).flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 2 || own.right > box.right + 2 }).map(text => text.textContent) });
return {
  scroll: page.scrollWidth, inner: window.innerWidth, letters, cut, over: over.map(text => text.textContent),
  smallest: Math.min(...texts.map(text => parseFloat(style(text).fontSize))),
  pictures: [...document.querySelectorAll('svg')].filter(shown).length,
  broken: [...document.images].filter(image => !image.complete || !image.naturalWidth).length,
  loaded: window.performance.getEntriesByType('resource').map(entry => entry.name)
    .filter(name => !name.startsWith('data:')),
  boxes: [...document.querySelectorAll('.scroll')].filter(shown)
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => ({overflow: style(box).overflowX, focusable: box.tabIndex, name: box.getAttribute('aria-label')})),
}"""
)
_COLOURS = (
    _READ
    + """
const kinds = 'h1, h2, h3, p, span, td, th, summary, figcaption, code, pre';
const texts = [...document.querySelectorAll(kinds)].filter(shown);
const letters = [...document.querySelectorAll('svg text')].filter(shown);
const page = style(document.body).backgroundColor;
return {
  page, dark: luminance(channels(page)) < 0.2,
  text: texts.map(text => [contrast(style(text).color, background(text)), text.textContent.slice(0, 40)]),
  letters: letters.map(text => [contrast(style(text).fill, page), text.textContent]),
  variables: ['accent', 'grey', 'warm', 'ink'].map(name => {
    const probe = document.createElement('i');
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    return [contrast(style(probe).color, page), name] }),
}"""
)
_STRUCTURE = """
const headings = [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(heading => +heading.tagName[1]);
return {
  headings, language: document.documentElement.lang, title: document.title,
  images: [...document.images].filter(image => !image.alt).length,
  unnamed: [...document.querySelectorAll('svg')].filter(svg => svg.getAttribute('role') !== 'img'
    || !svg.querySelector(':scope > title')?.textContent).length,
  figures: document.querySelectorAll('.figure.wide').length,
  tables: document.querySelectorAll('.figure.narrow + details table').length,
  empty: [...document.querySelectorAll('.figure.narrow + details tbody')].filter(body => !body.rows.length).length,
  heads: [...document.querySelectorAll('table')].filter(table => !table.querySelector('th[scope]')).length,
  scripts: document.scripts.length,
  repeated: [...document.querySelectorAll('[id]')].map(element => element.id)
    .filter((id, place, ids) => ids.indexOf(id) !== place),
  missing: [...document.querySelectorAll('use')].map(use => use.getAttribute('xlink:href') || use.getAttribute('href'))
    .filter(address => !document.querySelector(address)).length,
}"""

Run = tuple[RunFolder, JsonDict]


@pytest.fixture(params=["finished", "exhausted"])
def report(request: pytest.FixtureRequest) -> Path:
    folder, _ = request.getfixturevalue(request.param)
    assert isinstance(folder, RunFolder)
    return folder.report_file


@pytest.mark.parametrize("width", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_cut_or_too_small_to_read(report: Path, width: int) -> None:
    found = measure(report, _LAYOUT, width=width)
    assert found["inner"] == width
    assert found["loaded"] == []
    assert found["broken"] == 0
    assert found["scroll"] <= width
    assert found["over"] == []
    assert found["cut"] == []
    assert found["pictures"] >= 5
    assert found["smallest"] >= 12
    assert [letter for letter in found["letters"] if letter["size"] < LEAST_LETTER] == []
    assert len(found["letters"]) > 50
    for box in found["boxes"]:  # wide tables scroll in boxes of their own, also by the keyboard
        assert box["overflow"] == "auto"
        assert box["focusable"] == 0
        assert box["name"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_pictures_stand_out_from_the_page(finished: Run, scheme: str) -> None:
    found = measure(finished[0].report_file, _COLOURS, width=DESKTOP, scheme=scheme)
    assert found["dark"] is (scheme == "dark")
    assert [pair for pair in found["text"] if pair[0] < LEAST_CONTRAST] == []
    assert [pair for pair in found["letters"] if pair[0] < LEAST_CONTRAST_OF_SHAPES] == []
    assert [pair for pair in found["variables"] if pair[0] < LEAST_CONTRAST_OF_SHAPES] == []
    assert len(found["text"]) > 50


def test_the_page_is_accessible(finished: Run) -> None:
    found = measure(finished[0].report_file, _STRUCTURE, width=DESKTOP)
    headings = found["headings"]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))
    assert found["language"] == "en"
    assert found["title"]
    assert found["images"] == found["unnamed"] == found["heads"] == found["scripts"] == 0
    assert found["figures"] == found["tables"] >= 5
    assert found["empty"] == found["missing"] == 0
    assert found["repeated"] == []
