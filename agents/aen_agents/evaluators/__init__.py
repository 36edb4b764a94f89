"""Evaluators that need more than this machine, and which of all of them a config asks for."""
