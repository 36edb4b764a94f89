"""Names of children that neither the history nor the log has, such as those that were trained in advance."""

import json
from collections.abc import Sequence

from aen._reading import MALFORMED
from aen_service.reading.run import RunReader


def missing_names(reader: RunReader, keys: Sequence[str]) -> dict[str, str]:
    """Return the factors of some children by key, from their specs; the others have no entry.

    A spec is read as JSON: to build it torch would be imported, which takes seconds and much memory.
    """
    wanted = [key for key in keys if key]
    return (
        {key: name for key, text in reader.fetch("spec", wanted).items() if (name := _factors(text))} if wanted else {}
    )


def _factors(text: object) -> str:
    try:
        spec = json.loads(str(text))
        chosen = spec.get("decomposition")
        return " + ".join(str(factor) for factor in chosen) or "none" if isinstance(chosen, list) else ""
    except MALFORMED:
        return ""
