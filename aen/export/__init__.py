"""Exports of trained networks: files that run without aen, each checked against its source before it is kept."""

from aen.export.base import Format
from aen.export.exporting import Exported, export
from aen.export.formats import FORMATS, find_format
from aen.export.plain import plain_network

__all__ = ["FORMATS", "Exported", "Format", "export", "find_format", "plain_network"]
