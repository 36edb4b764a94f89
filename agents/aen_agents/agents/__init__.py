"""The agents that search, a folder or a file each, and what they share: task, selection, final stage."""
