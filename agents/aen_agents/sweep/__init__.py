"""Sweeps: many searches over seeds, agents and any config key, on Ray Tune. Ray is imported only where one runs."""
