"""JobServer: Ray's own REST API for jobs, at the address of a cluster's dashboard."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, urlsplit

import httpx

from aen._secrets import remember_secret
from aen_agents.evaluators.ray import auth
from aen_agents.evaluators.ray.ownership import is_own_cluster
from aen_agents.evaluators.ray.probe import ClusterEndpoint
from aen_service.errors import ServiceStartError, UnavailableError

DASHBOARD_PORT = 8265
_SECONDS = 10.0  # that an answer of the cluster may take
_REFUSED = {401, 403}
_ALIVE = {"PENDING", "RUNNING"}


class JobServer:
    """Submits jobs to a Ray cluster, and tells whether they run. Thread-safe.

    Args:
        address: of the cluster's dashboard.

    Raises:
        ServiceStartError: there is no job server at the address, or it refuses this service.
        AuthError: $RAY_AUTH_MODE has an unknown value, or a token's file cannot be read.
    """

    def __init__(self, address: str) -> None:
        self.address, token = _check_address(address)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=self.address, headers=headers, timeout=_SECONDS)

    def check(self) -> None:
        """Check that the cluster answers.

        Raises:
            UnavailableError: it does not.
        """
        self._ask("GET", "/api/version")

    def submit(
        self, name: str, entrypoint: str, *, environment: Mapping[str, str], metadata: Mapping[str, str]
    ) -> None:
        """Submit a job; if the connection is lost meanwhile, only `is_alive` tells whether the cluster has it.

        Raises:
            UnavailableError: the cluster does not take it.
        """
        job = {
            "submission_id": name,
            "entrypoint": entrypoint,
            "runtime_env": {"env_vars": dict(environment)},
            "metadata": dict(metadata),
        }
        try:
            answer = self._http.post("/api/jobs/", json=job)
        except httpx.HTTPError:
            return
        if not answer.is_success:
            raise UnavailableError(f"Ray at {self.address} does not take the job: {_short(answer.text)}")

    def is_alive(self, name: str) -> bool:
        """Return whether a job waits or runs.

        Raises:
            UnavailableError: the cluster does not answer.
        """
        answer = self._ask("GET", f"/api/jobs/{quote(name)}")
        return answer is not None and answer.json().get("status") in _ALIVE

    def stop(self, name: str) -> bool:
        """Have Ray send SIGTERM to a job, and kill it if it does not end; return whether the cluster knows the job.

        Raises:
            UnavailableError: the cluster does not answer.
        """
        return self._ask("POST", f"/api/jobs/{quote(name)}/stop") is not None

    def message(self, name: str) -> str:
        """Return what Ray says of a job.

        Raises:
            UnavailableError: the cluster does not answer.
        """
        answer = self._ask("GET", f"/api/jobs/{quote(name)}")
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
            said = f"cannot connect to Ray at {self.address} ({_reason(error)}); searches on it may be running."
            raise UnavailableError(said) from error
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if not answer.is_success:
            raise UnavailableError(f"Ray at {self.address} answers {answer.status_code}: {_short(answer.text)}")
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
