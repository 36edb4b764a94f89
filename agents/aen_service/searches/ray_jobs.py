"""Runs each search as a job of a Ray cluster, by Ray's own REST API for jobs; the children are trained there, too.

The job runs on the head of the cluster. It reads its config and writes its run folder below the root of the service,
which has to be on a file system that the head shares, under the same path.
"""

import os
import shlex
from http import HTTPStatus
from urllib.parse import quote, urlsplit

import httpx

from aen._files import make_folder
from aen._secrets import remember_secret
from aen_agents.errors import file_error
from aen_agents.evaluators.ray import auth
from aen_agents.evaluators.ray.ownership import is_own_cluster
from aen_agents.evaluators.ray.probe import ClusterEndpoint
from aen_service.errors import ServiceStartError, UnavailableError
from aen_service.searches.launcher import (
    OUTPUT_FILE,
    PROCESS_FILE,
    Launcher,
    Started,
    command_of,
    search_folder,
)
from aen_service.searches.process_file import Attempt, HeldError, open_locked
from aen_service.searches.records import SearchRecord
from aen_service.settings import Settings

DASHBOARD_PORT = 8265
_SECONDS = 10.0  # that an answer of the cluster may take
_REFUSED = {401, 403}
_ALIVE = {"PENDING", "RUNNING"}


class RayJobLauncher(Launcher):
    """Runs each search as a job of a Ray cluster.

    Args:
        settings: of the service.

    Raises:
        ServiceStartError: there is no job server at the address, or it refuses this service.
        AuthError: $RAY_AUTH_MODE has an unknown value, or a token's file cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._address, token = _check_address(settings.ray or "")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=self._address, headers=headers, timeout=_SECONDS)

    def start(self, record: SearchRecord) -> Started:
        """Submit the job; its output goes to the same file as that of a process."""
        folder, name = search_folder(self._settings, record.id), record.job or record.id
        self._ask("GET", "/api/version")  # while the cluster is away the search waits
        try:
            make_folder(folder)
            with (folder / OUTPUT_FILE).open("ab") as output:
                os.close(open_locked(folder / PROCESS_FILE, Attempt(record.starts, output.tell())))
        except HeldError:
            return Started(job=name)
        except OSError as error:
            raise UnavailableError(str(file_error(folder, error, "Make room or repair it."))) from error
        words = ["python", "-P", "-m", "aen_service.searches.process", str(folder / PROCESS_FILE)]
        words += [*command_of(self._settings, record), *(["evaluator=ray"] if record.request is not None else [])]
        job = {
            "submission_id": name,
            "entrypoint": f"{shlex.join(words)} >> {shlex.quote(str(folder / OUTPUT_FILE))} 2>&1",
            "runtime_env": {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": f"{self._settings.limits.stop_seconds:.0f}"}},
            "metadata": {"aen_search": record.id, "name": record.name},
        }
        try:
            answer = self._http.post("/api/jobs/", json=job)
        except httpx.HTTPError:
            return Started(job=name)  # the cluster may have taken it all the same; `find` sees whether it has
        if not answer.is_success:
            raise UnavailableError(f"Ray at {self._address} does not take the job: {_short(answer.text)}")
        return Started(job=name)

    def find(self, record: SearchRecord) -> Started | None:
        """Return the job, if it waits or runs."""
        answer = None if record.job is None else self._ask("GET", f"/api/jobs/{quote(record.job)}")
        if answer is None or answer.json().get("status") not in _ALIVE:
            return None
        return Started(job=record.job)

    def stop(self, record: SearchRecord, *, kill: bool = False) -> bool:
        """Have Ray send SIGTERM to the job, which ends as at Ctrl-C; Ray kills it if it does not."""
        del kill
        if self.find(record) is None:
            return False
        return self._ask("POST", f"/api/jobs/{quote(str(record.job))}/stop") is not None

    def attempt(self, record: SearchRecord) -> Attempt | None:
        """Return what the process file says."""
        return Attempt.read(search_folder(self._settings, record.id) / PROCESS_FILE)

    def why(self, record: SearchRecord) -> str:
        """Return what Ray says of the job."""
        answer = None if record.job is None else self._ask("GET", f"/api/jobs/{quote(record.job)}")
        return "Ray does not know the job any more" if answer is None else _short(answer.json().get("message") or "")

    def close(self) -> None:
        """Close the connections to the cluster."""
        self._http.close()

    def _ask(self, method: str, path: str) -> httpx.Response | None:
        """Return the cluster's answer; None: it has no such job.

        Raises:
            UnavailableError: it does not answer.
        """
        try:
            answer = self._http.request(method, path)
        except httpx.HTTPError as error:
            said = f"cannot connect to Ray at {self._address} ({_reason(error)}); searches on it may be running."
            raise UnavailableError(said) from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if not answer.is_success:
            raise UnavailableError(f"Ray at {self._address} answers {answer.status_code}: {_short(answer.text)}")
        return answer


def _check_address(address: str) -> tuple[str, str | None]:
    """Return the address of a job server that accepts this service, and the token to send; see docs/scale.md."""
    given = f"--ray is {address!r}"
    remedy = f"give the address of the dashboard of a cluster, such as http://10.0.0.1:{DASHBOARD_PORT}"
    parts = urlsplit(address if "://" in address else f"http://{address}")
    try:
        host, port = parts.hostname, parts.port or DASHBOARD_PORT
    except ValueError:
        host, port = None, 0
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.path.strip("/"):
        raise ServiceStartError(f"{given}; {remedy}.")
    endpoint = ClusterEndpoint(host, port, client=False)
    url = f"{parts.scheme}://{endpoint}"
    mode, named = auth.mode(), auth.named_token()
    if named is None and mode != "disabled" and is_own_cluster(endpoint):
        named = auth.home_token()
    answer = _version(url, None, given)
    sent = None
    if answer.status_code in _REFUSED and named is not None and mode != "disabled":
        remember_secret(named.value)
        sent = named.value
        answer = _version(url, sent, given)
    if answer.status_code in _REFUSED:
        why = f"refuses the token of {named.source}" if sent and named else "requires a token, and none is named"
        raise ServiceStartError(
            f"{given}: the cluster {why}; name a file that contains the token of its head by $RAY_AUTH_TOKEN_PATH."
        )
    try:
        answer.json()["ray_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceStartError(f"{given}: the service on that port is not the dashboard of Ray; {remedy}.") from error
    return url, sent


def _version(url: str, token: str | None, given: str) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        return httpx.get(f"{url}/api/version", headers=headers, timeout=_SECONDS)
    except httpx.HTTPError as error:
        raise ServiceStartError(
            f"{given}: cannot connect to {url} ({_reason(error)}); start a cluster with its dashboard there (pip "
            "install 'ray[default]', ray start --head), or leave --ray out to run searches on this machine."
        ) from error


def _reason(error: httpx.HTTPError) -> str:
    return f"no answer within {_SECONDS:g} s" if isinstance(error, httpx.TimeoutException) else _short(str(error))


def _short(text: str) -> str:
    return " ".join(text.split())[:300]
