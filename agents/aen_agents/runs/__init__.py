"""Run folders: their files, their history, and whether a run may be resumed."""
