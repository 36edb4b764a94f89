"""Methods that give each layer a group of its own: EquiNAS_E, EquiNAS_D and what they are measured by."""
