"""The `aen` command: one module for each subcommand."""
