"""Comparisons of agents on benchmark tables."""
