"""The settings of a service."""

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
        page: rows of a page of a list.
        watchers: event streams that are open at the same time.
        evaluations: children of a token that are being evaluated for remote clients at the same time.
        epochs: of a child that a remote client asks for.
        images: that it is trained and validated on.
        datasets: of a token.
    """

    body_bytes: int = 2**20
    upload_bytes: int = 2**29
    unpacked_bytes: int = 2**31
    json_depth: int = 32
    queued: int = 50
    children: int = 100_000
    stored_bytes: int = 2**33
    resumes: int = 3
    page: int = 200
    watchers: int = 1000
    evaluations: int = 20_000
    epochs: int = 1000
    images: int = 200_000
    datasets: int = 100


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
        """The folder of the service's own files, below the root."""
        return self.root / ".aen-service"

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database or f"sqlite:///{(self.folder / 'service.sqlite').absolute()}"

    @property
    def store(self) -> Path:
        """The result store that all searches and clients share, so that nothing is trained twice."""
        return (self.folder / "results.sqlite").absolute()

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in LOOPBACK

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that the header ``Host`` may have, without port."""
        return LOOPBACK | {"[::1]", self.host.lower(), *(host.lower() for host in self.hosts)}
