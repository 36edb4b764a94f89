"""Writes the training curves of a DQN (loss, epsilon) for TensorBoard."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter

from aen_agents.monitoring.tensorboard import ScalarFile


class RunEvents(KVWriter):
    """A writer for SB3's logger that keeps the curves of a resumed run free of duplicate points.

    A point that cannot be written (a full disk) is left out. SB3's own writer would print a traceback from
    TensorBoard's thread.

    Args:
        folder: of the event files; those of earlier starts stay in it.
        step: the next step; points of earlier starts from it on are discarded. None: there are no earlier points.
    """

    def __init__(self, folder: Path, step: int | None) -> None:
        self._file = ScalarFile(folder, step)

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Write the values of one step."""
        points = {
            key: float(value)
            for key, value in sorted(key_values.items())
            if "tensorboard" not in (key_excluded.get(key) or ()) and isinstance(value, int | float | np.number)
        }
        with suppress(OSError):
            self._file.add(step, points)

    def close(self) -> None:
        """Do nothing: the file is closed after each point."""
