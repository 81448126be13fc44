"""The end of an engine's answer is the end, whatever the engine does with its response."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from inference.backends import triton_vllm
from inference.backends.transport import close_transport
from inference.backends.triton_vllm import TritonVllm
from inference.errors import BackendFailed
from inference.generation import Event, Finish, Generation, Sampling, Target, TextDelta, Usage

HELLO = [TextDelta(0, "Hello", 1), Usage(4, 1), Finish(0, "stop")]


def event(**fields: object) -> bytes:
    return b"data: %b\n\n" % json.dumps(fields).encode()


def last(text: str) -> bytes:
    return event(text_output=text, finish_reason="stop", num_input_tokens=4, num_output_tokens=1)


class Engine:
    """A server that answers every request with the same pieces, each in a chunk, and ends its response or not."""

    def __init__(self, *pieces: bytes, ends: bool) -> None:
        self.pieces = pieces
        self.ends = ends
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.partition(b":")[2]))
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                writer.writelines(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in self.pieces)
                if self.ends:
                    writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Target]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            yield Target(
                name="d",
                adapter="triton_vllm",
                url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
                triton_model="m",
                triton_version="",
                weight=1,
                max_concurrency=1,
                headers={},
                options={},
            )
            await close_transport()


async def ask(target: Target) -> list[Event]:
    generation = Generation("r", "Hello", 1, 5, Sampling())
    return [event async for event in TritonVllm().stream(generation, target)]


async def test_an_error_after_the_end_is_none():
    async with Engine(last("Hello") + event(error="boom"), event(error="boom"), ends=True).running() as target:
        assert (await ask(target))[-3:] == HELLO


async def test_a_response_that_goes_on_for_ever_after_the_end_is_given_up(monkeypatch):
    monkeypatch.setattr(triton_vllm, "LINGER_SECONDS", 0.1)
    async with Engine(last("Hello"), ends=False).running() as target:
        start = time.monotonic()
        assert (await ask(target))[-3:] == HELLO
        assert time.monotonic() - start < 2


async def test_a_response_without_an_end_is_an_error():
    async with Engine(event(text_output="Hello", num_output_tokens=1), ends=True).running() as target:
        with pytest.raises(BackendFailed):
            await ask(target)


async def test_a_response_read_to_its_end_leaves_its_connection_to_the_next():
    engine = Engine(last("Hello"), ends=True)
    async with engine.running() as target:
        for _ in range(3):
            await ask(target)
    assert engine.connections == 1
