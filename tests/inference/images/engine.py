"""An engine of images in this process: speaks KServe's binary tensors, and notes what it is asked."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

NUMBERS = {"INT32": "<i4", "INT64": "<i8", "FP32": "<f4", "UINT8": "u1"}
DTYPES = {"uint8": "UINT8", "float32": "FP32"}
# What it counts, whatever the prompt.
TOKENS = 11
Answer = bytes | np.ndarray | int


class Engine:
    """`draw` makes an answer of a call's tensors by name: a file, an array, or an HTTP status of an error.

    It takes `seconds`, and `slowly` for prompts that ask for it.
    """

    def __init__(self, draw: Callable[[dict[str, Any]], Answer], *, seconds: float = 0.0, slowly: float = 0.0) -> None:
        self.draw = draw
        self.seconds = seconds
        self.slowly = slowly
        self.calls: list[dict[str, Any]] = []
        self.running = self.most = self.left = 0
        self.url = ""
        # Set by the first call, and by the third.
        self.first, self.third = asyncio.Event(), asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
                if not body:
                    # Somebody asks about the model: this engine says nothing of it.
                    writer.write(answer(404))
                    continue
                call = tensors(body, int(fields[b"inference-header-content-length"]))
                self.calls.append(call)
                self.first.set()
                if len(self.calls) == 3:
                    self.third.set()
                self.running += 1
                self.most = max(self.most, self.running)
                gone = asyncio.ensure_future(reader.read(1))
                seconds = self.slowly if call.get("prompt") == [b"slowly"] else self.seconds
                done, _ = await asyncio.wait({gone}, timeout=seconds)
                self.running -= 1
                if done:
                    self.left += 1
                    return
                gone.cancel()
                await asyncio.wait({gone})
                writer.write(answer(self.draw(call)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[Engine]:
    """The engine, listening at its `url`."""
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    engine.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield engine
    finally:
        server.close()


def tensors(body: bytes, head: int) -> dict[str, Any]:
    """The input tensors of a request: lists of bytes or numbers."""
    found: dict[str, Any] = {}
    offset = head
    for tensor in json.loads(body[:head])["inputs"]:
        data = body[offset : offset + tensor["parameters"]["binary_data_size"]]
        offset += len(data)
        if tensor["datatype"] == "BYTES":
            values, at = [], 0
            while at < len(data):
                (length,) = struct.unpack_from("<I", data, at)
                values.append(data[at + 4 : at + 4 + length])
                at += 4 + length
        else:
            values = np.frombuffer(data, NUMBERS[tensor["datatype"]]).tolist()
        assert np.prod(tensor["shape"]) == len(values)
        found[tensor["name"]] = values
    return found


def answer(made: Answer) -> bytes:
    """The HTTP response with the picture `made`, and a count of tokens."""
    if isinstance(made, int):
        said = b'{"error":"canary: what the engine says"}'
        return b"HTTP/1.1 %d Error\r\ncontent-length: %d\r\n\r\n%b" % (made, len(said), said)
    if isinstance(made, bytes):
        data, shape, kind = struct.pack("<I", len(made)) + made, [1], "BYTES"
    else:
        data, shape, kind = made.tobytes(), list(made.shape), DTYPES[str(made.dtype)]
    outputs = [
        {"name": "picture", "datatype": kind, "shape": shape, "parameters": {"binary_data_size": len(data)}},
        {"name": "count", "datatype": "INT32", "shape": [1], "parameters": {"binary_data_size": 4}},
    ]
    data += struct.pack("<i", TOKENS)
    head = json.dumps({"outputs": outputs}).encode()
    fields = b"inference-header-content-length: %d\r\ncontent-length: %d" % (len(head), len(head) + len(data))
    return b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b%b" % (fields, head, data)
