"""The search service: searches over HTTP, a page, and rewards for agents on other machines.

It needs the extra ``service``: ``pip install 'aen[service]'``.
"""
