"""Searches: what was submitted, in which state it is, and the processes that run it."""
