"""Sweeps: many searches over seeds, agents and any config key, run by Ray Tune. Ray is imported only to run one."""
