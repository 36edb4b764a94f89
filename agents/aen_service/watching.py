"""Submits a search to a service and shows it on the console as `aen search` shows one that runs here."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from rich.console import Console

from aen._typing import JsonDict
from aen.errors import ConfigError
from aen.results.search_result import SearchResult
from aen_agents import events
from aen_agents.cli.console import print_verdict
from aen_agents.cli.main import EXIT_INTERRUPTED
from aen_agents.cli.progress import ConsoleProgress
from aen_agents.cli.safe_console import output_console
from aen_agents.config import load_config
from aen_agents.config.overrides import parse_overrides
from aen_agents.config.yaml_file import parse_yaml
from aen_agents.text import command
from aen_service.client import Client, RemoteSearch, ServerEvent
from aen_service.errors import TOKEN_VARIABLE as TOKEN
from aen_service.errors import RemoteSearchError

_CHOSEN_THERE = ("store", "cluster", "evaluator")  # by the service, if the config does not name them


def search_on_server(url: str, token: str, config: str | None, overrides: Sequence[str], minutes: float | None) -> int:
    """Run `aen search CONFIG --server URL` and return the exit status.

    Args:
        url: of the service.
        token: an operator's.
        config: a YAML file of this machine, or a preset of the service.
        overrides: ``key=value``.
        minutes: time of the whole search, or None.

    Raises:
        AenError: the config cannot work, the service refuses it or cannot be reached, or the search fails there.
    """
    console = output_console(unfailing=True)
    if config is None:
        raise ConfigError(f"no config is given; give a YAML file or the name of a preset: {command()} search digits.")
    words = [*overrides, *([] if minutes is None else [f"budget.minutes={minutes!r}"])]
    with Client(url, token) as client:
        if Path(config).is_file():
            record = client.submit(config=_content(Path(config), words))
        else:
            changes = {override.key: override.value for override in parse_overrides(words)}
            record = client.submit(config.removesuffix(".yaml"), overrides=changes)
        page = f"{client.url}/searches/{record.id}"
        _say(console, f"aen: submitted {record.name!r}: {page}")
        try:
            ended = _watch(client, record, console)
        except KeyboardInterrupt:
            stop = f'curl -X POST -H "Authorization: Bearer ${TOKEN}" {shlex.quote(_api(client, record))}/stop'
            _say(console, f"no longer watched; the search goes on: {page}. To stop it: {stop}")
            return EXIT_INTERRUPTED
        return _conclude(client, ended, console, page)


def _content(file: Path, words: Sequence[str]) -> JsonDict:
    """Return the config of a file with its base and overrides, as the service takes it."""
    config = load_config(file, words)
    content: JsonDict = parse_yaml(config.to_yaml())
    default: JsonDict = parse_yaml(type(config)(name=config.name).to_yaml())
    return {name: value for name, value in content.items() if name not in _CHOSEN_THERE or value != default.get(name)}


def _watch(client: Client, record: RemoteSearch, console: Console) -> RemoteSearch:
    said = ""
    with ConsoleProgress(console) as progress:
        for event in client.events(record.id):
            if event.kind == "search":
                said = _say_state(console, event.data, said)
                continue
            known = event_of(event)
            if known is not None:
                progress(known)
    return client.get(record.id)


def _say_state(console: Console, search: JsonDict, said: str) -> str:
    position = search.get("position")
    state = f"{search.get('state')}" + (f", number {position} of the queue" if position else "")
    if state != said:
        _say(console, f"aen: {state}")
    return state


def event_of(event: ServerEvent) -> "events.Event | None":
    """Return the event of a search that a line of its log describes; None: this aen does not know it."""
    name = "".join(word.capitalize() for word in event.kind.split("_"))
    kind = getattr(events, name, None)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return None
    known = {field.name: event.data[field.name] for field in dataclasses.fields(kind) if field.name in event.data}
    try:
        made = cast("events.Event", kind(**known))
    except TypeError:  # a line of another version
        return None
    return made


def _conclude(client: Client, ended: RemoteSearch, console: Console, page: str) -> int:
    if ended.state == "complete":
        result = SearchResult.from_json(client.summary(ended.id))
        print_verdict(console, result, page)
        return 0
    if ended.state == "stopped":
        _say(console, f"stopped; all results so far are kept: {page}")
        return EXIT_INTERRUPTED
    raise RemoteSearchError(f"the search {ended.state}: {ended.message or 'no reason is known'} ({page})")


def _api(client: Client, record: RemoteSearch) -> str:
    return f"{client.url}/api/v1/searches/{record.id}"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
