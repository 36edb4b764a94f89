"""Contents of summary.json of every kind, and the check against its schema."""

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

from aen.results.search_result import SearchResult

VALIDATION = {
    "validation_accuracy_mean": 0.75,
    "validation_accuracy_interval": [0.7, 0.8],
    "validation_accuracies": [0.7, 0.8],
}
TEST = {"test_accuracy_mean": 0.65, "test_accuracy_interval": [0.6, 0.7], "test_accuracies": [0.6, 0.7]}
LOST = {"validation_accuracy_mean": -0.1, "validation_accuracy_interval": [-0.2, -0.05], "better_on_validation": False}
GAIN = {"validation_accuracy_mean": 0.1, "validation_accuracy_interval": [0.05, 0.2], "better_on_validation": True}
GAINS = GAIN | {"test_accuracy_mean": 0.1, "test_accuracy_interval": [-0.05, 0.2], "better_on_test": False}
HEAD = {
    "version": 3,
    "status": "complete",
    "name": "digits",
    "agent": "dqn",
    "seed": 0,
    "selection_seeds": [1_000_000, 1_000_001],
    "states": 4,
    "classes": 3,
    "baseline_name": "untied",
    "closed_sets": {"a": 0, "b": 3},
    "provenance": {
        "aen": "0.1.0",
        "torch": "2.13.0",
        "python": "3.11",
        "machine": "Linux",
        "processor": "x86",
        "cores": 2,
        "device": "cpu",
        "threads": 1,
        "workers": 1,
        "population": 1,
    },
}
EXPLORED = {"steps": 9, "states_visited": 4, "classes_visited": 3, "stopped_because": "every class is known"}
END = {
    "children_trained": 3,
    "children_trained_in_all": 7,
    "seconds": {"explore": 1.5, "total": 2.5, "in_all": 9.5},
    "notices": ["a notice"],
}


def row(key, **more):
    return {"decomposition": f"d {key}", "group": "C4", "class_key": key, "parameters": 12} | VALIDATION | more


def of_space(key, rank, **more):
    return row(key, rank=rank, representative=3, states=2, orbits=[4, 5], **more)


def of_method(name, **more):
    seeds = {
        "seeds": [0, 1],
        "keys": ["k", None],
        "layer_groups": [["D4", "C1"], None],
        "parameters_of_seeds": [12, 0],
        "epochs": [2.0, 0.0],
    }
    head = {"method": name, "title": name.upper(), "decomposition": name, "group": "D4", "class_key": name}
    return head | {"parameters": 12} | seeds | VALIDATION | TEST | {"minus_no_symmetry": GAINS} | more


FACTORS = {
    "children": 4,
    "degrees_of_freedom": 0,
    "explained": 0.9,
    "residual": None,
    "reference": {"group": "C1", "size": "x1"},
    "effects": [
        {"factor": "group", "level": "D4", "children": 2, "effect": 0.1, "interval": [None, None], "entangled": []},
        {"factor": "size", "level": "x2", "children": 1, "effect": None, "interval": None, "entangled": ["group D4"]},
    ],
    "shares": [{"factor": "group", "share": 0.4, "interval": [0.1, 0.5], "left_out": 0.2}],
}
CHILD = {"data": {"name": "digits"}, "classes": 10, "training": {"epochs": 2}, "seed": 1_000_000, "kind": "dense"}
STATEMENT = {"verdict": {"kind": "symmetry", "text": "One. Two.", "sentences": ["One.", "Two."]}}
DIFFERENCE = {"mean": 0.1, "interval": [None, 0.2], "share_of_images": 0.25}
COMPARED = {"parameters": 12, "best_minus_it": DIFFERENCE, "minus_no_symmetry": DIFFERENCE, "not_told_from_best": True}
INFERENCE = {
    "confidence": 0.95,
    "networks": [{"decomposition": "d a", "class_key": "a"} | COMPARED],
    "pairs": 0,
    "seeds": [1_000_000, 1_000_001],
    "left_out": ["seed 3"],
    "validation_images": 120,
    "test_images": 120,
    "factors": {"seeds": None, "images": 2.5},
    "smallest_equal": "a",
    "gain": DIFFERENCE,
    "built_in_minus_augmentation": DIFFERENCE,
}
EFFECTS = {"effects": [{"name": "hflip", "networks": 2, "effect": 0.1, "interval": [-0.1, 0.3]}]}
TESTED = {"factor": "hflip", "factors": ["hflip"], "statistic": 0.1, "z": -0.5, "p": 0.5, "p_corrected": 1.0}
SYMMETRY_TEST = {
    "sentence": "The images themselves look the same after horizontal flips.",
    "rows": [TESTED | {"rejected": False}],
    "grid": [8, 8],
    "images": 120,
    "classes": 10,
    "left_out": [3],
    "skipped": {"rot90": "it needs squares"},
    "level": 0.05,
    "correction": "holm",
    "permutations": 999,
    "seed": 0,
}
HIDDEN = row("b", is_winner=False, winner_has_its_group=True, rank=2, ranked=3, rank_in_search=None)
VERDICT = {
    "hidden_group": HIDDEN | {"winner_minus_it": LOST},
    "winner": row("a", **TEST, spec=CHILD),
    "baseline": row("c", failed_seeds=[1_000_001]) | TEST,
    "winner_minus_baseline": GAINS,
    "selection": [row("a"), row("c", failed_seeds=[1_000_001])],
}
SPACE = {
    "seeds": [0, 1],
    "classes": [of_space("a", 1, best_minus_it=LOST), of_space("b", 2, best_minus_it=GAIN)],
    "not_separated_from_best": 1,
    "hidden_group": of_space("b", 2, best_minus_it=GAIN),
}
ONE_SEED = {"seeds": [0], "classes": [of_space("a", 1)], "hidden_group": None}
METHODS = {
    "methods": [of_method("e"), of_method("static_c1", minus_no_symmetry=GAINS)],
    "winner": of_method("e", spec=CHILD | {"kind": "equinas"}),
    "baseline": of_method("static_c1"),
    "winner_minus_baseline": GAINS,
    "selection": [of_method("e"), of_method("static_c1", minus_no_symmetry=GAINS)],
}
INTERRUPTED = HEAD | {"status": "interrupted"}
FOUND = {"symmetry_test": SYMMETRY_TEST, "factors": FACTORS} | EFFECTS | STATEMENT
WITHOUT_HIDDEN = {name: part for name, part in VERDICT.items() if name != "hidden_group"}
OF_RIVAL = {
    "decomposition": "d a",
    "group": "C1",
    "class_key": "r",
    "parameters": 12,
    "rival": "augmentation",
} | VALIDATION
RIVAL_WINS = {
    "winner": OF_RIVAL | TEST | {"spec": CHILD},
    "selection": [OF_RIVAL, *VERDICT["selection"]],
}
SUMMARIES = {
    "classes": HEAD | FOUND | VERDICT | {"inference": INFERENCE} | EXPLORED | END,
    "no hidden group": HEAD | STATEMENT | WITHOUT_HIDDEN | EXPLORED | END,
    "augmentation wins": HEAD | STATEMENT | VERDICT | RIVAL_WINS | EXPLORED | END,
    "whole space": HEAD | {"agent": "exhaustive"} | STATEMENT | VERDICT | EXPLORED | {"space": SPACE} | END,
    "one seed": HEAD | STATEMENT | VERDICT | EXPLORED | {"space": ONE_SEED} | END,
    "methods": HEAD | STATEMENT | METHODS | EXPLORED | END,
    "interrupted": INTERRUPTED
    | {"symmetry_test": SYMMETRY_TEST}
    | EFFECTS
    | EXPLORED
    | {"stopped_because": None}
    | END,
    "interrupted at once": INTERRUPTED | END | {"seconds": {"total": 0.5}},
}
SCHEMA = Path(__file__).parents[2] / "docs" / "summary.schema.json"


@cache
def validator():
    """Return what validates by the schema, which is checked itself."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def schema_errors(summary):
    """Return what is wrong with a summary by its schema, a line each."""
    return [f"{error.json_path}: {error.message}" for error in validator().iter_errors(summary)]


def check_summary(folder):
    """Check the summary of a run folder: it has the form of the schema, and is the same when read and written again."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert schema_errors(summary) == []
    found = {key: value for key, value in summary.items() if key not in {"run_id", "sha256"}}
    assert SearchResult.from_json(found).to_json() == found
