"""Server-sent events as they leave us; each in one piece, since some clients drop an event split over two reads."""

DONE = b"data: [DONE]\n\n"
# A comment: clients fail on event types that they do not know.
KEEP_ALIVE = b": keep-alive\n\n"


def frame(data: bytes) -> bytes:
    """One event of JSON `data`, which holds no line break."""
    return b"data: %b\n\n" % data
