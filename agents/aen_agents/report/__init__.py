"""The report of a run: one self-contained HTML page."""

from aen_agents.report.build import build_report

__all__ = ["build_report"]
