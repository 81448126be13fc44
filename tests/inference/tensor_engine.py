"""Small engines that speak KServe's `/infer` with binary tensors: one that embeds and ranks, and ways to go wrong."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np

from tests.inference.faulty_engines import Engine, Reader, Writer, refusal

LENGTH = b"inference-header-content-length: "
Respond = Callable[["Call"], Awaitable[bytes] | bytes]


class Call:
    """One request: its tensors by name, BYTES as texts; `writer` for what is no answer."""

    def __init__(self, path: str, head: dict[str, Any], data: bytes, writer: Writer) -> None:
        self.path = path
        self.writer = writer
        self.tensors: dict[str, Any] = {}
        self.shapes: dict[str, list[int]] = {}
        for tensor in head["inputs"]:
            size = tensor["parameters"]["binary_data_size"]
            piece, data = data[:size], data[size:]
            self.shapes[tensor["name"]] = tensor["shape"]
            self.tensors[tensor["name"]] = (
                texts_in(piece)
                if tensor["datatype"] == "BYTES"
                else np.frombuffer(piece, {"INT64": "<i8", "INT32": "<i4"}[tensor["datatype"]]).tolist()
            )

    def __getitem__(self, name: str) -> Any:
        return self.tensors[name]


def texts_in(data: bytes) -> list[str]:
    """The elements of a BYTES tensor."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[:4], "little")
        found.append(data[4:end].decode())
        data = data[end:]
    return found


def answer(**tensors: tuple[str, np.ndarray]) -> bytes:
    """A whole response with these outputs, each a datatype and an array."""
    pieces = [array.tobytes() for _, array in tensors.values()]
    outputs = [
        {"name": name, "datatype": datatype, "shape": array.shape, "parameters": {"binary_data_size": len(piece)}}
        for (name, (datatype, array)), piece in zip(tensors.items(), pieces, strict=True)
    ]
    head = json.dumps({"model_name": "m", "model_version": "1", "outputs": outputs}).encode()
    body = head + b"".join(pieces)
    return b"HTTP/1.1 200 OK\r\n%b%d\r\ncontent-length: %d\r\n\r\n%b" % (LENGTH, len(head), len(body), body)


def embeds(call: Call) -> bytes:
    """Each text's vector is its length and 1; a token for each character. As a map of `text-embedding` reads it."""
    lengths = [len(text) for text in call["TEXT"]]
    vectors = np.array([[length, 1] for length in lengths], "<f4")
    return answer(EMBEDDING=("FP32", vectors), TOKENS=("INT32", np.array(lengths, "<i4").reshape(-1, 1)))


def ranks(call: Call) -> bytes:
    """Each document's logit is its length; a token for each. As a map of `query-documents` reads it."""
    lengths = [len(text) for text in call["DOCUMENTS"]]
    return answer(SCORES=("FP32", np.array(lengths, "<f4")), TOKENS=("INT32", np.array([1] * len(lengths), "<i4")))


def says(text: bytes) -> Respond:
    """Always the same."""
    return lambda call: text


def error(status: str, text: str) -> Respond:
    """Triton's error object."""
    return says(refusal(status, json.dumps({"error": text}).encode()))


async def hangs(call: Call) -> bytes:
    """No answer at all."""
    await asyncio.sleep(3600)
    return b""


async def resets(call: Call) -> bytes:
    """Breaks the connection off."""
    call.writer.transport.abort()
    return b""


def one_vector(values: Sequence[float]) -> Respond:
    """One vector of these values, however many texts there were."""
    tokens = ("INT32", np.array([[1]], "<i4"))
    return says(answer(EMBEDDING=("FP32", np.array([values], "<f4")), TOKENS=tokens))


def texts_for_vectors(call: Call) -> bytes:
    """Texts where vectors belong."""
    return answer(EMBEDDING=("BYTES", np.zeros(4 * len(call["TEXT"]), "u1")), TOKENS=("INT32", np.array([1], "<i4")))


class TensorEngine(Engine):
    """A server on a port of its own; `calls` are those that came, `at_once` how many are under way."""

    def __init__(self, respond: Respond) -> None:
        super().__init__(self.serve)
        self.respond = respond
        self.calls: list[Call] = []
        self.config: dict[str, Any] | None = None

    async def serve(self, reader: Reader, writer: Writer) -> None:
        """One connection, request after request."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
                path = head.split(b" ", 2)[1].decode()
                if not path.endswith("/infer"):
                    text = json.dumps(self.config or {"error": "no"}).encode()
                    writer.write(refusal("200 OK" if self.config else "400 Bad Request", text))
                    continue
                json_bytes = int(head.partition(LENGTH)[2].partition(b"\r\n")[0])
                call = Call(path, json.loads(body[:json_bytes]), body[json_bytes:], writer)
                await self.answer(call, reader, writer)
        writer.transport.abort()

    async def answer(self, call: Call, reader: Reader, writer: Writer) -> None:
        """Answers one call, as long as its client is there."""
        self.calls.append(call)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            found = self.respond(call)
            if not isinstance(found, bytes):
                found = await self.unless_gone(found, reader)
            writer.write(found)
            await writer.drain()
        finally:
            self.at_once -= 1

    async def unless_gone(self, work: Awaitable[bytes], reader: Reader) -> bytes:
        """What `work` comes to; ends with the connection."""
        working, gone = asyncio.ensure_future(work), asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise ConnectionError
            return working.result()
        finally:
            working.cancel()
            gone.cancel()
            await asyncio.gather(working, gone, return_exceptions=True)
