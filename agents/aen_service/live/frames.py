"""Server-sent events as bytes."""

from aen_service.reading.log import event_of

KEEP_ALIVE = b": keep-alive\n\n"
RETRY_MILLISECONDS = 2000


def frame(event: str, data: str, *, number: int | None = None) -> bytes:
    """Return an event; the data has no line breaks."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {event}\ndata: {data}\n\n".encode()


def removed_frame(search: str) -> bytes:
    """Return the event of a search that was removed."""
    return frame("removed", f'{{"id":"{search}"}}')


def line_frame(number: int, line: bytes) -> bytes:
    """Return the event of a line of a log."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, event_of(line) or b"message", line)


def opening(number: int) -> bytes:
    """Return what a stream begins with: the number after which a client that comes back begins, and when it may."""
    return f"retry: {RETRY_MILLISECONDS}\nid: {number}\n\n".encode()
