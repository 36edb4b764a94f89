"""Monitoring of searches: writes and reads a log, a status file and TensorBoard scalars.

The writer, `aen_agents.monitoring.monitor`, is not imported here: it imports torch, which readers do not need.
"""

from aen_agents.monitoring.listing import find_runs
from aen_agents.monitoring.read_run import view_run
from aen_agents.monitoring.run_view import RunView
from aen_agents.monitoring.tables import runs_table, unread_lines, view_line, view_table

__all__ = ["RunView", "find_runs", "runs_table", "unread_lines", "view_line", "view_run", "view_table"]
