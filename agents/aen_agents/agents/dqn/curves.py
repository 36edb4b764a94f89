"""What a DQN learns by, as curves for TensorBoard."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter

from aen_agents.monitoring.tensorboard import ScalarFile


class RunEvents(KVWriter):
    """TensorBoard events of a run that goes on: what an earlier start told of later steps does not count.

    A point that cannot be written (a full disk) is left out. TensorBoard's own writer, which SB3 uses, has a thread
    that prints a traceback then.

    Args:
        folder: where they go, beside those of earlier starts.
        step: the next one; None: the first of all.
    """

    def __init__(self, folder: Path, step: int | None) -> None:
        self._file = ScalarFile(folder, step)

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Write what is known at a step."""
        points = {
            key: float(value)
            for key, value in sorted(key_values.items())
            if "tensorboard" not in (key_excluded.get(key) or ()) and isinstance(value, int | float | np.number)
        }
        with suppress(OSError):
            self._file.add(step, points)

    def close(self) -> None:
        """Do nothing: the file is closed after each point."""
