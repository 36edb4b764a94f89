"""What a search leaves for those who watch it: a log, a status file, TensorBoard scalars, and how they are read.

`aen_agents.monitoring.monitor` has the side that writes: it knows evaluators, so it imports torch, and readers need not.
"""

from aen_agents.monitoring.listing import find_runs
from aen_agents.monitoring.read_run import view_run
from aen_agents.monitoring.run_view import RunView
from aen_agents.monitoring.tables import runs_table, unread_lines, view_line, view_table

__all__ = ["RunView", "find_runs", "runs_table", "unread_lines", "view_line", "view_run", "view_table"]
