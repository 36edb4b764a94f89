"""What a search leaves for those who watch it: a log, a status file, TensorBoard scalars, and how they are read.

`aen_agents.watching.watch` has the side that writes: it knows evaluators, so it imports torch, and readers need not.
"""

from aen_agents.watching.listing import find_runs
from aen_agents.watching.tables import runs_table, unread_lines, view_line, view_table
from aen_agents.watching.view import RunView
from aen_agents.watching.views import view_run

__all__ = ["RunView", "find_runs", "runs_table", "unread_lines", "view_line", "view_run", "view_table"]
