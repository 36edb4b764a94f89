"""Complete configs of earlier versions: what the keys that they lack stood for when they were written.

A run folder's ``config.yaml`` and ``run.json`` and a sweep's plan hold every key. Where a key was added whose default
is not what was done before, or a key changed its meaning, they are read with the former value, so that the run can be
resumed and its config runs again as it did.
"""

from aen._typing import JsonDict
from aen.data.find import is_npz

# The keys of a complete config of any version, save those that are left out on purpose (`store`).
_ALWAYS = ("name", "seed", "data", "alphabet", "generators", "child", "space", "training", "environment", "budget")
_AGENTS = ("equinas_e", "equinas_d")
_SELECTING_NONE = (*_AGENTS, "static")  # they have no selection stage


def with_former_values(content: JsonDict) -> JsonDict:
    """Return the content of a config with former values for what it lacks; one that is not complete as it is.

    Args:
        content: of a config; it is not changed.
    """
    agent = content.get("agent") if isinstance(content, dict) else None  # a damaged file may hold anything
    if not isinstance(agent, dict) or any(key not in content for key in _ALWAYS):
        return content
    data = content["data"]
    if isinstance(data, dict) and "split" not in data and is_npz(str(data.get("name", ""))):
        content = content | {"data": data | {"split": "random"}}
    selection = content.get("selection")
    if isinstance(selection, dict) and "rivals" not in selection and agent.get("name") not in _SELECTING_NONE:
        content = content | {"selection": selection | {"rivals": []}}
    if agent.get("name") not in _AGENTS or "steps" in agent or "baselines" not in agent:
        return content
    former: JsonDict = {"steps": "all"}
    if isinstance(agent.get("generations"), int):
        former["generations"] = agent["generations"] - 1  # the start counted as a generation
    return content | {"agent": agent | former}
