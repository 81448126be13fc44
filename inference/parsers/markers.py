"""Markers in a text that comes in pieces."""

# What formats put behind a marker to be read more easily; it belongs to nothing.
LINE_BREAKS = "\r\n"


def beginning(text: str, marker: str) -> int:
    """Where a marker begins that the end of `text` is the beginning of; the length of `text` if there is none."""
    start = text.find(marker[0], max(0, len(text) - len(marker) + 1))
    while start >= 0:
        if marker.startswith(text[start:]):
            return start
        start = text.find(marker[0], start + 1)
    return len(text)
