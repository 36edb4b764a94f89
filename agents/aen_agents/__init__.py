"""Agents, evaluators on Ray, launchers, the `aen` command and reports."""
