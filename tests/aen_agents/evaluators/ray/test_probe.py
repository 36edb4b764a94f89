"""Real heads, as `ray start --head` makes them, with a token and without: whom they let in, and what they are shown."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers.ray_trainers import until

from aen_agents.evaluators.ray.probe import ClusterEndpoint, probe

pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef" * 2
CONNECT = """
import json, os, sys
from aen.errors import AenError
from aen_agents.evaluators.ray.cluster import connect, disconnect, cluster_resources
for address in sys.argv[1:]:
    try:
        connect(address, 20)
        print(json.dumps([str(cluster_resources()), os.environ.get("RAY_AUTH_MODE")]), flush=True)
        disconnect()
    except AenError as error:
        print(json.dumps(str(error)), flush=True)
"""


def free_ports(count):
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def environment(home):
    """Of a user with that home folder, to whom nothing was said of tokens and clusters."""
    hidden = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    return {name: value for name, value in os.environ.items() if name not in hidden} | {"HOME": str(home)}


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """Home folders: with the token, with another one, with none."""
    folder = tmp_path_factory.mktemp("homes")
    for name, token in (("ours", TOKEN), ("other", "f" * 32), ("none", None)):
        (folder / name / ".ray").mkdir(parents=True)
        if token is not None:
            (folder / name / ".ray" / "auth_token").write_text(token)
    return folder


@pytest.fixture(scope="module", params=["ours", "none"])
def head(request, homes):
    """A head of a user with that home: it asks for the token that it found there. Both its addresses."""
    gcs, client = free_ports(2)
    folder = tempfile.mkdtemp(prefix="aen-", dir="/tmp")  # short: the names of its sockets are long
    command = [
        *(Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--include-dashboard=false"),
        *(f"--port={gcs}", f"--ray-client-server-port={client}", f"--temp-dir={folder}", "--disable-usage-stats"),
        *("--num-cpus=2", f"--object-store-memory={100 << 20}"),
    ]
    endpoints = [ClusterEndpoint("127.0.0.1", gcs, client=False), ClusterEndpoint("127.0.0.1", client, client=True)]

    def up():
        try:
            return {probe(endpoint, 1, TOKEN) for endpoint in endpoints} == {"ray"}
        except OSError:
            return False

    with (
        Path(folder, "out").open("w") as out,
        subprocess.Popen(command, stdout=out, stderr=out, env=environment(homes / request.param)) as process,
    ):
        try:
            until(up, seconds=60)
            yield request.param == "ours", [f"127.0.0.1:{gcs}", f"ray://127.0.0.1:{client}"]
        finally:
            process.terminate()
    shutil.rmtree(folder, ignore_errors=True)


def tried(home, addresses):
    """What came of connecting to each, in a process of its own, and what else that printed."""
    command = [sys.executable, "-W", "ignore", "-c", CONNECT, *addresses]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(home), timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_head_lets_in_whoever_has_its_token_and_it_is_shown_to_no_other(head, homes):
    asks, addresses = head
    for address in addresses:
        said, errors = tried(homes / "ours", [address])
        assert said == [["2 cores and 0 GPUs on 1 machine", "token" if asks else "disabled"]], errors
        assert "InvalidAuthToken" not in errors


def test_another_token_or_none_is_refused_in_one_line_by_a_head_that_asks(head, homes):
    asks, addresses = head
    if not asks:
        assert probe(ClusterEndpoint.parse(addresses[0]), 5, "f" * 32) == "ray"  # it does not care
        return
    for home, message in (("other", f"refuses the token of {homes}/other/.ray/auth_token"), ("none", "there is none")):
        said, errors = tried(homes / home, addresses)
        assert [message in each for each in said] == [True, True], said
        assert errors == ""
