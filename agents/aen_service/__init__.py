"""The search service: searches over HTTP, a page, and rewards for agents on other machines.

It needs the extra ``service``: ``pip install 'aen[service]'``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aen_service.client import Client
    from aen_service.rewards.remote import RemoteEvaluator

__all__ = ["Client", "RemoteEvaluator"]

# Imported when they are used: `aen --help` needs none of them.
_MODULES = {"Client": "aen_service.client", "RemoteEvaluator": "aen_service.rewards.remote"}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
