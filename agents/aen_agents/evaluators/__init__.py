"""Evaluators that a configuration can name: the local one, and the one on Ray."""
