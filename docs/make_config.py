"""Writes docs/config.md, the keys of configs, from the models: ``python docs/make_config.py``."""

from pathlib import Path

from aen_agents.cli.keys import all_groups, as_page

if __name__ == "__main__":
    Path(__file__).with_name("config.md").write_text(as_page(all_groups(plugins=False)), encoding="utf-8")
