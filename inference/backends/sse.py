"""Server-sent events from an engine: bytes in at any split, payloads out."""

import re

# A line ends with CRLF, LF or CR (WHATWG HTML, 9.2.5 "Parsing an event stream").
_LINE_END = re.compile(rb"\r\n|\n|\r")
# As numbers: looking for bytes of one character in bytes takes six times as long, and counting them twenty times.
CR, LF = 13, 10


class SseDecoder:
    """Collects the `data` of events; other fields and comments are ignored, as engines send none that matter."""

    __slots__ = ("_begun", "_buffer", "_data")

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[bytes] = []
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads of the events that `chunk` completes, in order."""
        if not self._data and CR not in chunk:
            one_line = chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") and chunk.find(LF) == len(chunk) - 2
            if one_line and not self._buffer:
                # Mostly, one event of one line.
                self._begun = True
                return [chunk[6:-2]]
            buffer = self._buffer + chunk if self._buffer else chunk
            end = buffer.rfind(b"\n\n")
            if end > 0 and buffer.startswith(b"data: ") and CR not in self._buffer:
                # What Triton writes: events of one line each, of which a read may cut the last.
                payloads = buffer[6:end].split(b"\n\ndata: ")
                if not any(LF in payload for payload in payloads):
                    self._begun = True
                    self._buffer = buffer[end + 2 :]
                    return payloads
        return self._feed_lines(chunk)

    def _feed_lines(self, chunk: bytes) -> list[bytes]:
        buffer = self._buffer + chunk
        # A CR at the very end may be half of a CRLF: it waits for the next byte.
        held = b""
        if buffer.endswith(b"\r"):
            buffer, held = buffer[:-1], b"\r"
        *lines, rest = _LINE_END.split(buffer)
        self._buffer = rest + held
        payloads = []
        for line in lines:
            if not self._begun:
                line = line.removeprefix(b"\xef\xbb\xbf")
                self._begun = True
            if not line:
                if self._data:
                    payloads.append(b"\n".join(self._data))
                    self._data = []
                continue
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
        return payloads
