"""The settings of a service."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
        body_bytes: of a request other than an upload.
        upload_bytes: of an uploaded data set.
        unpacked_bytes: of an uploaded archive when it is unpacked.
        json_depth: of nested brackets in a request.
        queued: searches of a token that wait or run.
        children: budget of a search, in children.
        stored_bytes: data sets of a token together.
        resumes: how often a search whose process died is resumed.
        active_children: budgets of all searches of a token that wait or run together, in children.
        stop_seconds: that a search has to stop, after which it is killed.
        page: rows of a page of a list.
        watchers: event streams that are open at the same time.
        batch_bytes: of a batch of evaluations.
        requests: of a token that are answered at the same time, apart from event streams.
        token_uploads: data sets that a token uploads at the same time.
        token_watchers: event streams of a token that are open at the same time.
        connections: that are open at the same time.
        url_bytes: of the address of a request.
        head_bytes: of the header of a request.
        head_lines: of the header of a request.
        head_seconds: in which the header of a request must come.
        idle_seconds: after which a body that comes more slowly than `slowest_bytes` is refused.
        slowest_bytes: of a body, for each second.
        send_seconds: after which a client that does not read its answer is dropped.
        evaluations: children of a token that are being evaluated for remote clients at the same time.
        epochs: of a child that a remote client asks for.
        images: that it is trained and validated on.
        datasets: of a token.
        weights_bytes: weights beside the store together; beyond it, those that were not used for long are removed.
    """

    body_bytes: int = 2**20
    upload_bytes: int = 2**29
    unpacked_bytes: int = 2**31
    json_depth: int = 32
    queued: int = 50
    children: int = 100_000
    stored_bytes: int = 2**33
    resumes: int = 3
    active_children: int = 1_000_000
    stop_seconds: float = 60.0
    page: int = 200
    watchers: int = 1000
    batch_bytes: int = 2**24
    requests: int = 64
    token_uploads: int = 4
    token_watchers: int = 500
    connections: int = 2000
    url_bytes: int = 2**13
    head_bytes: int = 2**15
    head_lines: int = 100
    head_seconds: float = 15.0
    idle_seconds: float = 15.0
    slowest_bytes: int = 500
    send_seconds: float = 60.0
    evaluations: int = 20_000
    epochs: int = 1000
    images: int = 200_000
    datasets: int = 100
    weights_bytes: int = 2**33


@dataclass(frozen=True)
class Settings:
    """The settings of a service.

    Attributes:
        root: folder of the runs; those that `aen search` made there are shown, too.
        host: address on which it listens.
        port: port on which it listens.
        parallel: searches that run at the same time.
        ray: address of Ray's dashboard, to which searches are submitted as jobs; None: they are processes here.
        database: SQLAlchemy URL of the service's own database; None: an SQLite file below `root`.
        hosts: names under which clients may reach it, besides `host` and the loopback names.
        limits: what a client may ask for.
        workers: processes that train for remote clients; None: one for each core.
    """

    root: Path
    host: str = "127.0.0.1"
    port: int = 8700
    parallel: int = 1
    ray: str | None = None
    database: str | None = None
    hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    workers: int | None = None

    @property
    def folder(self) -> Path:
        """The folder of the service's own files, below the root; absolute, since its processes work elsewhere."""
        return (self.root / ".aen-service").absolute()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database or f"sqlite:///{self.folder / 'service.sqlite'}"

    @property
    def store(self) -> Path:
        """The result store that all searches and clients share, so that nothing is trained twice."""
        return self.folder / "results.sqlite"

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return self.host in LOOPBACK or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that the header ``Host`` may have, without port."""
        names = {self.host, *self.hosts} - {"0.0.0.0", "::"}  # noqa: S104
        return LOOPBACK | {"[::1]", *(f"[{name.lower()}]" if ":" in name else name.lower() for name in names)}
