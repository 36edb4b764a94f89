"""The model card of an export for the Hugging Face Hub."""

import json
import re
from importlib.metadata import version

from torch import nn

from aen._text import printable
from aen.export.facts import data_name, input_text
from aen.export.source import ExportSource
from aen.export.words import outputs_move, symmetry_in_words
from aen.results.accuracy import TestAccuracy, ValidationAccuracy
from aen.results.result_rows import MethodRow, TestedRow
from aen.results.search_result import SearchResult
from aen.results.verdict import Verdict

_SHOWN = 50  # classes that are listed
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>()#+!|&~$:-]")  # what may begin a mark, or make a link of an address
_USE = """```python
from modeling_aen import load  # in this folder; needs torch and safetensors

network = load()  # or load("FOLDER")
logits = network(pixels)
probabilities = logits.softmax(dim=1)
```
"""


def model_card(source: ExportSource, network: nn.Sequential) -> str:
    """Return the card: a YAML header, then data, symmetry, evidence, limits and how to load the network.

    Args:
        source: the network and what is known of it.
        network: its plain form.
    """
    words = symmetry_in_words(source.spec)
    parts = [
        _header(source),
        f"# {plain_text(data_name(source))}: {words}\n",
        _what_it_is(source, network),
        f"## How to use it\n\n{_USE}\n`pixels` are {input_text(source)}. Class names: `config.json`, `id2label`.\n",
        _data(source),
        f"## Symmetry\n\n{words[0].upper()}{words[1:]}. {outputs_move(source.spec)}".rstrip() + "\n",
        _evidence(source),
        _limits(source),
    ]
    return "\n".join(parts)


def plain_text(text: str) -> str:
    """Return other people's text, such as the name of a class, for Markdown, in which it shall mean itself alone."""
    return _MARKDOWN.sub(r"\\\g<0>", printable(text))


def _header(source: ExportSource) -> str:
    lines = [
        "---",
        "library_name: pytorch",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {tag}" for tag in ("image-classification", "equivariance", "aen")),
        "# license: name one before you publish this folder",
    ]
    found = _own_accuracies(source)
    if found:
        name = json.dumps(data_name(source))
        lines += [
            "model-index:",
            f"- name: {json.dumps(f'aen {data_name(source)} {source.spec.group}')}",
            "  results:",
            "  - task:",
            "      type: image-classification",
            "    dataset:",
            f"      type: {name}",
            f"      name: {name}",
            "    metrics:",
        ]
        for part, value in found.items():
            lines += ["    - type: accuracy", f"      name: {part} accuracy", f"      value: {value:.4f}"]
    return "\n".join([*lines, "---\n"])


def _verdict(source: ExportSource) -> tuple[SearchResult, Verdict] | None:
    result = source.result
    return None if result is None or result.verdict is None else (result, result.verdict)


def _own_accuracies(source: ExportSource) -> dict[str, float]:
    """Return the accuracies of this very network, one of the seeds of the winner; none if they are not known."""
    found = _verdict(source)
    if found is None or source.which == "trained":
        return {}
    result, verdict = found
    winner = verdict.winner
    seeds = winner.seeds if isinstance(winner, MethodRow) else result.selection_seeds
    if isinstance(winner, MethodRow):
        places = [i for i, key in enumerate(winner.keys) if key == source.spec.key]
    else:
        places = [i for i, seed in enumerate(seeds) if seed == source.spec.seed]
    if not places or len(winner.validation.by_seed) != len(seeds):
        return {}
    place = places[0]
    return {"validation": winner.validation.by_seed[place], "test": winner.test.by_seed[place]}


def _what_it_is(source: ExportSource, network: nn.Sequential) -> str:
    spec = source.spec
    written = sum(parameter.numel() for parameter in network.parameters())
    free = source.child.parameter_count()
    return (
        f"An image classifier. aen {version('aen')} chose the symmetry of its layers for the data: "
        f"{symmetry_in_words(spec)}. The network (`{spec.kind}`) has "
        f"{free:,} free parameters; here they are written out as {written:,} weights of plain `torch.nn` layers, and "
        "the pixels are standardised before them.\n"
    )


def _data(source: ExportSource) -> str:
    data, names = source.spec.data, source.class_names
    named = plain_text(data_name(source))
    moved = f" Each image was moved once at random by {', '.join(data.moves)}." if data.moves else ""
    listed = ", ".join(f"{i} {plain_text(name)}" if name != str(i) else name for i, name in enumerate(names[:_SHOWN]))
    more = ", ..." if len(names) > _SHOWN else ""
    p = source.preprocessing
    return (
        f"## Data\n\n{named}: {data.train:,} training, {data.validation:,} validation and {data.test:,} "
        f"test images.{moved} A pixel p becomes (p / {p.scale:g} - {p.mean:.6g}) / {p.deviation:.6g}.\n\n"
        f"{len(names)} classes: {listed}{more}.\n"
    )


def _evidence(source: ExportSource) -> str:
    found = _verdict(source)
    if found is None:
        return "## Evidence\n\nNo finished search is known of this network, so its accuracy is not stated.\n"
    result, verdict = found
    winner, baseline = verdict.winner, verdict.baseline
    count = len(winner.validation.by_seed)
    how = (
        f"The search chose among {result.classes:,} networks on validation images. The winner and the network without "
        f"a symmetry were trained on {count} fresh seed{'s' * (count > 1)}; the test images were read once. Means with "
        "95 % intervals over the seeds:\n"
    )
    lines = [
        "## Evidence\n",
        how,
        "| network | validation accuracy | test accuracy | free parameters |",
        "|---|---|---|---|",
        _row("winner", winner),
        *([] if winner.class_key == baseline.class_key else [_row(result.baseline_name, baseline)]),
        "",
    ]
    if winner.class_key == baseline.class_key:
        lines.append("No symmetry that was tried is better on validation than none.\n")
    else:
        gain = verdict.winner_minus_baseline.test
        low, high = gain.interval
        lines.append(
            f"Winner minus {result.baseline_name} on the test images: {100 * gain.mean:+.1f} points (95 % interval "
            f"{100 * low:+.1f} to {100 * high:+.1f})"
            f"{'' if gain.better or gain.worse else ', which is compatible with no difference'}.\n"
        )
    own = _own_accuracies(source)
    if own:
        lines.append(
            f"This network is the seed with the highest validation accuracy: {own['validation']:.1%} on validation, "
            f"{own['test']:.1%} on test images.\n"
        )
    if source.which == "trained":
        lines.append(
            "This network was trained again for longer (`aen train`); the figures above are those of the search's "
            "own trainings.\n"
        )
    return "\n".join(lines)


def _row(name: str, row: TestedRow) -> str:
    return f"| {name} | {_figure(row.validation)} | {_figure(row.test)} | {row.parameters:,} |"


def _figure(accuracy: ValidationAccuracy | TestAccuracy) -> str:
    low, high = accuracy.interval
    return f"{accuracy.mean:.1%} ({low:.1%} to {high:.1%})"


def _limits(source: ExportSource) -> str:
    size = "x".join(map(str, source.pixels.shape[2:]))
    return (
        "## Limits\n\n"
        f"- Images must be {size} pixels, prepared as those of the data set; other sizes are refused or give other "
        "results.\n"
        "- The intervals are over initial weights on one data set. Images from elsewhere can be classified worse.\n"
        "- Probabilities are not calibrated.\n"
        "- A symmetry that helps on this data need not help on other data.\n"
    )
