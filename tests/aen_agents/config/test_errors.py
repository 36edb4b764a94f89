from pathlib import Path

import pytest

from aen.errors import ConfigError
from aen_agents.config import (
    load_config,
)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainning.epochs=3"], r"unknown key 'trainning' \(did you mean 'training'\?\)"),
        (["budget.childen=3"], r"unknown key 'budget.childen' \(did you mean 'children'\?\)"),
        (["budget.children=0"], "budget.children is 0: .*greater than 0"),
        (["seed=abc"], "seed is 'abc'"),
        (["selection.seeds=1"], "selection.seeds is 1"),
        (["agent=dqnn"], r"unknown agent 'dqnn' \(did you mean 'dqn'\?\)"),
        (["agent=exhaustiv"], r"unknown agent 'exhaustiv' \(did you mean 'exhaustive'\?\)"),
        (["agent=exhaustive", "agent.seed=3"], r"unknown key 'agent.seed' \(did you mean 'seeds'\?\)"),
        (
            ["agent=exhaustive", "agent.discount=1"],
            r"unknown key 'agent.discount' \(choose from: name, seeds, states\)",
        ),
        (["agent=exhaustive", "agent.seeds=0"], "agent.seeds is 0: .*greater than 0"),
        (["agent.discoun=0.5"], r"unknown key 'agent.discoun' \(did you mean 'discount'\?\)"),
        (["agent={name: exhaust}"], r"agent.name is 'exhaust', an unknown agent \(did you mean 'exhaustive'\?\)"),
        (["agent={name: [dqn]}"], r"agent.name is \['dqn'\], an unknown agent"),
        (
            ["agent=5"],
            "agent is 5; expected the name of an agent .dqn, .*, static. or a",
        ),
        (["agent=[1]"], r"agent is \[1\]; expected the name of an agent"),
        (["agent.layers=[0]"], "agent.layers.*: .*greater than 0"),
        (["agent.epsilon=[[0.5, 1]]"], "thresholds must start at 0"),
        (["agent.epsilon=[[0, 1], [3, 0.5], [2, 0.1]]"], "ascend"),
        (["evaluator=ray", "evaluator.gpus_per_worker=1.5"], "^.*: evaluator.gpus_per_worker is 1.5: .* 0.5, 1 or 2"),
        (["evaluator.device=tpu"], "evaluator.device is 'tpu'; use cpu, cuda or cuda:1"),
        (["data.moves=rot90"], r"data.moves is 'rot90'; give a list in brackets, such as \[rot90\]"),
        (["data=digits"], "data is 'digits'; expected a section with the keys name, train"),
        (["alphabet=5"], "alphabet is 5: .*published, quarter, signal, or a list of factors"),
        (["agent.target_update=odd"], "agent.target_update is 'odd'"),
        (["agent.learning_rate=.inf"], "agent.learning_rate is .inf"),
        (["child.kind=gcn"], r"child.kind is 'gcn', an unknown kind of child \(did you mean 'gcnn'\?\)"),
        (["child=5"], "child is 5; expected a section whose key kind is one of dense, gcnn"),
        (["child.hiden=[8]"], r"unknown key 'child.hiden' \(did you mean 'hidden'\?\)"),
        (["child.kind=gcnn", "child.hidden=[8]"], r"unknown key 'child.hidden' \(choose from: backend, "),
        (["child.kind=gcnn", "child.widths=even"], "child.widths is 'even'"),
        (["child.kind=gcnn", "child.dropout=1"], "child.dropout is 1: .*less than 1"),
        (["child.kind=gcnn", "alphabet=published"], "alphabet is for child.kind=dense, but child.kind is gcnn"),
        (["child.kind=gcnn", "generators={s: [[0]]}"], "generators is for child.kind=dense"),
        (
            ["child.kind=gcnn", "space.groups=bit"],
            r"space.groups is 'bit' \(did you mean 'bits'\?\): .*bits: rot90, vflip and hflip",
        ),
        (["child.kind=gcnn", "space.group=[C1]"], r"unknown key 'space.group' \(did you mean 'groups'\?\)"),
        (["child.kind=gcnn", "space.kernel_sizes=3"], "space.kernel_sizes is 3; give a list in brackets"),
        (["space.groups=[C1]"], "space is for child.kind=gcnn or equinas, but child.kind is dense; leave it out"),
        (["environment.reference=rot90"], "environment.reference is 'rot90', which is for child.kind=gcnn"),
        (["nonsense"], "not of the form key=value"),
        (["name=../escape"], "name is '../escape'"),
        (["name.x=1"], "'name' is a value, not a section"),
        (["seed=[1"], r"'\[1' cannot be read .* Close its brackets .* quote it: 'seed=\"\[1\"'"),
        (["agent.target_update=true"], "agent.target_update is true"),
        (["child.hidden=[8, '8']"], "child.hidden is '8': expected a whole number such as 10"),
        (["generators={a: [[1, true]]}"], "generators.a is true: expected a whole number"),
        (["evaluator.workers=true"], "evaluator.workers is true: expected a whole number"),
        (["debug=1"], "debug is 1: expected true or false"),
        (["name=null"], "name is null: expected text"),
    ],
)
def test_bad_overrides_are_named(config_file: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(config_file, overrides)
