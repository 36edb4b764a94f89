"""The search service: searches over HTTP, a page, and rewards for agents on other machines.

It needs the extra ``service``: ``pip install 'aen[service]'``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aen_service.rewards.remote import RemoteEvaluator

__all__ = ["RemoteEvaluator"]


def __getattr__(name: str) -> object:
    """Import `RemoteEvaluator` when it is first used: httpx takes a tenth of a second, which `aen --help` has not."""
    if name == "RemoteEvaluator":
        from aen_service.rewards.remote import RemoteEvaluator

        return RemoteEvaluator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
