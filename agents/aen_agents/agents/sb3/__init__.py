"""Algorithms of Stable-Baselines3 and sb3-contrib as agents: one explorer, a section of the config for each."""
