"""Methods that choose a group for each layer: EquiNAS_E, EquiNAS_D and their baselines."""
