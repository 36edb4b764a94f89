"""The client of a service: a small typed interface to what it does over HTTP."""

from aen_service.client.client import Client
from aen_service.client.events import ServerEvent
from aen_service.client.models import Page, RemoteSearch

__all__ = ["Client", "Page", "RemoteSearch", "ServerEvent"]
